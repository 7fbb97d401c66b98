//! Who has the good bytes of a file that is damaged or missing, and how to bring them back.
//!
//! What the store keeps is best: `trib restore` needs nothing else. Else git is asked, and believed only for bytes whose
//! seal is right and that the transaction's children recorded: a checkout of what is damaged there too would help nobody.
//!
//! **Invariant**: no command is advised that would not bring back the transaction.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use fs_format::TransactionId;
use fs_index::Remedy;
use fs_store::{Candidate, FileEventStore, Obstacle};

use crate::git::{Git, Version};

/// Of more files git is not asked, which takes several processes for each.
const MAX_FILES_ASKED_OF_GIT: u32 = 32;

/// Answers what is to be done about damage, for one command.
pub(crate) struct Adviser<'a> {
    store: &'a FileEventStore,
    /// What is kept, with what keeps it from being restored, once somebody has asked: all of it is read for that.
    kept: OnceCell<BTreeMap<TransactionId, Option<Obstacle>>>,
    /// The repository around the store; `None` where there is none.
    git: OnceCell<Option<Git>>,
    asked: Cell<u32>,
}

/// Who has the good bytes of a file.
enum Source {
    /// The store keeps them, and this keeps them from being restored as things are.
    Kept(Option<Obstacle>),
    /// Git has them, and this command brings them back.
    Git(String),
}

impl<'a> Adviser<'a> {
    pub(crate) fn new(store: &'a FileEventStore) -> Self {
        Self {
            store,
            kept: OnceCell::new(),
            git: OnceCell::new(),
            asked: Cell::new(0),
        }
    }

    /// Says what mends something.
    pub(crate) fn advise(&self, remedy: &Remedy) -> anyhow::Result<String> {
        let (path, is_in_the_way, steps) = match remedy {
            Remedy::GoodBytes { path } => (path, false, None),
            Remedy::InTheWay { path, steps } => (path, true, *steps),
            other => return Ok(other.to_string()),
        };
        let Ok(location) = fs_format::check_name(path) else {
            return Ok(remedy.to_string());
        };
        let id = location.transaction_id();
        let after_moving = |command: &str| {
            format!("move it out of events/, and bring the transaction back with {command}")
        };
        let restore = format!("`trib restore {id}`");
        let known = match self.source_of(id, path)? {
            Some(Source::Kept(None)) => format!("bring it back with {restore}"),
            Some(Source::Kept(Some(Obstacle::Occupied { .. }))) => after_moving(&restore),
            Some(Source::Kept(Some(obstacle))) => format!("{obstacle}; then {restore}"),
            Some(Source::Git(checkout)) if is_in_the_way => after_moving(&checkout),
            Some(Source::Git(checkout)) => format!("bring it back with {checkout}"),
            None => {
                let copy = match is_in_the_way {
                    true => "move it out of events/, and copy the file from a clone that has it",
                    false => "copy its file from a clone that has it",
                };
                return Ok(steps.map_or_else(|| self.or_else(copy, id), str::to_owned));
            }
        };
        Ok(match steps {
            Some(steps) => format!("{steps}, or {known}"),
            None => known,
        })
    }

    /// Says how the transaction comes that is missing at `path` below `events/`.
    pub(crate) fn bring_back(&self, path: &str) -> anyhow::Result<String> {
        let Ok(location) = fs_format::check_name(path) else {
            let path = path.to_owned();
            return Ok(Remedy::GoodBytes { path }.to_string());
        };
        let id = location.transaction_id();
        Ok(match self.source_of(id, path)? {
            Some(Source::Kept(None)) => format!("bring it back with `trib restore {id}`"),
            Some(Source::Kept(Some(obstacle))) => format!("{obstacle}; then `trib restore {id}`"),
            Some(Source::Git(checkout)) => format!("bring it back with {checkout}"),
            None => {
                let pull = "bring it with `git pull` or `git merge` from a clone that has it";
                self.or_else(pull, id)
            }
        })
    }

    /// Returns who has the good bytes of a file.
    ///
    /// What is kept comes first, and what cannot be restored as things are only where git has nothing.
    fn source_of(&self, id: TransactionId, path: &str) -> anyhow::Result<Option<Source>> {
        let kept = self.kept(id)?;
        if matches!(kept, Some(None | Some(Obstacle::Occupied { .. }))) {
            return Ok(kept.map(Source::Kept));
        }
        let is_good = |found| matches!(found, Candidate::Whole | Candidate::Converted);
        Ok(match self.version_in_git(id, path, is_good)? {
            Some(version) => Some(Source::Git(format!(
                "`git {} events/{path}` in the store's directory",
                version.checkout()
            ))),
            None => kept.map(Source::Kept),
        })
    }

    /// Returns what keeps a transaction from being restored, where anything is kept of it.
    fn kept(&self, id: TransactionId) -> anyhow::Result<Option<Option<Obstacle>>> {
        let kept = match self.kept.get() {
            Some(kept) => kept,
            None => {
                let vanished = self.store.vanished()?.into_iter();
                let kept = vanished.map(|it| (it.transaction_id, it.obstacle));
                let kept: BTreeMap<_, _> = kept.collect();
                self.kept.get_or_init(|| kept)
            }
        };
        Ok(kept.get(&id).cloned())
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

    /// Says what to do where nobody is found who has the bytes of a transaction.
    ///
    /// A handle that only reads has not looked at all that the store keeps.
    fn or_else(&self, elsewhere: &str, id: TransactionId) -> String {
        match self.store.is_read_only() {
            true => format!(
                "see what `trib status` says where the store may be written to, since it may keep the bytes itself; else {elsewhere}"
            ),
            false => format!(
                "{elsewhere}; if nobody has it any more, accept that with `trib forget {id}`"
            ),
        }
    }
}
