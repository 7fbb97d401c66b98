//! Who takes part in a stream, and how.
//!
//! | role | who |
//! |---|---|
//! | writer | adds events to the stream |
//! | settler | names the stream in `resolves`; in formats 1 and 2, a writer with several parents |
//! | reader | declared the stream and adds nothing to it |

use std::collections::BTreeMap;

use fs_dag::{Dag, TxIx};
use fs_format::{FormatVersion, Header, StreamId};
use fs_index::History;

/// Transactions of one stream and role, each chain's in the order of the chain.
///
/// What a transaction has not seen of a chain is a suffix of it, so the concurrent ones are found by binary search.
#[derive(Debug)]
pub(crate) struct Chains {
    by_chain: BTreeMap<u32, Vec<(u32, TxIx)>>,
}

impl Chains {
    /// Divides transactions among their chains; they come in canonical order, so positions of a chain ascend.
    pub(crate) fn new<'m>(dag: &Dag, members: impl IntoIterator<Item = &'m TxIx>) -> Self {
        let mut by_chain: BTreeMap<u32, Vec<(u32, TxIx)>> = BTreeMap::new();
        for ix in members {
            if let Some(at) = dag.chain(*ix) {
                by_chain
                    .entry(at.chain)
                    .or_default()
                    .push((at.position, *ix));
            }
        }
        Self { by_chain }
    }

    /// Returns those that are neither ancestors nor descendants of `ix`, nor ancestors of one of `settlers`.
    ///
    /// # Complexity
    /// O(c log n + k) for n transactions on c chains and k results.
    pub(crate) fn concurrent_with<'a>(
        &'a self,
        dag: &'a Dag,
        ix: TxIx,
        settlers: &'a [TxIx],
    ) -> impl Iterator<Item = TxIx> + 'a {
        let own = dag.chain(ix);
        self.by_chain
            .iter()
            .filter(move |(chain, _)| own.is_some_and(|own| own.chain != **chain))
            .flat_map(move |(chain, members)| {
                let seen = [ix]
                    .iter()
                    .chain(settlers)
                    .filter_map(|of| dag.highest_on_chain(*of, *chain))
                    .max();
                let from = members
                    .partition_point(|(position, _)| seen.is_some_and(|seen| *position <= seen));
                let to = members.partition_point(|(_, member)| !dag.is_ancestor(ix, *member));
                members
                    .get(from..to)
                    .unwrap_or(&[])
                    .iter()
                    .map(|(_, member)| *member)
            })
    }
}

/// The participants of one stream, each role in canonical order.
#[derive(Debug, Default)]
pub(crate) struct Participants {
    pub(crate) writers: Vec<TxIx>,
    pub(crate) settlers: Vec<TxIx>,
    pub(crate) readers: Vec<TxIx>,
}

/// Sorts every transaction of the history into the streams it takes part in.
pub(crate) fn participants(history: &History) -> BTreeMap<&StreamId, Participants> {
    let mut streams: BTreeMap<&StreamId, Participants> = BTreeMap::new();
    for (ix, stored) in history.canonical() {
        let header = stored.header();
        for (stream_id, base) in &header.stream_bases {
            let stream = streams.entry(stream_id).or_default();
            let role = if base.writes > 0 {
                &mut stream.writers
            } else {
                &mut stream.readers
            };
            role.push(ix);
        }
        for stream_id in settled_by(header) {
            streams.entry(stream_id).or_default().settlers.push(ix);
        }
    }
    streams
}

/// Returns the streams whose conflicts below it a transaction settles.
pub(crate) fn settled_by(header: &Header) -> Vec<&StreamId> {
    match header.format_version {
        FormatVersion::V3 => header.resolves.keys().collect(),
        FormatVersion::V1 | FormatVersion::V2 if header.parents.len() > 1 => header
            .stream_bases
            .iter()
            .filter(|(_, base)| base.writes > 0)
            .map(|(stream_id, _)| stream_id)
            .collect(),
        FormatVersion::V1 | FormatVersion::V2 => Vec::new(),
    }
}
