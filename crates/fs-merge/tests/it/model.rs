//! Small histories, and the files they are stored in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fs_format::{
    ContentHash, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId, StreamBase,
    StreamId, Timestamp, TransactionId,
};
use uuid::Uuid;

/// The first instant of every history.
const BEGIN: i64 = 1_795_000_000_000_000_000;

/// A transaction of a small history.
#[derive(Clone)]
pub(crate) struct Tx {
    pub(crate) id: TransactionId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) created_at: Timestamp,
    /// By index; all are smaller than its own.
    pub(crate) parents: BTreeSet<usize>,
    /// The streams it declares, each with how many events it adds.
    pub(crate) streams: BTreeMap<StreamId, u64>,
    pub(crate) resolves: BTreeSet<StreamId>,
    /// What it lists as settled for each of these, by index.
    pub(crate) listed: BTreeSet<usize>,
    pub(crate) format_version: FormatVersion,
    /// Whether its file is not there.
    pub(crate) lost: bool,
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_hash: ContentHash,
}

/// Transactions, each after its parents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) transactions: Vec<Tx>,
}

/// What a transaction to be added does.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) replica: u8,
    pub(crate) parents: BTreeSet<usize>,
    pub(crate) streams: BTreeMap<StreamId, u64>,
    pub(crate) resolves: BTreeSet<StreamId>,
    /// What it lists as settled for each of these, by index; its parents where nothing else is said.
    pub(crate) listed: Option<BTreeSet<usize>>,
    pub(crate) format_version: FormatVersion,
    /// How far the writer's clock runs ahead, in nanoseconds.
    pub(crate) ahead: i64,
}

impl fmt::Debug for Tx {
    /// Shows what makes a history, not what follows from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams: Vec<_> = self
            .streams
            .iter()
            .map(|(stream_id, writes)| format!("{stream_id}+{writes}"))
            .collect();
        write!(
            f,
            "v{} on {:?}: {}",
            self.format_version,
            self.parents,
            streams.join(" ")
        )?;
        if !self.resolves.is_empty() {
            write!(f, ", settles {:?} of {:?}", self.resolves, self.listed)?;
        }
        f.write_str(if self.lost { ", lost" } else { "" })
    }
}

pub(crate) fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

impl Model {
    /// Adds a transaction that writes one event to each of `streams`; returns its index.
    pub(crate) fn write(&mut self, replica: u8, parents: &[usize], streams: &[&str]) -> usize {
        self.add(Draft {
            replica,
            parents: parents.iter().copied().collect(),
            streams: streams.iter().map(|name| (stream(name), 1)).collect(),
            resolves: BTreeSet::new(),
            listed: None,
            format_version: FormatVersion::V3,
            ahead: 0,
        })
    }

    /// Adds a transaction that reads `read` and writes one event to each of `streams`; returns its index.
    pub(crate) fn decide(
        &mut self,
        replica: u8,
        parents: &[usize],
        streams: &[&str],
        read: &[&str],
    ) -> usize {
        let written = streams.iter().map(|name| (stream(name), 1));
        let read = read.iter().map(|name| (stream(name), 0));
        self.add(Draft {
            replica,
            parents: parents.iter().copied().collect(),
            streams: written.chain(read).collect(),
            resolves: BTreeSet::new(),
            listed: None,
            format_version: FormatVersion::V3,
            ahead: 0,
        })
    }

    /// Adds a transaction that settles `streams` and writes nothing; returns its index.
    pub(crate) fn accept(&mut self, replica: u8, parents: &[usize], streams: &[&str]) -> usize {
        self.add(Draft {
            replica,
            parents: parents.iter().copied().collect(),
            streams: streams.iter().map(|name| (stream(name), 0)).collect(),
            resolves: streams.iter().map(|name| stream(name)).collect(),
            listed: None,
            format_version: FormatVersion::V3,
            ahead: 0,
        })
    }

    /// Adds a transaction; returns its index.
    pub(crate) fn add(&mut self, draft: Draft) -> usize {
        let index = self.transactions.len();
        let newest = draft
            .parents
            .iter()
            .map(|parent| self.transactions[*parent].created_at.unix_nanos())
            .max()
            .unwrap_or(BEGIN);
        let created_at = Timestamp::from_unix_nanos(newest + 1 + draft.ahead).unwrap();
        let mut random = [0x5a; 10];
        // Ids of one millisecond are in no order.
        random[4] = u8::try_from(index * 151 % 256).unwrap();
        random[8..].copy_from_slice(&u16::try_from(index).unwrap().to_be_bytes());
        let id = TransactionId::from_parts(created_at.unix_millis(), random);
        let replica_id = ReplicaId::from_uuid(Uuid::from_u128(u128::from(draft.replica) + 1));
        let mut tx = Tx {
            id,
            replica_id,
            created_at,
            listed: draft.listed.unwrap_or_else(|| draft.parents.clone()),
            parents: draft.parents,
            streams: draft.streams,
            resolves: draft.resolves,
            format_version: draft.format_version,
            lost: false,
            path: id.relative_path(),
            bytes: Vec::new(),
            content_hash: ContentHash::from_bytes([0; 32]),
        };
        match draft.format_version {
            FormatVersion::V3 => self.seal(index, &mut tx),
            FormatVersion::V1 | FormatVersion::V2 => self.unsealed(index, &mut tx),
        }
        self.transactions.push(tx);
        index
    }

