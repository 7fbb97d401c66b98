//! What answers lack: parents that nobody has, and files that cannot be used.
//!
//! **Invariant**: a file that was never seen, and that no child names, is missed by nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use fs_format::{FormatVersion, TransactionId};

use crate::error::IndexError;
use crate::log::record::{Place, Seen};
use crate::position::Epoch;
use crate::snapshot::history::History;
use crate::snapshot::tally::Tally;
use crate::state::State;
use crate::watch::rejected::{Reason, RejectedFile};
use crate::watch::working_copy::Unconfirmed;

/// Something that answers lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// What is known of it.
    pub kind: OmissionKind,
    /// The transaction; `None` where a whole directory cannot be looked into.
    pub transaction_id: Option<TransactionId>,
    /// The path below `events/` of its file, with `/` between the parts; that of a missing parent is where it would be.
    pub path: String,
}

/// What is known of an omission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OmissionKind {
    /// A transaction names it as a parent, or the log of a store that is open for reading only has it, and no file stands in its place.
    Missing,
    /// A file is there and cannot be used.
    Damaged,
    /// A newer version of the program wrote it.
    Newer,
}

/// Whether an answer holds all that is known to belong to the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an answer that lacks something is not to be taken for the whole"]
#[non_exhaustive]
pub struct Completeness {
    /// Parents that nobody has here.
    pub missing: Tally,
    /// Files of transactions that cannot be used.
    pub damaged: Tally,
    /// Files that a newer version of the program wrote.
    pub newer: Tally,
    /// Files that version control has taken away and is about to write: the answer is that of before it began.
    pub git_at_work: Tally,
}

impl Completeness {
    /// Most paths that are listed of one kind.
    pub const MAX_PATHS: usize = Tally::MAX_PATHS;

    /// That of an answer from which nothing is known to be missing.
    pub const COMPLETE: Self = Self {
        missing: Tally::NONE,
        damaged: Tally::NONE,
        newer: Tally::NONE,
        git_at_work: Tally::NONE,
    };

    /// Sums up omissions.
    pub fn of<'a>(omissions: impl IntoIterator<Item = &'a Omission>) -> Self {
        let mut found = Self::default();
        for omission in omissions {
            let tally = match omission.kind {
                OmissionKind::Missing => &mut found.missing,
                OmissionKind::Damaged => &mut found.damaged,
                OmissionKind::Newer => &mut found.newer,
            };
            tally.add(&omission.path);
        }
        found
    }

    /// Adds what version control has taken away for a moment.
    pub fn while_unconfirmed(mut self, unconfirmed: Option<&Unconfirmed>) -> Self {
        if let Some(unconfirmed) = unconfirmed {
            self.git_at_work = unconfirmed.files.clone();
        }
        self
    }

    /// Returns whether nothing is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.kinds().all(|(_, tally)| tally.count == 0)
    }

    fn kinds(&self) -> impl Iterator<Item = (&'static str, &Tally)> {
        [
            ("missing", &self.missing),
            ("damaged", &self.damaged),
            ("written by a newer version", &self.newer),
            ("in the hands of version control", &self.git_at_work),
        ]
        .into_iter()
    }
}

/// What is lacking, on one line: counts, and the first path of each kind.
impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return f.write_str("complete");
        }
        let mut before = "";
        for (what, tally) in self.kinds().filter(|(_, tally)| tally.count > 0) {
            write!(f, "{before}{} {what}", tally.count)?;
            before = ", ";
            if let Some(first) = tally.paths.first() {
                let more = if tally.count > 1 { ", ..." } else { "" };
                write!(f, " (events/{first}{more})")?;
            }
        }
        Ok(())
    }
}

/// What the name of a rejected file stands for.
pub(super) enum Subject {
    Transaction(TransactionId),
    /// A directory of transactions.
    Directory,
}

/// Tells what the file of a path could hold; `None` for what was never a transaction's.
///
/// A name that begins with the id of a transaction may be the only place that still has it: a misplaced file, one that a
/// tool renamed.
pub(super) fn subject_of(path: &str) -> Option<Subject> {
    if let Some(id) = id_in(path) {
        return Some(Subject::Transaction(id));
    }
    let is_hex = |part: &str, len: usize| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.len() == len && part.bytes().all(is_digit)
    };
    let is_directory = match path.split_once('/') {
        None => is_hex(path, 4),
        Some((first, second)) => is_hex(first, 4) && is_hex(second, 2),
    };
    is_directory.then_some(Subject::Directory)
}

/// Returns the id that a file's name begins with, or that of a directory which stands in the place of a file.
fn id_in(path: &str) -> Option<TransactionId> {
    let mut names = path.rsplit('/');
    names.find_map(|name| TransactionId::parse(name.get(..36)?).ok())
}

impl Omission {
    /// Returns the omission of a parent that is not there, of a transaction in a format.
    pub(crate) fn missing_below(child: FormatVersion, parent: TransactionId) -> Self {
        let is_old = child != FormatVersion::V3;
        let place = if is_old { Place::Flat } else { Place::Sharded };
        Self {
            kind: OmissionKind::Missing,
            transaction_id: Some(parent),
            path: place.path(parent),
        }
    }

