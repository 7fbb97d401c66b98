//! Transactions to put into a store.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fs_format::{
    ContentHash, Encoded, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId,
    StreamBase, StreamId, Timestamp, TransactionId,
};
use uuid::Uuid;

/// 2026-11-20, in milliseconds.
const START_MILLIS: u64 = 1_795_206_660_000;

/// Returns the `n`-th id; each thousand lies in another directory.
pub(crate) fn id(n: u64) -> TransactionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    TransactionId::from_parts(START_MILLIS + n % 1000 + ((n / 1000) << 24), random)
}

pub(crate) fn replica(n: u128) -> ReplicaId {
    ReplicaId::from_uuid(Uuid::from_u128(
        0x01a1_fd21_d4f6_72d8_ba72_0000_0000_0000 + n,
    ))
}

pub(crate) fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

pub(crate) fn parent(of: &Encoded) -> Parent {
    Parent {
        transaction_id: of.transaction_id,
        content_hash: Some(of.content_hash),
    }
}

/// A transaction to be: by a foreign replica, without parents, at second `n`.
#[derive(Clone)]
pub(crate) struct Draft {
    n: u64,
    replica: ReplicaId,
    second: i64,
    parents: Vec<Parent>,
    writes: Vec<(String, u64)>,
    versions: BTreeMap<String, u64>,
    event_type: &'static str,
    text: String,
}

pub(crate) fn tx(n: u64) -> Draft {
    Draft {
        n,
        replica: replica(900),
        second: i64::try_from(n).unwrap(),
        parents: vec![],
        writes: vec![("a".to_owned(), 1)],
        versions: BTreeMap::new(),
        event_type: "Said",
        text: String::new(),
    }
}

impl Draft {
    pub(crate) fn by(self, replica: ReplicaId) -> Self {
        Self { replica, ..self }
    }

    pub(crate) fn at(self, second: i64) -> Self {
        Self { second, ..self }
    }

    pub(crate) fn on(self, parents: &[&Encoded]) -> Self {
        self.on_parents(parents.iter().map(|encoded| parent(encoded)).collect())
    }

    pub(crate) fn on_parents(self, parents: Vec<Parent>) -> Self {
        Self { parents, ..self }
    }

    /// Names a parent with a content that it does not have.
    pub(crate) fn belying(mut self, parent: &Encoded) -> Self {
        self.parents.push(Parent {
            transaction_id: parent.transaction_id,
            content_hash: Some(ContentHash::of_lines([self.n.to_string()])),
        });
        self
    }

    pub(crate) fn writing(self, writes: &[(&str, u64)]) -> Self {
        let writes = writes
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        Self {
            writes: writes.collect(),
            ..self
        }
    }

    /// Says what version a declared stream had for its writer; 0 without this.
    pub(crate) fn deciding_on(mut self, name: &str, version: u64) -> Self {
        self.versions.insert(name.to_owned(), version);
        self
    }

    pub(crate) fn of_type(self, event_type: &'static str) -> Self {
        Self { event_type, ..self }
    }

    /// Gives the events another content, under the same ids.
    pub(crate) fn saying(self, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..self
        }
    }

    pub(crate) fn encode(&self) -> Encoded {
        let created_at =
            i64::try_from(START_MILLIS).unwrap() * 1_000_000 + self.second * 1_000_000_000;
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: id(self.n),
            replica_id: self.replica,
            replica_seq: Some(self.n),
            created_at: Timestamp::from_unix_nanos(created_at).unwrap(),
            recorded_at: None,
            parents: self.parents.clone(),
            stream_bases: self
                .writes
                .iter()
                .map(|(name, writes)| {
                    (
                        stream(name),
                        StreamBase {
                            version: self.versions.get(name).copied().unwrap_or(0),
                            writes: *writes,
                        },
                    )
                })
                .collect(),
            command_id: None,
            resolves: BTreeMap::new(),
            metadata: Json::empty_object(),
        };
        let names = self
            .writes
            .iter()
            .flat_map(|(name, count)| (0..*count).map(move |_| name));
        let events: Vec<_> = (0u64..)
            .zip(names)
            .map(|(place, name)| Event {
                event_id: EventId::from_uuid(Uuid::from_u64_pair(self.n, place)),
                stream_id: stream(name),
                stream_version: 1,
                event_type: Cow::Borrowed(self.event_type),
                event_data: Json::compact(&format!("{:?}", self.text)).unwrap(),
                metadata: Json::empty_object(),
            })
            .collect();
        fs_format::encode(&header, &events).unwrap()
    }
}

/// Writes a transaction as eventcore-fs does, in format 2: parents without hashes, so that cycles can be made.
pub(crate) fn format_2(n: u64, parents: &[u64]) -> (TransactionId, Vec<u8>) {
    let event = format!(
        r#"{{"record":"event","event_id":"{}","stream_id":"old","stream_version":1,"event_type":"Said","event_data":null,"metadata":{{}}}}"#,
        Uuid::from_u64_pair(n, 0)
    );
    let parents: Vec<_> = parents.iter().map(|n| format!("\"{}\"", id(*n))).collect();
    let header = format!(
        r#"{{"record":"header","format_version":2,"transaction_id":"{}","replica_id":"{}","parent_transaction_ids":[{}],"created_at":"2026-11-21T08:03:{:02}.000000000+00:00","stream_bases":{{"old":0}},"content_hash":"{}"}}"#,
        id(n),
        replica(901).as_uuid(),
        parents.join(","),
        n % 60,
        ContentHash::of_lines([&event]),
    );
    (id(n), format!("{header}\n{event}\n").into_bytes())
}