    fn seal(&self, index: usize, tx: &mut Tx) {
        let parents = tx.parents.iter().map(|parent| &self.transactions[*parent]);
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: tx.id,
            replica_id: tx.replica_id,
            replica_seq: Some(index as u64),
            created_at: tx.created_at,
            recorded_at: None,
            parents: parents
                .map(|parent| Parent {
                    transaction_id: parent.id,
                    content_hash: Some(parent.content_hash),
                })
                .collect(),
            stream_bases: tx
                .streams
                .iter()
                .map(|(stream_id, writes)| {
                    let base = StreamBase {
                        version: 0,
                        writes: *writes,
                    };
                    (stream_id.clone(), base)
                })
                .collect(),
            command_id: None,
            resolves: tx
                .resolves
                .iter()
                .map(|stream_id| {
                    let listed: BTreeSet<_> = tx
                        .listed
                        .iter()
                        .map(|index| self.transactions[*index].id)
                        .collect();
                    (stream_id.clone(), listed.into_iter().collect())
                })
                .collect(),
            metadata: Json::empty_object(),
        };
        let events: Vec<_> = written(index, tx)
            .into_iter()
            .map(|(event_id, stream_id, data)| Event {
                event_id,
                stream_id,
                stream_version: 1,
                event_type: "Counted".into(),
                event_data: Json::compact(&data).unwrap(),
                metadata: Json::empty_object(),
            })
            .collect();
        let encoded = fs_format::encode(&header, &events).unwrap();
        (tx.bytes, tx.content_hash) = (encoded.bytes, encoded.content_hash);
    }

    /// Writes the transaction as eventcore-fs does.
    fn unsealed(&self, index: usize, tx: &mut Tx) {
        let events: Vec<_> = written(index, tx)
            .into_iter()
            .map(|(event_id, stream_id, data)| {
                format!(
                    r#"{{"record":"event","event_id":"{event_id}","stream_id":"{stream_id}","stream_version":1,"event_type":"Counted","event_data":{data},"metadata":{{}}}}"#
                )
            })
            .collect();
        let parents: Vec<_> = tx
            .parents
            .iter()
            .map(|parent| format!(r#""{}""#, self.transactions[*parent].id))
            .collect();
        let bases: Vec<_> = tx
            .streams
            .keys()
            .map(|stream_id| format!(r#""{stream_id}":0"#))
            .collect();
        let hash = match tx.format_version {
            FormatVersion::V2 => {
                format!(r#","content_hash":"{}""#, ContentHash::of_lines(&events))
            }
            _ => String::new(),
        };
        let header = format!(
            r#"{{"record":"header","format_version":{},"transaction_id":"{}","replica_id":"{}","parent_transaction_ids":[{}],"created_at":"{}","stream_bases":{{{}}}{hash}}}"#,
            tx.format_version,
            tx.id,
            tx.replica_id,
            parents.join(","),
            tx.created_at,
            bases.join(","),
        );
        let mut text = header;
        for event in events {
            text.push('\n');
            text.push_str(&event);
        }
        text.push('\n');
        tx.bytes = text.into_bytes();
        tx.content_hash = fs_format::decode(&tx.bytes).unwrap().content_hash;
        tx.path = tx.id.file_name();
    }

    /// Returns the transactions whose files are there, each with its index.
    pub(crate) fn present(&self) -> impl Iterator<Item = (usize, &Tx)> {
        self.transactions
            .iter()
            .enumerate()
            .filter(|(_, tx)| !tx.lost)
    }

    /// Returns the transactions below another, whether they are lost or not.
    pub(crate) fn below(&self, ix: usize) -> BTreeSet<usize> {
        let mut below = BTreeSet::new();
        let mut rest: Vec<usize> = self.transactions[ix].parents.iter().copied().collect();
        while let Some(ix) = rest.pop() {
            if below.insert(ix) {
                rest.extend(&self.transactions[ix].parents);
            }
        }
        below
    }

    /// Returns the ids of some transactions.
    pub(crate) fn ids(&self, indices: &[usize]) -> Vec<TransactionId> {
        indices
            .iter()
            .map(|index| self.transactions[*index].id)
            .collect()
    }

    /// Takes in a transaction that the store wrote.
    pub(crate) fn take_in(&mut self, path: String, bytes: Vec<u8>) -> usize {
        let decoded = fs_format::decode(&bytes).unwrap();
        let (header, content_hash) = (decoded.header, decoded.content_hash);
        let index_of = |id: TransactionId| self.transactions.iter().position(|tx| tx.id == id);
        let parents = header.parents.iter().map(|parent| {
            index_of(parent.transaction_id).expect("a transaction's parents are known")
        });
        let listed = header.resolves.values().flatten();
        let listed = listed.filter_map(|id| index_of(*id)).collect();
        let tx = Tx {
            id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            parents: parents.collect(),
            streams: header
                .stream_bases
                .iter()
                .map(|(stream_id, base)| (stream_id.clone(), base.writes))
                .collect(),
            resolves: header.resolves.keys().cloned().collect(),
            listed,
            format_version: header.format_version,
            lost: false,
            path,
            content_hash,
            bytes,
        };
        self.transactions.push(tx);
        self.transactions.len() - 1
    }
}

/// Returns the events of a transaction: id, stream, data.
fn written(index: usize, tx: &Tx) -> Vec<(EventId, StreamId, String)> {
    let mut events = Vec::new();
    for (stream_id, writes) in &tx.streams {
        for _ in 0..*writes {
            let place = events.len();
            let event_id = Uuid::from_u128(0xe000_0000 + (index as u128) * 1000 + place as u128);
            events.push((
                EventId::from_uuid(event_id),
                stream_id.clone(),
                format!("{}", index * 100 + place),
            ));
        }
    }
    events
}
