//! What the history would be if other files came, as by a `git merge`.
//!
//! ```text
//!   the index is that of the files, and what comes is plain?
//!     yes, and only what comes matters --> the divergent subgraph: what incoming transactions do not all descend from
//!     yes                              --> the history of the index, and what comes
//!     no                               --> a full rebuild, and what comes
//! ```
//!
//! **Invariant**: nothing is written, and no lock is taken. What comes is judged as it would be after it came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fs_format::{Location, TransactionId};
use fs_io::System;

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::rebuild::Rebuild;
use crate::layout::Layout;
use crate::progress::Progress;
use crate::snapshot::Snapshot;
use crate::snapshot::completeness::Omission;
use crate::snapshot::history::History;
use crate::state::State;
use crate::stored::Stored;
use crate::watch::file::{self, Found};
use crate::watch::file_stamp::FileStamp;
use crate::watch::rejected::{Reason, RejectedFile};
use crate::watch::scan;
use crate::watch::scan::Scan;

/// A file that may come to stand in `events/`.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its path below `events/`, with `/` between the parts.
    pub path: String,
    /// Its bytes, or why there are none.
    pub content: Result<Vec<u8>, Reason>,
    /// Whether the same file counts as incoming if it stands there already, as it does while a merge is under way.
    pub is_theirs: bool,
}

/// A store as it is and files that may come to it.
#[derive(Debug)]
pub struct Preview {
    system: System,
    layout: Layout,
    progress: Progress,
    incoming: Vec<Incoming>,
    plain: Option<Plain>,
}

/// Plain files that come to an index which is that of the files.
#[derive(Debug)]
struct Plain {
    snapshot: Arc<Snapshot>,
    batch: BTreeMap<TransactionId, Stored>,
    /// Of these, the ones that the index has already.
    there: BTreeSet<TransactionId>,
    rejected_files: Vec<RejectedFile>,
}

/// A history before other files come.
#[derive(Debug)]
pub struct Foreseen(Stage);

#[derive(Debug)]
enum Stage {
    Plain {
        history: Box<History>,
        batch: BTreeMap<TransactionId, Stored>,
        rejected_files: Vec<RejectedFile>,
        omissions: Vec<Omission>,
    },
    Rebuild {
        rebuild: Box<Rebuild>,
        incoming: Vec<Incoming>,
    },
}

/// A history after other files came. Numbers and epoch mean nothing in it.
#[derive(Debug)]
pub struct Merged {
    /// The history.
    pub history: History,
    /// What came.
    pub arrived: BTreeSet<TransactionId>,
    /// Files that would be left out and are not left out now, by path: incoming ones that cannot be used or contradict
    /// a file that is here, and files that an incoming one contradicts.
    pub rejected_files: Vec<RejectedFile>,
    /// What would be missing from the history, apart from these: files that are left out now, and parents that nobody has.
    pub omissions: Vec<Omission>,
}

impl Preview {
    /// Looks at the store at `layout`, to which `incoming` files may come. Of two contents of one transaction, the one
    /// that is here stays.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the index cannot be read.
    ///
    /// # Complexity
    /// Compares names as a poll for changes does, and decodes what comes.
    pub fn of(
        system: System,
        layout: Layout,
        incoming: Vec<Incoming>,
        progress: Progress,
    ) -> Result<Self, IndexError> {
        let mut index = Index::new(system.clone(), layout.clone(), BTreeSet::new());
        let plain = match index.take_for_plain(&incoming) {
            Ok(Some((batch, there, rejected_files))) => Some(Plain {
                snapshot: index.reader().snapshot(),
                batch,
                there,
                rejected_files,
            }),
            Ok(None) | Err(IndexError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            system,
            layout,
            progress,
            incoming,
            plain,
        })
    }

