//! What somebody has accepted for this working copy to be missing: the ids of transactions that nobody is to miss any more.
//!
//! They stand in `local/accepted`, a JSON list in a file as `sealed.rs` writes it.
//!
//! **Invariant**: what is accepted is not in the history. A transaction that comes back is ingested like any other, and
//! missed again when it goes away again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fs_format::TransactionId;
use fs_index::Layout;
use fs_io::{Disk, LockGuard, Stat, SyncPolicy};

use crate::error::{NewerVersion, RefreshError};
use crate::sealed::{self, Unbelieved};
use crate::state::{self, StateError};
use crate::store::Inner;

/// The word that the file begins with.
const KIND: &str = "accepted";

impl Inner {
    /// Returns the file, which is the store's own also where this handle keeps the rest of `local/` elsewhere.
    fn accepted_path(&self) -> PathBuf {
        path_in(&self.layout)
    }

    /// Returns the transactions that are missed no more.
    pub(crate) fn accepted(&self) -> Result<BTreeSet<TransactionId>, StateError> {
        read(self.system.disk.as_ref(), &self.layout)
    }

    /// Returns what the file looks like, which changes whenever its content does.
    pub(crate) fn accepted_stat(&self) -> Option<Stat> {
        let stat = self.system.disk.stat(&self.accepted_path());
        stat.ok().flatten()
    }

    /// Accepts that transactions are missing, durably.
    pub(crate) fn accept(
        &self,
        ids: impl IntoIterator<Item = TransactionId>,
        _lock: &LockGuard,
    ) -> Result<(), StateError> {
        let mut accepted = self.accepted()?;
        let before = accepted.len();
        accepted.extend(ids);
        if accepted.len() == before {
            return Ok(());
        }
        self.save_accepted(&accepted)
    }

    /// Drops what was accepted and is in the history again.
    ///
    /// A handle that may not write leaves that to the next that may, and a file that cannot be believed stays as it is: whoever
    /// asks what is missing is told of it.
    pub(crate) fn drop_accepted(&self, _lock: &LockGuard) -> Result<(), RefreshError> {
        let Ok(accepted) = self.accepted() else {
            return Ok(());
        };
        let mut left = accepted.clone();
        for id in &accepted {
            if self.snapshot().contains(*id)? {
                left.remove(id);
            }
        }
        if left.len() < accepted.len() && self.apart.is_none() {
            self.save_accepted(&left)?;
        }
        Ok(())
    }

    fn save_accepted(&self, accepted: &BTreeSet<TransactionId>) -> Result<(), StateError> {
        let path = self.accepted_path();
        if accepted.is_empty() {
            return self.remove_state(&path);
        }
        let content = serde_json::to_vec(accepted).map_err(|source| StateError::Write {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let bytes = sealed::seal(KIND, "", &content);
        self.write_state(&path, &bytes, SyncPolicy::Durable)
    }
}

/// Returns the file of a working copy.
fn path_in(layout: &Layout) -> PathBuf {
    layout.root().join("local").join("accepted")
}

/// Returns the transactions that are missed no more in a working copy.
pub(crate) fn read(
    disk: &dyn Disk,
    layout: &Layout,
) -> Result<BTreeSet<TransactionId>, StateError> {
    let path = path_in(layout);
    let Some(bytes) = state::read(disk, &path)? else {
        return Ok(BTreeSet::new());
    };
    match parse(&bytes) {
        Ok(accepted) => Ok(accepted),
        Err(Unbelieved::Newer { format }) => Err(StateError::Newer {
            path,
            format,
            known: sealed::FORMAT,
        }),
        Err(Unbelieved::Damaged | Unbelieved::Unsealed) => Err(StateError::Damaged {
            path,
            way_out: "delete it, and what is missing is told again".to_owned(),
        }),
    }
}

/// Returns the file if a newer version has written it: by looking alone.
pub(crate) fn newer_version(disk: &dyn Disk, layout: &Layout) -> Option<NewerVersion> {
    match read(disk, layout) {
        Err(StateError::Newer {
            path,
            format,
            known,
        }) => Some(NewerVersion {
            path,
            format,
            known,
        }),
        _ => None,
    }
}

fn parse(bytes: &[u8]) -> Result<BTreeSet<TransactionId>, Unbelieved> {
    let sealed = sealed::unseal(KIND, bytes)?;
    serde_json::from_slice(sealed.content).map_err(|_| Unbelieved::Damaged)
}
