//! Who takes part in a stream, and how.
//!
//! | role | who |
//! |---|---|
//! | writer | adds events to the stream |
//! | settler | names the stream in `resolves`; in formats 1 and 2, a writer with several parents |
//! | reader | declared the stream and adds nothing to it |

use fs_dag::{Dag, TxIx};
use fs_format::{FormatVersion, StreamId};
use fs_index::Declared;

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

    /// Returns whether two that do not know of each other conflict on the stream.
    pub(crate) fn conflicts_with(self, other: Self) -> bool {
        let (both_write, one_writes) = (
            self.writes() && other.writes(),
            self.writes() || other.writes(),
        );
        both_write || one_writes && self.settles() && other.settles()
    }
}

/// Returns each stream that a transaction takes part in, once, in byte order.
pub(crate) fn parts(of: Declared<'_>) -> impl Iterator<Item = (&StreamId, Part)> {
    let is_format_3 = of.format_version == FormatVersion::V3;
    let settles_what_it_writes = !is_format_3 && of.parents > 1;
    let mut bases = of.streams.iter().peekable();
    let named = is_format_3.then_some(of.resolves);
    let mut named = named.into_iter().flat_map(|it| it.keys()).peekable();
    std::iter::from_fn(move || {
        // Both are sorted: what is named and not declared comes in its place.
        let base = bases.peek().map(|(stream_id, _)| stream_id);
        if let Some(undeclared) = named.next_if(|it| base.is_none_or(|base| *it < base)) {
            return Some((undeclared, Part::Accepts));
        }
        let (stream_id, base) = bases.next()?;
        let writes = base.writes > 0;
        let is_named = named.next_if(|it| *it == stream_id).is_some();
        let settles = is_named || writes && settles_what_it_writes;
        Some((stream_id, Part::new(writes, settles)))
    })
}

/// Returns the streams whose conflicts below it a transaction settles, in byte order.
pub(crate) fn settled_by(of: Declared<'_>) -> impl Iterator<Item = &StreamId> {
    let settled = parts(of).filter(|(_, part)| part.settles());
    settled.map(|(stream_id, _)| stream_id)
}

/// Returns whether a transaction settles conflicts of a stream.
///
/// # Complexity
/// O(log n) for n streams that it declares or names.
pub(crate) fn settles(of: Declared<'_>, stream_id: &StreamId) -> bool {
    if of.format_version == FormatVersion::V3 {
        return of.resolves.contains_key(stream_id);
    }
    of.parents > 1 && writes(of, stream_id)
}

/// Returns whether a transaction has events of a stream.
///
/// # Complexity
/// As [`settles`].
pub(crate) fn writes(of: Declared<'_>, stream_id: &StreamId) -> bool {
    of.base_of(stream_id).is_some_and(|base| base.writes > 0)
}

/// Returns the heads of what the settler `ix` settles on a stream: conflicts between two transactions that are among these
/// or below one of them.
///
/// They are what `resolves` lists, less what is not below the settler; in formats 1 and 2 all parents that are here.
///
/// # Complexity
/// O(h) for h ids in the list.
pub(crate) fn settled_heads(
    dag: &Dag,
    ix: TxIx,
    of: Declared<'_>,
    stream_id: &StreamId,
) -> Vec<TxIx> {
    if of.format_version != FormatVersion::V3 {
        return dag.parents(ix).collect();
    }
    let listed = of.resolves.get(stream_id).into_iter().flatten();
    let known = listed.filter_map(|id| dag.index_of(*id));
    known.filter(|head| dag.is_ancestor(*head, ix)).collect()
}

#[cfg(test)]
mod tests {
    use fs_format::{Header, Json, ReplicaId, StreamBase, Timestamp, TransactionId};
    use fs_index::Links;

    use super::*;

    fn named(name: &str) -> StreamId {
        StreamId::new(name).unwrap()
    }

    #[test]
    fn what_is_declared_and_what_is_named_are_one_list() {
        let created_at = Timestamp::from_unix_nanos(0).unwrap();
        let base = |name, writes| (named(name), StreamBase { version: 0, writes });
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: TransactionId::from_parts(0, [0; 10]),
            replica_id: ReplicaId::NIL,
            replica_seq: None,
            created_at,
            recorded_at: None,
            parents: Vec::new(),
            stream_bases: [base("b", 1), base("c", 0), base("d", 0), base("f", 1)].into(),
            command_id: None,
            resolves: ["a", "b", "c", "e", "g"]
                .map(|name| (named(name), Vec::new()))
                .into(),
            metadata: Json::empty_object(),
        };
        let links = Links::of(&header);
        let found: Vec<_> = parts(links.declared())
            .map(|(stream_id, part)| (stream_id.clone(), part))
            .collect();
        let expected = [
            ("a", Part::Accepts),
            ("b", Part::WritesAndSettles),
            ("c", Part::Accepts),
            ("d", Part::Reads),
            ("e", Part::Accepts),
            ("f", Part::Writes),
            ("g", Part::Accepts),
        ];
        assert_eq!(
            found,
            expected.map(|(name, part)| (named(name), part)),
            "each stream comes once"
        );
        for (name, part) in expected.into_iter().chain([("z", Part::Reads)]) {
            let stream_id = named(name);
            let of = links.declared();
            let asked = (writes(of, &stream_id), settles(of, &stream_id));
            let listed = (part.writes(), part.settles());
            assert_eq!(asked, listed, "{name} by itself is what it is in the list");
        }
    }
}
