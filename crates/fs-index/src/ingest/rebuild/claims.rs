//! What children recorded of their parents' content.
//!
//! A child names each parent with the hash of its content. A parent whose content some child contradicts and none
//! confirms was edited after they were written.
//!
//! **Invariant**: the answer depends on the set of transactions only.

use std::collections::{BTreeSet, HashMap};

use fs_format::{ContentHash, Header, TransactionId};

/// The recorded hashes by parent.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_parent: HashMap<TransactionId, BTreeSet<(ContentHash, TransactionId)>>,
}

impl Claims {
    /// Takes note of what `header` records of its parents; again: no change.
    pub(super) fn add(&mut self, header: &Header) {
        for parent in &header.parents {
            if let Some(hash) = parent.content_hash {
                self.by_parent
                    .entry(parent.transaction_id)
                    .or_default()
                    .insert((hash, header.transaction_id));
            }
        }
    }

    /// Returns whether some child records this content of `parent`.
    pub(super) fn confirm(&self, parent: TransactionId, content_hash: ContentHash) -> bool {
        let claims = self.by_parent.get(&parent).into_iter().flatten();
        claims.into_iter().any(|(hash, _)| *hash == content_hash)
    }

    /// Returns the children that contradict `content_hash` as the content of `parent`, when no child confirms it.
    pub(super) fn contradiction(
        &self,
        parent: TransactionId,
        content_hash: ContentHash,
    ) -> Option<Vec<TransactionId>> {
        let claims = self.by_parent.get(&parent)?;
        (!self.confirm(parent, content_hash) && !claims.is_empty())
            .then(|| claims.iter().map(|(_, child)| *child).collect())
    }

    /// Returns the children that record another content of `parent` than `content_hash`.
    pub(super) fn contradicting(
        &self,
        parent: TransactionId,
        content_hash: ContentHash,
    ) -> impl Iterator<Item = TransactionId> {
        let claims = self.by_parent.get(&parent);
        claims
            .into_iter()
            .flatten()
            .filter(move |(hash, _)| *hash != content_hash)
            .map(|(_, child)| *child)
    }
}
