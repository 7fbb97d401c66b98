//! Comparing two clones.

use fs_format::{ContentHash, TransactionId};
use fs_index::Scan;
use sha2::{Digest as _, Sha256};

use crate::completeness::Answer;
use crate::error::RefreshError;
use crate::store::FileEventStore;

/// What two clones compare to learn whether they hold the same history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How many transactions are in the history.
    pub transactions: u64,
    /// SHA-256 over the ids and content hashes in the order of the ids.
    pub set_sha256: ContentHash,
    /// SHA-256 over the ids in canonical order.
    pub order_sha256: ContentHash,
    /// The transactions that no other descends from, in canonical order.
    pub heads: Vec<TransactionId>,
}

impl FileEventStore {
    /// As [`FileEventStore::digest`], after every known file was compared with what was read of it, also those that were
    /// written to in their place.
    ///
    /// # Errors
    /// [`RefreshError`].
    ///
    /// # Complexity
    /// One look at each file.
    pub fn digest_of_files(&self) -> Result<Answer<Digest>, RefreshError> {
        self.inner.refresh(Scan::Contents)?;
        self.digest()
    }

    /// Returns what two clones compare to learn whether they hold the same history.
    ///
    /// It is that of what is known, which includes files that came, went or were replaced. A file that was written to in
    /// its place is found by [`FileEventStore::digest_of_files`], by [`status`](FileEventStore::status) and by
    /// [`verify`](FileEventStore::verify).
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn digest(&self) -> Result<Answer<Digest>, RefreshError> {
        self.inner.answer(|snapshot| {
            let by_id = snapshot.content_hashes()?;
            let set = by_id.iter().fold(Sha256::new(), |hash, (id, content)| {
                hash.chain_update(id.as_uuid().as_bytes())
                    .chain_update(content.as_bytes())
            });
            let mut order = Sha256::new();
            snapshot.each_in_order(|id| order.update(id.as_uuid().as_bytes()))?;
            Ok(Digest {
                transactions: by_id.len() as u64,
                set_sha256: ContentHash::from_bytes(set.finalize().into()),
                order_sha256: ContentHash::from_bytes(order.finalize().into()),
                heads: snapshot.heads_in_order()?,
            })
        })
    }
}
