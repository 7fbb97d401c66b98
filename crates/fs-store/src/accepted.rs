//! Tally that somebody has accepted for this working copy: the ids of transactions that nobody is to miss any more.
//!
//! They stand in `local/accepted`: a line with the version of this format, the ids ascending, and the SHA-256 over these
//! lines, each ended by one LF.
//!
//! **Invariant**: what is accepted is not in the history. A transaction that comes back is ingested like any other, and
//! missed again when it goes away again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fs_format::{ContentHash, TransactionId};
use fs_io::{LockGuard, SyncPolicy};

use crate::error::RefreshError;
use crate::state::StateError;
use crate::store::Inner;

/// The first line of the file.
const VERSION: &str = "tributary accepted 1";

impl Inner {
    /// Returns the file, which is the store's own also where this handle keeps the rest of `local/` elsewhere.
    fn accepted_path(&self) -> PathBuf {
        self.layout.root().join("local").join("accepted")
    }

    /// Returns the transactions that are missed no more.
    pub(crate) fn accepted(&self) -> Result<BTreeSet<TransactionId>, StateError> {
        let path = self.accepted_path();
        match self.read_state(&path)? {
            None => Ok(BTreeSet::new()),
            Some(bytes) => parse(&bytes).ok_or_else(|| StateError::Damaged {
                path,
                way_out: "delete it, and what is missing is told again".to_owned(),
            }),
        }
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
    /// A handle that may not write leaves that to the next that may: what is in the history is no omission.
    pub(crate) fn drop_accepted(&self, _lock: &LockGuard) -> Result<(), RefreshError> {
        if self.private.is_some() {
            return Ok(());
        }
        let accepted = self.accepted()?;
        let mut left = accepted.clone();
        for id in &accepted {
            if self.index().contains(*id)? {
                left.remove(id);
            }
        }
        if left.len() < accepted.len() {
            self.save_accepted(&left)?;
        }
        Ok(())
    }

    fn save_accepted(&self, accepted: &BTreeSet<TransactionId>) -> Result<(), StateError> {
        let path = self.accepted_path();
        if accepted.is_empty() {
            return self.remove_state(&path);
        }
        self.write_state(&path, &text_of(accepted), SyncPolicy::Durable)
    }
}

fn text_of(accepted: &BTreeSet<TransactionId>) -> Vec<u8> {
    let ids = accepted.iter().map(ToString::to_string);
    let mut lines: Vec<String> = [VERSION.to_owned()].into_iter().chain(ids).collect();
    lines.push(ContentHash::of_lines(&lines).to_string());
    lines.join("\n").into_bytes()
}

fn parse(bytes: &[u8]) -> Option<BTreeSet<TransactionId>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (above, _) = text.rsplit_once('\n')?;
    let mut lines = above.split('\n');
    if lines.next()? != VERSION {
        return None;
    }
    let accepted: BTreeSet<_> = lines
        .map(|id| TransactionId::parse(id).ok())
        .collect::<Option<_>>()?;
    (text_of(&accepted) == bytes).then_some(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let id = |n: u64| TransactionId::from_parts(1_795_206_660_000 + n, [7; 10]);
        let accepted = BTreeSet::from([id(1), id(2)]);
        let bytes = text_of(&accepted);
        assert_eq!(parse(&bytes), Some(accepted), "what is written is read");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(parse(&flipped), None, "bit {bit} of byte {at}");
            }
        }
        assert_eq!(parse(&bytes[..bytes.len() - 1]), None, "it is cut");
    }
}
