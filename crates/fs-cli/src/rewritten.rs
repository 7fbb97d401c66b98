//! Transactions that were rewritten, as `status` and `verify` tell of them.

use fs_format::{ContentHash, TransactionId};
use fs_store::Rewritten;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct RewrittenOut {
    transaction_id: TransactionId,
    path: String,
    old_sha256: ContentHash,
    new_sha256: ContentHash,
}

impl From<Rewritten> for RewrittenOut {
    fn from(rewritten: Rewritten) -> Self {
        Self {
            transaction_id: rewritten.transaction_id,
            path: format!("events/{}", rewritten.path),
            old_sha256: rewritten.old_hash,
            new_sha256: rewritten.new_hash,
        }
    }
}

impl RewrittenOut {
    pub(crate) fn text(&self) -> String {
        let Self {
            transaction_id,
            path,
            old_sha256,
            new_sha256,
        } = self;
        format!(
            "rewritten: {transaction_id} had the hash {old_sha256} here and has {new_sha256} now; find who changed it with \
             `git log -- {path}` in the store's directory and revert that, or take it as it is with `trib forget {transaction_id}`"
        )
    }
}
