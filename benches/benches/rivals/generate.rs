//! Transactions of ours without the store: a chain, encoded as the store would and written as git's checkout does.
//!
//! Appending a million transactions one by one would take longer than measuring them. Three replicas take turns, each on
//! top of the one before; a directory gets some two hundred files.
//!
//! **Invariant**: the same history is the same files, byte for byte. Nothing is synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_format::{
    ContentHash, Encoded, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId,
    StreamBase, StreamId, Timestamp, TransactionId, encode,
};
use uuid::{Builder, Uuid};

use crate::scratch::History;
use crate::workload::Booked;
use crate::{Fallible, stores};

/// 2024-01-01, long enough ago for a million transactions to be in the past.
const START_NANOS: i64 = 1_704_067_200_000_000_000;

/// From one transaction to the next; a directory spans four and a half hours.
const SPACING_NANOS: i64 = 79_000_000_000;

const REPLICAS: u64 = 3;

/// A history that can be continued: how long it is, and its last transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain {
    pub(crate) length: u64,
    pub(crate) tip: Option<(TransactionId, ContentHash)>,
}

impl Chain {
    /// Returns the next transaction: one event for a stream that has `version` events.
    pub(crate) fn next(&mut self, stream: &str, version: u64) -> Fallible<Encoded> {
        let place = self.length;
        let created_at = Timestamp::from_unix_nanos(START_NANOS + place as i64 * SPACING_NANOS)
            .ok_or("the history is too long for its clock")?;
        let mut random = [0; 26];
        for (at, chunk) in random.chunks_mut(8).enumerate() {
            let bytes = scrambled(place * 4 + at as u64).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        let (for_id, for_event) = random.split_at(10);
        let stream_id = StreamId::new(stream)?;
        let booked = Booked::new(eventcore_types::StreamId::try_new(stream)?, place);
        let event = Event {
            event_id: EventId::from_uuid(
                Builder::from_random_bytes(for_event.try_into()?).into_uuid(),
            ),
            stream_id: stream_id.clone(),
            stream_version: version + 1,
            event_type: "Booked".into(),
            event_data: Json::compact(&serde_json::to_string(&booked)?)?,
            metadata: Json::empty_object(),
        };
        let parent = self.tip.map(|(transaction_id, content_hash)| Parent {
            transaction_id,
            content_hash: Some(content_hash),
        });
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: TransactionId::from_parts(created_at.unix_millis(), for_id.try_into()?),
            replica_id: ReplicaId::from_uuid(Uuid::from_u128(u128::from(place % REPLICAS) + 1)),
            replica_seq: Some(place / REPLICAS + 1),
            created_at,
            recorded_at: None,
            parents: parent.into_iter().collect(),
            stream_bases: BTreeMap::from([(stream_id, StreamBase { version, writes: 1 })]),
            command_id: None,
            resolves: BTreeMap::new(),
            metadata: Json::empty_object(),
        };
        let encoded = encode(&header, &[event])?;
        self.length += 1;
        self.tip = Some((encoded.transaction_id, encoded.content_hash));
        Ok(encoded)
    }
}

/// The finalizer of SplitMix64: numbers without pattern, each of its place alone.
fn scrambled(place: u64) -> u64 {
    let mut bits = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Makes a store of ours in `root`, without an index of its files.
pub(crate) fn history(root: &Path, history: History) -> Fallible<Chain> {
    drop(stores::ours(root)?);
    let mut chain = Chain::default();
    let mut files = Files::new(root);
    for place in 0..history.size {
        let (stream, version) = history.shape.stream(history.size, place);
        files.write(&chain.next(&stream, version)?)?;
    }
    Ok(chain)
}

/// Puts transactions where they belong in a store.
pub(crate) struct Files {
    events: PathBuf,
    /// The directory that was written to last, and so is there.
    directory: PathBuf,
}

impl Files {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            events: root.join("events"),
            directory: PathBuf::new(),
        }
    }

    /// Writes the file of a transaction and returns its path.
    pub(crate) fn write(&mut self, encoded: &Encoded) -> Fallible<PathBuf> {
        let path = self.events.join(encoded.transaction_id.relative_path());
        let directory = path.parent().ok_or("a file lies in a directory")?;
        if directory != self.directory {
            std::fs::create_dir_all(directory)?;
            directory.clone_into(&mut self.directory);
        }
        std::fs::write(&path, &encoded.bytes)?;
        Ok(path)
    }
}
