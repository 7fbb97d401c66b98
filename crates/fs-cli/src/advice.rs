//! Who has the good bytes of a file that is damaged or missing, and how to bring them back.
//!
//! What the store keeps is best: `trib restore` needs nothing else. Else git is asked, and believed only for bytes whose
//! seal is right and that the transaction's children recorded: a checkout of what is damaged there too would help nobody.
//!
//! **Invariant**: no command is advised that would not bring back the transaction.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;

use fs_format::TransactionId;
use fs_index::Remedy;
use fs_store::{Candidate, FileEventStore};

use crate::git::{Git, Version};

/// Of more files git is not asked, which takes several processes for each.
const MAX_FILES_ASKED_OF_GIT: u32 = 32;

/// Answers what is to be done about damage, for one command.
pub(crate) struct Adviser<'a> {
    store: &'a FileEventStore,
    /// Transactions that can be restored, once somebody has asked: all that is kept is read for that.
    restorable: OnceCell<BTreeSet<TransactionId>>,
    /// The repository around the store; `None` where there is none.
    git: OnceCell<Option<Git>>,
    asked: Cell<u32>,
}

impl<'a> Adviser<'a> {
    pub(crate) fn new(store: &'a FileEventStore) -> Self {
        Self {
            store,
            restorable: OnceCell::new(),
            git: OnceCell::new(),
            asked: Cell::new(0),
        }
    }

    fn is_restorable(&self, id: TransactionId) -> anyhow::Result<bool> {
        if let Some(restorable) = self.restorable.get() {
            return Ok(restorable.contains(&id));
        }
        let vanished = self.store.vanished()?.into_iter();
        let restorable = vanished.filter(|it| it.obstacle.is_none());
        let restorable: BTreeSet<_> = restorable.map(|it| it.transaction_id).collect();
        Ok(self.restorable.get_or_init(|| restorable).contains(&id))
    }

    /// Says what mends something.
    pub(crate) fn advise(&self, remedy: &Remedy) -> anyhow::Result<String> {
        match remedy {
            Remedy::GoodBytes { path } => {
                self.find_bytes(path, "copy its file from a clone that has it")
            }
            other => Ok(other.to_string()),
        }
    }

    /// Says how the transaction comes that is missing at `path` below `events/`.
    pub(crate) fn bring_back(&self, path: &str) -> anyhow::Result<String> {
        let elsewhere = "bring it with `git pull` or `git merge` from a clone that has it";
        self.find_bytes(path, elsewhere)
    }

    /// Says where the bytes of a file are, and what to do when that is `elsewhere`.
    fn find_bytes(&self, path: &str, elsewhere: &str) -> anyhow::Result<String> {
        let Ok(location) = fs_format::check_name(path) else {
            return Ok(Remedy::GoodBytes {
                path: path.to_owned(),
            }
            .to_string());
        };
        let id = location.transaction_id();
        if self.is_restorable(id)? {
            return Ok(format!("bring it back with `trib restore {id}`"));
        }
        let is_good = |found| matches!(found, Candidate::Whole | Candidate::Converted);
        Ok(match self.version_in_git(id, path, is_good)? {
            Some(version) => format!(
                "bring it back with `git {} events/{path}` in the store's directory",
                version.checkout()
            ),
            None => format!(
                "{elsewhere}; if nobody has it any more, accept that with `trib forget {id}`"
            ),
        })
    }

    /// Says how a file gets its own line ends back; `None` where git does not have them.
    pub(crate) fn unconvert(&self, path: &str) -> anyhow::Result<Option<String>> {
        let Ok(location) = fs_format::check_name(path) else {
            return Ok(None);
        };
        let id = location.transaction_id();
        let version = self.version_in_git(id, path, |found| found == Candidate::Whole)?;
        Ok(version.map(|version| {
            format!(
                "delete the file, and run `git {} events/{path}` in the store's directory",
                version.checkout()
            )
        }))
    }

    fn version_in_git(
        &self,
        id: TransactionId,
        path: &str,
        is_good: impl Fn(Candidate) -> bool,
    ) -> anyhow::Result<Option<Version>> {
        let git = self.git.get_or_init(|| Git::around(self.store.root()).ok());
        let Some(git) = git else { return Ok(None) };
        if self.asked.get() >= MAX_FILES_ASKED_OF_GIT {
            return Ok(None);
        }
        self.asked.set(self.asked.get() + 1);
        for version in git.versions(path)? {
            if let Some(bytes) = git.content(&version, path)?
                && is_good(self.store.examine(id, &bytes)?)
            {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }
}