    /// Returns the omission that a rejected file is; `None` where it hides nothing, since it was never a transaction's or its
    /// transaction is in the history.
    pub(crate) fn of_rejected(trouble: &RejectedFile, history: &History) -> Option<Self> {
        let transaction_id = match subject_of(&trouble.path)? {
            Subject::Directory => None,
            Subject::Transaction(id) if history.find(id).is_some() => return None,
            Subject::Transaction(id) => Some(id),
        };
        let kind = match trouble.reason {
            Reason::Newer(_) => OmissionKind::Newer,
            _ => OmissionKind::Damaged,
        };
        Some(Self {
            kind,
            transaction_id,
            path: trouble.path.clone(),
        })
    }
}

impl RejectedFile {
    /// Returns whether the file may hold a transaction that is not in the history, or another one than the history has.
    pub fn may_hide(&self, history: &History) -> bool {
        match subject_of(&self.path) {
            None => false,
            Some(Subject::Directory) => true,
            Some(Subject::Transaction(id)) => match self.reason {
                Reason::Duplicate { .. } => false,
                Reason::Name(_) => history.find(id).is_none(),
                _ => true,
            },
        }
    }

    /// Returns the transaction that the file may hold, by its name; `None` for a file of any other name.
    pub fn transaction_id(&self) -> Option<TransactionId> {
        id_in(&self.path)
    }
}

/// What was missing when that was last asked, for as long as nothing comes or goes.
#[derive(Debug, Default)]
pub(crate) struct OmissionsCache(Mutex<Option<CachedOmissions>>);

/// As of when it holds: a transaction that comes gets a number, and one that goes begins an epoch. Rejected files do neither.
#[derive(Debug)]
struct CachedOmissions {
    epoch: Epoch,
    next_number: u64,
    rejected: Arc<BTreeMap<String, Seen>>,
    omissions: Arc<[Omission]>,
}

impl OmissionsCache {
    pub(super) fn get_or(
        &self,
        state: &State,
        work: impl FnOnce() -> Result<Vec<Omission>, IndexError>,
    ) -> Result<Arc<[Omission]>, IndexError> {
        // What it takes to work them out is done without the lock, so nobody waits for it.
        let cached = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = |cached: &&CachedOmissions| {
            (cached.epoch, cached.next_number) == (state.epoch, state.next_number)
                && cached.rejected == state.rejected
        };
        if let Some(cached) = cached().as_ref().filter(is_current) {
            return Ok(Arc::clone(&cached.omissions));
        }
        let omissions: Arc<[Omission]> = work()?.into();
        *cached() = Some(CachedOmissions {
            epoch: state.epoch,
            next_number: state.next_number,
            rejected: Arc::clone(&state.rejected),
            omissions: Arc::clone(&omissions),
        });
        Ok(omissions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a1fd21-d4f8-70bd-9977-306ff692b65f";

    #[test]
    fn a_name_that_may_be_a_transaction_s_is_told_from_litter() {
        for path in [
            format!("01a1/fd/{ID}.jsonl"),
            format!("{ID}.jsonl"),
            format!("0000/00/{ID}.jsonl"),
            format!("01a1/fd/{ID}.jsonl.orig"),
            format!("01a1/fd/{ID} (conflicted copy).jsonl"),
            format!("01a1/fd/{ID}.jsonl/notes.txt"),
        ] {
            assert!(
                matches!(subject_of(&path), Some(Subject::Transaction(id)) if id.to_string() == ID),
                "{path} may hold the transaction"
            );
        }
        for path in ["01a1", "01a1/fd"] {
            assert!(
                matches!(subject_of(path), Some(Subject::Directory)),
                "{path} stands where transactions may lie"
            );
        }
        for path in ["README", "01a1/notes.txt", "01A1", "01a1/fd/x.jsonl", "é"] {
            assert!(subject_of(path).is_none(), "{path} never was a transaction");
        }
    }

    #[test]
    fn what_is_lacking_is_said_on_one_line_with_ten_paths_at_most() {
        let omission = |kind, nth: u8| Omission {
            kind,
            transaction_id: None,
            path: format!("01a1/{nth:02x}"),
        };
        let mut omissions: Vec<Omission> = (0..12)
            .map(|nth| omission(OmissionKind::Missing, nth))
            .collect();
        omissions.push(omission(OmissionKind::Newer, 255));
        let found = Completeness::of(&omissions);
        assert_eq!(
            (found.missing.count, found.missing.paths.len()),
            (12, Completeness::MAX_PATHS),
            "all are counted, and ten are named"
        );
        assert_eq!(
            found.to_string(),
            "12 missing (events/01a1/00, ...), 1 written by a newer version (events/01a1/ff)"
        );
        assert!(!found.is_complete() && Completeness::default().is_complete());
    }
}