    /// Returns the snapshot of the index, when its history is the present one without anything that comes.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        let plain = self.plain.as_ref().filter(|plain| plain.there.is_empty());
        plain.map(|plain| &*plain.snapshot)
    }

    /// Returns the history of what is here.
    ///
    /// With `is_settled`, which says that no two transactions of it conflict, it may be left out what all that comes
    /// descends from: nothing of that comes into a conflict.
    ///
    /// # Errors
    /// As [`Preview::of`].
    ///
    /// # Complexity
    /// With `is_settled`, mostly what is here and was not there when the two parted. Else it reads what the index has,
    /// or, when that is not the present state or something out of the ordinary comes, all that is here.
    pub fn load(self, is_settled: bool) -> Result<Foreseen, IndexError> {
        if let Some(plain) = self.plain {
            match plain.load(is_settled) {
                Err(IndexError::Damaged { .. }) => {}
                loaded => return loaded,
            }
        }
        let mut rebuild = Rebuild::new(self.system, self.layout, BTreeSet::new(), self.progress);
        rebuild.poll_without(&self.incoming)?;
        Ok(Foreseen(Stage::Rebuild {
            rebuild: Box::new(rebuild),
            incoming: self.incoming,
        }))
    }
}

impl Plain {
    fn load(self, is_settled: bool) -> Result<Foreseen, IndexError> {
        let omissions = self.omissions()?;
        // What is missing may lie between what is here and what comes, so nothing is left out then.
        let subgraph = if is_settled && self.there.is_empty() && omissions.is_empty() {
            self.snapshot.divergent_subgraph(&self.batch)?
        } else {
            None
        };
        let history = match subgraph {
            Some(rows) => History::build(rows, None, 0),
            None => self.snapshot.history_without(&self.there)?,
        };
        Ok(Foreseen(Stage::Plain {
            history: Box::new(history),
            batch: self.batch,
            rejected_files: self.rejected_files,
            omissions,
        }))
    }

    /// Returns what will be missing when the batch has come.
    fn omissions(&self) -> Result<Vec<Omission>, IndexError> {
        let mut omissions = self.snapshot.omissions()?.to_vec();
        let comes = |it: &Omission| {
            it.transaction_id
                .is_some_and(|id| self.batch.contains_key(&id))
        };
        omissions.retain(|omission| !comes(omission));
        let mut listed: BTreeSet<_> = omissions
            .iter()
            .filter_map(|it| it.transaction_id)
            .collect();
        for stored in self.batch.values() {
            for parent in &stored.header.parents {
                let id = parent.transaction_id;
                if !self.batch.contains_key(&id)
                    && !self.snapshot.contains(id)?
                    && listed.insert(id)
                {
                    omissions.push(Omission::missing_below(stored.header.format_version, id));
                }
            }
        }
        Ok(omissions)
    }
}

impl Foreseen {
    /// Returns the history of what is here.
    pub fn history(&self) -> &History {
        match &self.0 {
            Stage::Plain { history, .. } => history,
            Stage::Rebuild { rebuild, .. } => &rebuild.members.history,
        }
    }

    /// Lets the files come. What was [derived](History::derived) from the history before goes with it where it can.
    pub fn merge(self) -> Merged {
        match self.0 {
            Stage::Plain {
                mut history,
                batch,
                rejected_files,
                omissions,
            } => {
                let arrived = batch.keys().copied().collect();
                history.extend(batch.values().map(Stored::graph_row));
                Merged {
                    history: *history,
                    arrived,
                    rejected_files,
                    omissions,
                }
            }
            Stage::Rebuild { rebuild, incoming } => rebuild.merge(incoming),
        }
    }
}

type Taken = (
    BTreeMap<TransactionId, Stored>,
    BTreeSet<TransactionId>,
    Vec<RejectedFile>,
);

