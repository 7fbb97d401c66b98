//! The full check: every file read again, every hash, every link, every name, the order.

use std::collections::{HashMap, HashSet};

use fs_format::{FormatVersion, TransactionId, limits};
use fs_index::{Omission, OmissionKind, Reason, Remedy, Scan, Snapshot};

use crate::error::RefreshError;
use crate::identity_conflict::{above_gaps, counted};
use crate::repeated_command::{RepeatedCommand, repeated_commands};
use crate::report::report;
use crate::rewritten::Rewritten;
use crate::store::FileEventStore;

/// What a full check found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// How many files were read.
    pub checked: u64,
    /// What is damaged or cannot be verified, but for what [`forget`](FileEventStore::forget) accepted.
    pub problems: Vec<Problem>,
    /// Files whose line endings, byte order mark or last line end were changed on the way here; they are read as
    /// usual. Paths below `events/`.
    pub altered_in_transit: Vec<String>,
    /// Transactions whose files were rewritten since this working copy read them.
    pub rewritten: Vec<Rewritten>,
    /// Commands that a transaction carried out though one below it had done so.
    pub repeated_commands: Vec<RepeatedCommand>,
    /// What [`forget`](FileEventStore::forget) accepted and is missing or damaged still; it is no problem.
    pub accepted: Vec<Omission>,
}

/// Something that a full check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path below `events/`.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What mends it.
    pub remedy: Remedy,
}

impl Verification {
    /// Returns whether nothing is damaged, nothing rewritten and no command repeated.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty() && self.rewritten.is_empty() && self.repeated_commands.is_empty()
    }
}

