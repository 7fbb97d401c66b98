//! Committing: what is encoded becomes durable, visible, known.
//!
//! ```text
//! Log:      one frame in the log -> sync -> names in events/ ------------------> index journal
//! Files:    files in local/tmp/  -> sync -> names in events/ -> sync directory -> index journal
//! ```
//!
//! **Invariant**: nothing has its name before what it follows has; what is acknowledged was made durable before, as far as asked for. After a failed
//! write or sync this handle appends no more.

use fs_format::TransactionId;
use fs_index::{Scan, Stored};
use fs_io::{NewFile, PublishError, Published, SyncPolicy};

use crate::append::WriteTxn;
use crate::draft::Ahead;
use crate::error::AppendError;
use crate::options::Durability;
use crate::wal::LogError;

/// So many transactions are committed together at most.
pub(crate) const MOST_TOGETHER: usize = 128;

impl WriteTxn<'_> {
    /// Returns whether a transaction is to be committed by itself: one that is too large for the log among others that are not.
    pub(crate) fn goes_alone(&self, encoded: &Stored) -> bool {
        self.inner.options.durability == Durability::Log && !self.writer.wal.takes(encoded)
    }

    /// Commits transactions that follow each other, and returns the outcome of each.
    pub(crate) fn commit(&mut self, group: Vec<Stored>) -> Vec<Result<(), AppendError>> {
        self.ahead = Ahead::default();
        let by_log = self.inner.options.durability == Durability::Log
            && group.iter().all(|encoded| self.writer.wal.takes(encoded));
        if by_log {
            let lock = &self.lock;
            if let Err(error) = self.writer.log(|wal| wal.write(&group, lock)) {
                let outcome = |encoded: &Stored| Err(unknown(encoded.id(), &error));
                return group.iter().map(outcome).collect();
            }
        }
        let sync = match self.inner.options.durability {
            Durability::Log if by_log => SyncPolicy::Directories,
            durability => durability.sync(),
        };
        let published = self.publish(&group, sync);
        let failed = published.iter().find_map(|outcome| outcome.as_ref().err());
        let mut undropped = None;
        if let Some(error) = failed {
            self.writer.poisoned = Some(error.to_string());
        }
        if by_log && failed.is_none() {
            self.writer.wal.published();
        } else if by_log {
            // A record without a file would come back after a power cut.
            let lock = &self.lock;
            undropped = self.writer.log(|wal| wal.checkpoint(lock)).err();
        }
        let mut outcomes = Vec::with_capacity(group.len());
        let mut stored = Vec::new();
        for (encoded, outcome) in group.into_iter().zip(published) {
            let transaction_id = encoded.id();
            outcomes.push(match (outcome, &undropped) {
                (Ok(_), _) => {
                    stored.push(encoded);
                    Ok(())
                }
                (Err(source @ PublishError::Unknown { .. }), _) => Err(AppendError::Unknown {
                    transaction_id,
                    source,
                }),
                (Err(_), Some(error)) => Err(unknown(transaction_id, error)),
                (Err(source), None) => Err(AppendError::NotApplied(source)),
            });
        }
        if !self.record(stored, sync) {
            // The rest of this turn is decided on the history, which lacks what was just stored.
            let taken_in = self
                .inner
                .take_in(&mut self.writer, Scan::Names, &self.lock);
            if let Err(error) = taken_in {
                self.writer.poisoned = Some(error.to_string());
            }
        }
        self.inner.companions.wake();
        outcomes
    }

    fn publish(&self, group: &[Stored], sync: SyncPolicy) -> Vec<Result<Published, PublishError>> {
        let layout = &self.inner.layout;
        let temp = layout.temp();
        let mut files = Vec::with_capacity(group.len());
        for encoded in group {
            files.push(NewFile {
                temp: temp.join(encoded.id().to_string()),
                target: layout.event_file(&encoded.id().relative_path()),
                bytes: encoded.file_bytes(),
            });
        }
        fs_io::publish_all(self.inner.system.disk.as_ref(), &files, sync)
    }

    /// Tells the index of transactions that were published; returns whether it knows them now.
    fn record(&mut self, stored: Vec<Stored>, sync: SyncPolicy) -> bool {
        if sync == SyncPolicy::None {
            let paths = stored.iter().map(|it| it.id().relative_path());
            let targets = paths.map(|path| self.inner.layout.event_file(&path));
            self.writer.unsynced.extend(targets);
        }
        let mut index = self.inner.index.lock_to_ingest();
        let recorded = index.record_appends(stored, &self.lock);
        drop(index);
        if let Err(error) = &recorded {
            tracing::warn!(%error, "what was appended is stored; the journal takes it in at the next refresh");
        }
        recorded.is_ok()
    }
}

fn unknown(transaction_id: TransactionId, error: &LogError) -> AppendError {
    AppendError::Unknown {
        transaction_id,
        source: error.again().into_unknown(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fs_format::StreamId;
    use fs_io::sim::{Fault, SimRandom, Simulation};

    use super::*;
    use crate::{Append, FileEventStore, OpenError, StoreOptions};

    fn open(machine: &Simulation, durability: Durability) -> Result<FileEventStore, OpenError> {
        let options = StoreOptions::default().durability(durability);
        options.system(machine.system()).create(Path::new("/store"))
    }

    /// Commits three appends as one group; returns which were acknowledged.
    fn group(store: &FileEventStore) -> Vec<bool> {
        let append = |n: u64| {
            let stream_id = StreamId::new("s").unwrap();
            Append::new()
                .event(stream_id, "Counted", &n.to_string())
                .unwrap()
        };
        match store.inner.begin() {
            Ok(mut turn) => {
                let outcomes = turn.serve((0..3).map(append).collect());
                outcomes.iter().map(Result::is_ok).collect()
            }
            Err(_) => vec![false; 3],
        }
    }

    fn numbers(store: &FileEventStore) -> Vec<u64> {
        let events = store.stream_events(&StreamId::new("s").unwrap()).unwrap();
        events
            .iter()
            .map(|event| event.event_data.decode().unwrap())
            .collect()
    }

    #[test]
    fn a_group_survives_a_power_cut_or_a_failure_as_it_was_answered() {
        for durability in [Durability::Log, Durability::Files] {
            let from = Simulation::new(1);
            drop(open(&from, durability).unwrap());
            for fault in [Fault::PowerCut, Fault::SyncFails, Fault::WriteFails] {
                for at in 1..50 {
                    let machine = from.copy(at);
                    let store = open(&machine, durability).unwrap();
                    machine.disk.fail_at(at, fault);
                    let acknowledged = group(&store);
                    let choices = SimRandom::new(at);
                    machine.disk.crash(&mut |options| choices.choose(options));
                    let reopened = open(&machine, durability).unwrap();
                    let found = numbers(&reopened);
                    let what =
                        format!("{durability:?}, {fault:?} at {at}: {acknowledged:?}, {found:?}");
                    for (n, acknowledged) in acknowledged.iter().enumerate() {
                        assert!(
                            !acknowledged || found.contains(&(n as u64)),
                            "{what}: acknowledged is there"
                        );
                    }
                    assert!(found.is_sorted(), "{what}: in their order");
                    let status = reopened.status().unwrap();
                    assert!(
                        status.incomplete.is_empty() && status.quarantined.is_empty(),
                        "{what}: none half"
                    );
                    if durability == Durability::Log && fault == Fault::PowerCut {
                        assert!(
                            found.is_empty() || found == [0, 1, 2],
                            "{what}: all of a frame or nothing"
                        );
                    }
                }
            }
        }
    }
}
