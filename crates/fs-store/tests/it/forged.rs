//! Transaction files as somebody else may write them.

use std::collections::BTreeMap;
use std::fs;

use fs_format::{
    CommandId, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId, StreamBase,
    Timestamp, TransactionId,
};
use fs_store::FileEventStore;
use uuid::Uuid;

use crate::support::stream;

/// 2026-11-20, in milliseconds.
const START_MILLIS: u64 = 1_795_206_660_000;

pub(crate) fn id(n: u64) -> TransactionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    TransactionId::from_parts(START_MILLIS + n, random)
}

pub(crate) fn replica(n: u128) -> ReplicaId {
    ReplicaId::from_uuid(Uuid::from_u128(n))
}

/// A transaction to be, with one event in its own stream: the `n`-th by id and by time.
#[derive(Clone)]
pub(crate) struct Forged {
    n: u64,
    pub(crate) replica_id: ReplicaId,
    pub(crate) sequence: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) parents: Vec<Parent>,
    pub(crate) command_id: Option<CommandId>,
}

impl Forged {
    pub(crate) fn new(n: u64) -> Self {
        let nanos = i64::try_from(START_MILLIS + n).unwrap() * 1_000_000;
        Self {
            n,
            replica_id: replica(1),
            sequence: n,
            created_at: Timestamp::from_unix_nanos(nanos).unwrap(),
            parents: Vec::new(),
            command_id: None,
        }
    }

    /// Writes the file and returns it as a parent of others.
    pub(crate) fn put(&self, store: &FileEventStore) -> Parent {
        let parent = self.parent();
        let bytes = self.bytes();
        let path = id(self.n).relative_path();
        let path = store.root().join("events").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        parent
    }

    pub(crate) fn parent(&self) -> Parent {
        let content_hash = fs_format::encode(&self.header(), &[self.event()])
            .unwrap()
            .content_hash;
        Parent {
            transaction_id: id(self.n),
            content_hash: Some(content_hash),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        fs_format::encode(&self.header(), &[self.event()])
            .unwrap()
            .bytes
    }

    fn event(&self) -> Event<'static> {
        Event {
            event_id: EventId::from_uuid(Uuid::from_u64_pair(1, self.n)),
            stream_id: stream(&format!("s{}", self.n)),
            stream_version: 1,
            event_type: "Counted".into(),
            event_data: Json::compact(&self.n.to_string()).unwrap(),
            metadata: Json::empty_object(),
        }
    }

    fn header(&self) -> Header {
        let base = StreamBase {
            version: 0,
            writes: 1,
        };
        Header {
            format_version: FormatVersion::V3,
            transaction_id: id(self.n),
            replica_id: self.replica_id,
            replica_seq: Some(self.sequence),
            created_at: self.created_at,
            recorded_at: None,
            parents: self.parents.clone(),
            stream_bases: BTreeMap::from([(self.event().stream_id, base)]),
            command_id: self.command_id.clone(),
            resolves: BTreeMap::new(),
            metadata: Json::empty_object(),
        }
    }
}
