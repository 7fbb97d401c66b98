//! Where the numbers of a recorded stream end.

use fs_format::StreamId;
use fs_index::Placed;

use crate::recorder::attempt;
use crate::recorder::mark::Mark;
use fs_store::FileEventStore;
use fs_store::RefreshError;

/// The end of a recorded stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// How many events it has.
    pub(crate) version: u64,
    /// The highest logical number in it; 0 when there is none.
    pub(crate) number: u64,
}

impl End {
    /// Finds the end of a stream.
    ///
    /// # Complexity
    /// One transaction when a recorder wrote the last event of the stream where it could see all others; the whole stream after a merge of
    /// two recordings, or when somebody else wrote the last event.
    pub(crate) fn of(store: &FileEventStore, stream_id: &StreamId) -> Result<Self, RefreshError> {
        let mark = |placed: Placed<'_>| {
            let event = &placed.event;
            let mark = Mark::of(&event.event_type, &event.event_data, &event.metadata);
            let number = mark.map(Mark::last);
            // Others give any number, as who settles a fork by appending the items of one branch again. A recorder that saw as many
            // events as there are below it now has continued after the highest number of them.
            let is_recorders = placed
                .provenance
                .command_id
                .is_some_and(attempt::is_recorders);
            (
                number,
                is_recorders && placed.version == event.stream_version,
            )
        };
        let end = store.ask(|snapshot| {
            let version = snapshot.version(stream_id)?;
            let last = snapshot.read_stream(stream_id, version.saturating_sub(1), mark)?;
            let number = match last.last() {
                Some((Some(number), true)) => *number,
                Some(_) => {
                    let all = snapshot.read_stream(stream_id, 0, mark)?;
                    all.iter()
                        .filter_map(|(number, _)| *number)
                        .max()
                        .unwrap_or(0)
                }
                None => 0,
            };
            Ok(Self { version, number })
        })?;
        Ok(end.into_inner())
    }
}
