//! Recording what this process has just published, and every other write to the journal.
//!
//! **Invariant**: a record is written before it is taken over, and taken over by the writer as by every reader.

use std::collections::BTreeMap;

use fs_format::TransactionId;
use fs_io::{LockGuard, SyncPolicy};

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::apply::Replayed;
use crate::ingest::plan::key_of;
use crate::log::journal::Entry;
use crate::log::record::{self, Origin};
use crate::stored::Stored;
use crate::watch::changes::Changes;
use crate::watch::file_stamp::FileStamp;
use crate::watch::scan::{self, Stamp};

impl Index {
    /// Records transactions that were just published by the holder of the lock, who ingested everything before.
    ///
    /// The records are not synced: after a power cut the files are found again, known to be of this working copy, and a
    /// new epoch begins. That of a merge transaction is synced, since such a file is nobody's own.
    ///
    /// # Errors
    /// [`IndexError`] when the journal cannot be written. The transactions stand all the same: they are ingested by the
    /// next refresh.
    pub fn record_appends(
        &mut self,
        appended: Vec<Stored>,
        _lock: &LockGuard,
    ) -> Result<(), IndexError> {
        let recorded = self.record(appended);
        self.publish();
        recorded
    }

    fn record(&mut self, appended: Vec<Stored>) -> Result<(), IndexError> {
        let Some(state) = &self.snapshot.state else {
            return Err(IndexError::NoJournal {
                path: self.layout.journal(),
            });
        };
        let mut sync = SyncPolicy::None;
        let mut stamps = BTreeMap::new();
        let mut batch: BTreeMap<TransactionId, Stored> = BTreeMap::new();
        let mut running_hash = state.running_hash;
        for (mut stored, number) in appended.into_iter().zip(state.next_number..) {
            let id = stored.id();
            let path = id.relative_path();
            let stat = self.system.disk.stat(&self.layout.event_file(&path));
            let stat = stat.ok().flatten();
            stored.stamp = stat.as_ref().map_or(FileStamp::UNKNOWN, FileStamp::of);
            running_hash = stored.follow(number, running_hash);
            stored.origin = Origin::Appended;
            if stored.header.replica_id.is_nil() {
                sync = SyncPolicy::Durable;
            }
            let (directory, _) = scan::split(&path);
            if let Some(before) = self.directories.get(directory) {
                stamps.insert(directory.to_owned(), *before);
            }
            batch.insert(id, stored);
        }
        let mut changes_the_order = false;
        for stored in batch.values() {
            if !self.is_regular(state, &Changes::default(), &batch, stored)? {
                return self.rebuild_anyway();
            }
            let header = &stored.header;
            let is_on_all_heads = state
                .heads
                .keys()
                .all(|head| header.parents.iter().any(|it| it.transaction_id == *head));
            changes_the_order |=
                state.has_greater_key(key_of(header)) || (state.needs_rebuild && !is_on_all_heads);
        }
        let mut appended: Vec<&Stored> = batch.values().collect();
        appended.sort_unstable_by_key(|stored| stored.number);
        let disk = self.system.disk.as_ref();
        let restamped: BTreeMap<String, Option<Stamp>> = stamps
            .into_iter()
            .filter_map(|(directory, before)| {
                let stamp = scan::restamp(disk, &self.layout, &directory, &before)?;
                Some((directory, Some(stamp)))
            })
            .collect();
        let mut payloads = Vec::with_capacity(appended.len() + 2);
        if !restamped.is_empty() {
            // Before the arrivals, whose files are added to them.
            payloads.push(record::directories(&restamped));
        }
        payloads.extend(appended.into_iter().map(Stored::record));
        if changes_the_order {
            payloads.push(record::generation(state.generation + 1));
        }
        self.write(&payloads, sync)
    }

    /// Adds records to the journal and takes them over.
    pub(crate) fn write(
        &mut self,
        payloads: &[Vec<u8>],
        sync: SyncPolicy,
    ) -> Result<(), IndexError> {
        let result = self.try_write(payloads, sync);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_write(&mut self, payloads: &[Vec<u8>], sync: SyncPolicy) -> Result<(), IndexError> {
        let offsets = self.journal.append(payloads, sync)?;
        let entries: Vec<_> = payloads
            .iter()
            .zip(offsets)
            .map(|(payload, offset)| Entry {
                record: record::parse(payload).expect("it was written by this version"),
                payload: payload.clone().into(),
                offset,
            })
            .collect();
        let replayed = self.replay(&entries)?;
        debug_assert_eq!(replayed, Replayed::All, "a writer knows what it writes");
        if self.is_flush_due() {
            // Until another flush succeeds, the tail answers.
            let _ = self.flush();
        }
        Ok(())
    }
}
