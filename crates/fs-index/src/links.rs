//! What a transaction says of others: on which it stands, which streams it declares, what it settles.
//!
//! ```text
//! | format u8 | replica's sequence: option of u64 | parents: list of ids | streams: list of name, version u64, writes u64 |
//! | settles: list of stream, list of ids |
//! ```
//!
//! **Invariant**: it is taken from the header when the transaction is ingested, and stands in the journal and in segments alike.

use std::collections::BTreeMap;

use fs_format::{FormatVersion, Header, StreamBase, StreamId, TransactionId};

use crate::codec::{Fields, Writer};

/// What the graph of the history needs of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    pub(crate) format_version: FormatVersion,
    pub(crate) replica_seq: Option<u64>,
    /// As they are recorded, also those that are not there.
    pub(crate) parents: Vec<TransactionId>,
    /// In byte order.
    pub(crate) streams: Vec<(StreamId, StreamBase)>,
    pub(crate) resolves: BTreeMap<StreamId, Vec<TransactionId>>,
}

/// What a transaction declares of streams, and how it is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// The format of its file.
    pub format_version: FormatVersion,
    /// How many parents it names, also those that are not there.
    pub parents: usize,
    /// Every stream that it writes or was decided on, in byte order.
    pub streams: &'a [(StreamId, StreamBase)],
    /// The streams whose forks it settles, each with the transactions that it settles.
    pub resolves: &'a BTreeMap<StreamId, Vec<TransactionId>>,
}

impl<'a> Declared<'a> {
    /// Returns what it declares of one stream.
    ///
    /// # Complexity
    /// O(log n) for n streams that it declares.
    pub fn base_of(&self, stream_id: &StreamId) -> Option<StreamBase> {
        let at = self.streams.binary_search_by(|(it, _)| it.cmp(stream_id));
        at.ok().map(|at| self.streams[at].1)
    }

    /// Returns the streams that it writes, in byte order, each with the number of events.
    pub fn writes(&self) -> impl Iterator<Item = (&'a StreamId, u64)> + use<'a> {
        let written = self.streams.iter().filter(|(_, base)| base.writes > 0);
        written.map(|(stream_id, base)| (stream_id, base.writes))
    }
}

impl Links {
    /// Takes them from a header.
    pub fn of(header: &Header) -> Self {
        let parents = header.parents.iter();
        let streams = header.stream_bases.iter();
        Self {
            format_version: header.format_version,
            replica_seq: header.replica_seq,
            parents: parents.map(|parent| parent.transaction_id).collect(),
            streams: streams
                .map(|(stream_id, base)| (stream_id.clone(), *base))
                .collect(),
            resolves: header.resolves.clone(),
        }
    }

    /// Returns what is declared of streams.
    pub fn declared(&self) -> Declared<'_> {
        Declared {
            format_version: self.format_version,
            parents: self.parents.len(),
            streams: &self.streams,
            resolves: &self.resolves,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(match self.format_version {
            FormatVersion::V1 => 1,
            FormatVersion::V2 => 2,
            FormatVersion::V3 => 3,
        });
        to.option(self.replica_seq, |to, seq| _ = to.u64(seq));
        to.list(self.parents.iter(), |to, parent| _ = to.id(*parent));
        to.list(self.streams.iter(), |to, (stream_id, base)| {
            to.text(stream_id.as_str())
                .u64(base.version)
                .u64(base.writes);
        });
        to.list(self.resolves.iter(), |to, (stream_id, settled)| {
            to.text(stream_id.as_str());
            to.list(settled.iter(), |to, id| _ = to.id(*id));
        });
        to.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Fields::new(bytes);
        let links = Self {
            format_version: match from.byte()? {
                1 => FormatVersion::V1,
                2 => FormatVersion::V2,
                3 => FormatVersion::V3,
                _ => return None,
            },
            replica_seq: from.option(Fields::u64)?,
            parents: from.list(Fields::id)?,
            streams: from.list(|from| Some((from.stream()?, base(from)?)))?,
            resolves: from.list(|from| Some((from.stream()?, from.list(Fields::id)?)))?,
        };
        from.rest().is_empty().then_some(links)
    }
}

fn base(from: &mut Fields<'_>) -> Option<StreamBase> {
    Some(StreamBase {
        version: from.u64()?,
        writes: from.u64()?,
    })
}

/// Calls `each` with the streams that are written, without decoding anything else.
pub(crate) fn each_written<'a>(bytes: &'a [u8], mut each: impl FnMut(&'a str)) -> Option<()> {
    let mut from = Fields::new(bytes);
    from.skip(1)?;
    from.option(Fields::u64)?;
    let parents = from.u32()? as usize;
    from.skip(parents.checked_mul(16)?)?;
    for _ in 0..from.u32()? {
        let name = from.text()?;
        if base(&mut from)?.writes > 0 {
            each(name);
        }
    }
    Some(())
}
