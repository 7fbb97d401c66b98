//! Transactions whose files hold another content than they held before.
//!
//! A file under its name never changes; one that does was rewritten by somebody, and sealed anew. The history takes what is
//! there now, as a fresh clone would, and the index keeps what was read before in `local/vanished/`, the content that was seen
//! first under a name of its own. A transaction in the history with another content than that was rewritten, until the user
//! lets go of it, or puts the first content back; what its file held in between is kept, and tells nothing.
//!
//! *Not done here*: finding out (fs-index), and what children have to say (the Merkle rule of `docs/format.md`).

use std::path::PathBuf;

use fs_format::{ContentHash, TransactionId};
use fs_index::History;

use crate::error::RefreshError;
use crate::store::Inner;

/// A transaction in the history whose file held another content before, which is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The path of its file below `events/`.
    pub path: String,
    /// The hash of the content that this working copy saw first, and that is kept until it is [forgotten](crate::FileEventStore::forget).
    pub old_hash: ContentHash,
    /// The hash of the content that its file has now.
    pub new_hash: ContentHash,
}

impl Inner {
    /// Returns the transactions of a history that were rewritten, in the order of their ids.
    ///
    /// # Complexity
    /// Reads what is kept of transactions that are in the history.
    pub(crate) fn rewritten(&self, history: &History) -> Result<Vec<Rewritten>, RefreshError> {
        let mut rewritten = Vec::new();
        for (transaction_id, paths) in self.kept_paths()? {
            let Some(member) = history.find(transaction_id) else {
                continue;
            };
            let first = self.layout.vanished_first(transaction_id);
            if !paths.contains(&first) {
                continue;
            }
            // What cannot be read there is an obstacle to restoring it, and says nothing of the file.
            let hash_of = |path: &PathBuf| {
                let kept = self.read_kept(transaction_id, path).ok()?;
                Some(kept.ok()?.content_hash)
            };
            let new_hash = member.content_hash();
            // Where the first is damaged, that the file held something else is known still.
            let old_hash = hash_of(&first).or_else(|| {
                let mut others = paths.iter().filter_map(hash_of);
                others.find(|old_hash| *old_hash != new_hash)
            });
            let old_hash = old_hash.filter(|old_hash| *old_hash != new_hash);
            rewritten.extend(old_hash.map(|old_hash| Rewritten {
                transaction_id,
                path: member.relative_path(),
                old_hash,
                new_hash,
            }));
        }
        Ok(rewritten)
    }
}