impl Index {
    /// Reads the index and takes what comes to it; `None` when only a full rebuild can tell.
    fn take_for_plain(&mut self, incoming: &[Incoming]) -> Result<Option<Taken>, IndexError> {
        if !self.load()? {
            return Ok(None);
        }
        let state = self.snapshot.state.as_ref();
        let Some(state) = state.filter(|state| !state.needs_rebuild) else {
            return Ok(None);
        };
        let mut changes = self.changes(state, Scan::Names)?;
        if changes.takes_away() {
            return Ok(None);
        }
        let (mut batch, mut there, mut rejected_files) =
            (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for Incoming {
            path,
            content,
            is_theirs,
        } in incoming.iter().filter(|it| it.may_be_one())
        {
            let content = content.as_ref().map_err(Clone::clone);
            let taken = match content.and_then(|bytes| stored_of(path, bytes.clone())) {
                Ok(stored) => match self.take_incoming(state, &batch, stored, *is_theirs)? {
                    Some(taken) => taken,
                    None => return Ok(None),
                },
                Err(reason) => Taking::Rejected(reason),
            };
            match taken {
                Taking::Here => {}
                Taking::There(stored) => {
                    there.insert(stored.id());
                    batch.insert(stored.id(), *stored);
                }
                Taking::New(stored) => {
                    if *is_theirs && changes.paths.contains(path) {
                        if !self.is_there(path, &stored) {
                            return Ok(None);
                        }
                        changes.paths.remove(path);
                    }
                    batch.insert(stored.id(), *stored);
                }
                Taking::Rejected(reason) => {
                    let path = path.clone();
                    rejected_files.insert(path.clone(), RejectedFile { path, reason });
                }
            }
        }
        if !changes.paths.is_empty() {
            return Ok(None);
        }
        for stored in batch.values() {
            if !self.is_regular(state, &changes, &batch, stored)? {
                return Ok(None);
            }
        }
        let rejected_files = rejected_files.into_values().collect();
        Ok(Some((batch, there, rejected_files)))
    }

    /// Returns what becomes of a file; `None` where it and another of its transaction will lie side by side.
    fn take_incoming(
        &self,
        state: &State,
        batch: &BTreeMap<TransactionId, Stored>,
        stored: Stored,
        is_theirs: bool,
    ) -> Result<Option<Taking>, IndexError> {
        let id = stored.id();
        if let Some(other) = batch.get(&id) {
            return Ok(Taking::beside(other, &stored));
        }
        let Some(number) = self.snapshot.catalog.number_of(id, &state.dead)? else {
            return Ok(Some(Taking::New(Box::new(stored))));
        };
        Ok(
            match Taking::beside(&self.snapshot.stored(number)?, &stored) {
                Some(Taking::Here) if is_theirs => Some(Taking::There(Box::new(stored))),
                taking => taking,
            },
        )
    }

    /// Returns whether the file of a transaction stands there with the same content.
    fn is_there(&self, path: &str, stored: &Stored) -> bool {
        let mut looked = file::inspect_all(
            &self.system,
            &self.layout,
            &[path.to_owned()],
            &self.progress,
        );
        matches!(looked.pop(), Some(Found::Whole(here)) if here.content_hash == stored.content_hash)
    }
}

/// What becomes of an incoming file.
enum Taking {
    /// It is here.
    Here,
    /// It is here, and yet counts as incoming.
    There(Box<Stored>),
    New(Box<Stored>),
    Rejected(Reason),
}

impl Taking {
    fn beside(here: &Stored, incoming: &Stored) -> Option<Self> {
        if here.place != incoming.place {
            None
        } else if here.content_hash == incoming.content_hash {
            Some(Self::Here)
        } else {
            Some(Self::Rejected(another_content()))
        }
    }
}

impl Incoming {
    /// Returns whether its name may be meant for a transaction.
    pub(crate) fn may_be_one(&self) -> bool {
        !scan::is_passed_over(&self.path)
    }
}

/// Decodes an incoming file.
pub(crate) fn stored_of(path: &str, bytes: Vec<u8>) -> Result<Stored, Reason> {
    let location: Location = fs_format::check_name(path).map_err(Reason::Name)?;
    if bytes.len() as u64 > fs_format::limits::MAX_FILE_BYTES {
        let len = bytes.len() as u64;
        return Err(Reason::TooLarge { len });
    }
    if let Some(reason) = Reason::of_pointer(&bytes) {
        return Err(reason);
    }
    Stored::of_file(bytes, location, FileStamp::UNKNOWN).map_err(|error| Reason::of_content(&error))
}

pub(crate) fn another_content() -> Reason {
    Reason::Content("another content than the file of this transaction that is here".to_owned())
}