impl FileEventStore {
    /// Reads every file again and checks it, its name, and its links to its parents.
    ///
    /// # Errors
    /// [`RefreshError`] when the store cannot be read at all; what is wrong with a file is a [`Problem`].
    ///
    /// # Complexity
    /// Reads everything.
    pub fn verify(&self) -> Result<Verification, RefreshError> {
        self.inner.refresh(Scan::Contents)?;
        let read = |snapshot: &Snapshot| {
            let shared = snapshot.shared_commands()?;
            Ok((snapshot.clone(), snapshot.history()?, shared))
        };
        let (snapshot, history, shared) = self.inner.ask_present(read)?;
        let (history, omissions) = (&*history, self.inner.omissions_in(&snapshot)?);
        let (omissions, accepted) = self.inner.split_accepted(&omissions)?;
        let accepted_ids: HashSet<_> = accepted.iter().map(|it| it.transaction_id).collect();
        let is_accepted = |id: Option<TransactionId>| id.is_some() && accepted_ids.contains(&id);
        let mut found = Verification {
            rewritten: self.inner.rewritten(history)?,
            repeated_commands: repeated_commands(history, shared),
            ..Verification::default()
        };
        let above_gaps = above_gaps(history);
        // Of each replica: equal numbers are an identity conflict, which the status tells of.
        let mut newest = HashMap::new();
        for (ix, member) in history.canonical() {
            let path = member.relative_path();
            let mut problem = |reason: String, remedy: Remedy| {
                found.problems.push(Problem {
                    path: path.clone(),
                    reason,
                    remedy,
                })
            };
            let good_bytes = || Remedy::GoodBytes { path: path.clone() };
            let find_its_commit = || {
                Remedy::Steps(format!(
                    "find the commit that brought it with `git log -- events/{path}` in the store's directory, and ask who made it"
                ))
            };
            found.checked += 1;
            let bytes = match self
                .inner
                .system
                .disk
                .read(&self.inner.layout.event_file(&path), limits::MAX_FILE_BYTES)
            {
                Ok(bytes) => bytes,
                Err(error) => {
                    let reason = Reason::Unreadable(report(&error));
                    let remedy = match snapshot.unconfirmed() {
                        Some(unconfirmed) => Remedy::Steps(format!(
                            "verify again when version control is done: {}",
                            unconfirmed.activity
                        )),
                        None => reason.remedy(&path),
                    };
                    problem(reason.to_string(), remedy);
                    continue;
                }
            };
            let transaction = match fs_format::decode(&bytes) {
                Ok(transaction) => transaction,
                Err(error) => {
                    problem(error.to_string(), good_bytes());
                    continue;
                }
            };
            if transaction.content_hash != member.content_hash() {
                problem(
                    "its content is not what was ingested".to_owned(),
                    good_bytes(),
                );
            }
            let header = &transaction.header;
            let links = header.parents.iter();
            let recorded_hashes: HashMap<_, _> = links
                .map(|link| (link.transaction_id, link.content_hash))
                .collect();
            for parent in history.dag().parents(ix).map(|parent| history.get(parent)) {
                if header.format_version == FormatVersion::V3
                    && header.created_at < parent.created_at().of_next_child()
                {
                    let reason = format!(
                        "it is dated {}, not after its parent {}",
                        header.created_at,
                        parent.id()
                    );
                    problem(reason, find_its_commit());
                }
                let recorded = recorded_hashes.get(&parent.id()).copied().flatten();
                if recorded.is_some_and(|hash| hash != parent.content_hash()) {
                    let reason = format!(
                        "it records another content of its parent {} than that has and others recorded",
                        parent.id()
                    );
                    problem(reason, find_its_commit());
                }
            }
            for (stream_id, listed) in &header.resolves {
                let is_below = |id: &TransactionId| {
                    let dag = history.dag();
                    match dag.index_of(*id) {
                        Some(listed) => dag.is_ancestor(listed, ix),
                        None => above_gaps.contains(&ix),
                    }
                };
                for id in listed.iter().filter(|id| !is_below(id)) {
                    let reason = format!(
                        "it says that it settles {id} on stream {stream_id}, which is not below it and so counts for nothing"
                    );
                    problem(reason, find_its_commit());
                }
            }
            if let Some((replica_id, number)) = counted(member)
                && let Some((before, number_before)) = newest.insert(replica_id, (ix, number))
                && number < number_before
                && history.dag().is_ancestor(before, ix)
            {
                let reason = format!(
                    "its replica_seq is {number}, and that of {} below it, of the same replica, is {number_before}",
                    history.dag().id(before)
                );
                problem(reason, find_its_commit());
            }
            if header.replica_id.is_nil() && header.format_version == FormatVersion::V3 {
                for flaw in fs_format::check_merge(header, &transaction.events) {
                    let reason = format!("it is no merge transaction by the rules: {flaw}");
                    problem(reason, find_its_commit());
                }
            }
            if !transaction.transit.is_clean() {
                found.altered_in_transit.push(path.clone());
            }
        }
        let absent: HashMap<_, _> = omissions.iter().map(|it| (it.transaction_id, it)).collect();
        for (ix, missing) in history.dag().missing_parents() {
            if is_accepted(Some(missing)) {
                continue;
            }
            let absent = absent.get(&Some(missing));
            let place = absent.map_or_else(|| missing.relative_path(), |it| it.path.clone());
            let remedy = match absent.map(|it| it.kind) {
                Some(OmissionKind::Missing) | None => Remedy::GoodBytes { path: place },
                Some(_) => Remedy::Steps(format!("mend events/{place}")),
            };
            found.problems.push(Problem {
                path: history.get(ix).relative_path(),
                reason: format!("its parent {missing} is not there, so the link cannot be checked"),
                remedy,
            });
        }
        for trouble in snapshot.rejected_files() {
            found.checked += 1;
            if is_accepted(trouble.transaction_id()) {
                continue;
            }
            found.problems.push(Problem {
                path: trouble.path.clone(),
                reason: trouble.reason.to_string(),
                remedy: trouble.reason.remedy(&trouble.path),
            });
        }
        found
            .problems
            .sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
        found.accepted = accepted;
        Ok(found)
    }
}
