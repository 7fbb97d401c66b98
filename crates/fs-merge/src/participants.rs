//! Who takes part in a stream, and how.
//!
//! | role | who |
//! |---|---|
//! | writer | adds events to the stream |
//! | settler | names the stream in `resolves`; in formats 1 and 2, a writer with several parents |
//! | reader | declared the stream and adds nothing to it |

use fs_format::{FormatVersion, Header, StreamId};

/// How a transaction takes part in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Reads,
    Writes,
    /// Settles, and adds nothing.
    Accepts,
    WritesAndSettles,
}

impl Part {
    fn new(writes: bool, settles: bool) -> Self {
        match (writes, settles) {
            (false, false) => Self::Reads,
            (true, false) => Self::Writes,
            (false, true) => Self::Accepts,
            (true, true) => Self::WritesAndSettles,
        }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Writes | Self::WritesAndSettles)
    }

    pub(crate) fn settles(self) -> bool {
        matches!(self, Self::Accepts | Self::WritesAndSettles)
    }
}

/// Returns each stream that a transaction takes part in, once.
pub(crate) fn parts(header: &Header) -> impl Iterator<Item = (&StreamId, Part)> {
    let settles_what_it_writes = match header.format_version {
        FormatVersion::V1 | FormatVersion::V2 => header.parents.len() > 1,
        FormatVersion::V3 => false,
    };
    let resolves = (header.format_version == FormatVersion::V3 && !header.resolves.is_empty())
        .then_some(&header.resolves);
    let declared = header.stream_bases.iter().map(move |(stream_id, base)| {
        let writes = base.writes > 0;
        let settles = writes && settles_what_it_writes
            || resolves.is_some_and(|resolves| resolves.contains_key(stream_id));
        (stream_id, Part::new(writes, settles))
    });
    let resolved = resolves.into_iter().flat_map(|resolves| resolves.keys());
    let undeclared = resolved
        .filter(|stream_id| !header.stream_bases.contains_key(*stream_id))
        .map(|stream_id| (stream_id, Part::Accepts));
    declared.chain(undeclared)
}
