//! What answers are known to lack, and the refusal of appends that were decided on less than there is.
//!
//! **Invariant**: nothing is renumbered in silence. A version that counts on what is missing is no proof that the caller
//! has seen everything, so an append that is checked against it is refused unless the caller says otherwise.

use std::collections::BTreeSet;
use std::sync::Arc;

use fs_format::{StreamId, TransactionId};
use fs_index::{Completeness, Omission, OmissionKind};

use crate::error::{AppendError, RefreshError};
use crate::options::OnHole;
use crate::request::Append;
use crate::store::{FileEventStore, Inner};

impl FileEventStore {
    /// Tells whether answers hold all that is known to belong to the history, as of now.
    ///
    /// Missing are parents that no file stands for, and what is in files that cannot be used. What was accepted by
    /// [`forget`](FileEventStore::forget) is not.
    ///
    /// # Errors
    /// [`RefreshError`].
    ///
    /// # Complexity
    /// That of a look for what is new; no file is opened for this.
    pub fn completeness(&self) -> Result<Completeness, RefreshError> {
        let omissions = self.omissions()?;
        Ok(Completeness::of(&omissions).while_unconfirmed(self.inner.index().unconfirmed()))
    }

    /// As [`completeness`](FileEventStore::completeness), as of the last look of this handle. It takes no look of its own: what
    /// was missing from an answer is told after the answer, also when it has come back meanwhile.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn completeness_of_answers(&self) -> Result<Completeness, RefreshError> {
        let index = self.inner.index();
        let omissions = match index.omissions() {
            Ok(omissions) if index.epoch().is_some() => omissions,
            _ => {
                drop(index);
                return self.completeness();
            }
        };
        let unconfirmed = index.unconfirmed().cloned();
        drop(index);
        let omissions = self.inner.split_accepted(omissions)?.0;
        Ok(Completeness::of(&omissions).while_unconfirmed(unconfirmed.as_ref()))
    }

    /// Returns all that makes answers incomplete, as of now: files that cannot be used by path, then missing parents by id.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn omissions(&self) -> Result<Vec<Omission>, RefreshError> {
        let omissions = self.inner.ask(|index| index.omissions())?;
        Ok(self.inner.split_accepted(omissions)?.0)
    }

    /// Refuses to go by the versions of streams of which one has a hole, as an append that expects them is refused. It goes by
    /// what was last seen, so whoever looks at the history, or holds it, asks about that history.
    ///
    /// # Errors
    /// [`AppendError::Hole`], unless the store was opened with [`OnHole::Allow`].
    pub fn refuse_holes<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamId>,
    ) -> Result<(), AppendError> {
        self.inner.refuse_holes(streams)
    }
}

/// Bytes that are compared with what is known of a transaction that is missing or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// They are no whole transaction, or another one.
    Useless,
    /// They are the transaction, with other line ends or a byte order mark.
    Converted,
    /// They are the transaction as it was written.
    Whole,
}

impl FileEventStore {
    /// Tells whether bytes from elsewhere are the transaction `id`, by their seal and by what its children recorded.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn examine(&self, id: TransactionId, bytes: &[u8]) -> Result<Candidate, RefreshError> {
        let Ok(transaction) = fs_format::decode(bytes) else {
            return Ok(Candidate::Useless);
        };
        let recorded = self.inner.ask(|index| index.recorded_hashes(id))?;
        let is_it = transaction.header.transaction_id == id
            && (recorded.is_empty() || recorded.contains(&transaction.content_hash));
        Ok(match is_it {
            true if transaction.transit.is_clean() => Candidate::Whole,
            true => Candidate::Converted,
            false => Candidate::Useless,
        })
    }
}

impl Inner {
    /// Returns the omissions that nobody has accepted, and those that somebody has.
    pub(crate) fn split_accepted(
        &self,
        omissions: Vec<Omission>,
    ) -> Result<(Vec<Omission>, Vec<Omission>), RefreshError> {
        if omissions.is_empty() {
            return Ok((omissions, Vec::new()));
        }
        let accepted = self.accepted()?;
        let is_accepted = |omission: &Omission| {
            omission
                .transaction_id
                .is_some_and(|id| accepted.contains(&id))
        };
        let (accepted, omissions) = omissions.into_iter().partition(is_accepted);
        Ok((omissions, accepted))
    }

    /// Refuses an append that expects a version of a stream with a hole; the index is up to date.
    ///
    /// # Errors
    /// [`AppendError::Hole`].
    ///
    /// # Complexity
    /// Nothing where no parent is missing; else the history is loaded.
    pub(crate) fn refuse_on_hole(&self, append: &Append) -> Result<(), AppendError> {
        let checked = append
            .expected
            .iter()
            .filter(|(_, expected)| expected.version().is_some())
            .map(|(stream_id, _)| stream_id);
        if append.anyway {
            return Ok(());
        }
        self.refuse_holes(checked)
    }

    /// Refuses to go by the versions of streams of which one has a hole; the index is up to date.
    ///
    /// The history knows a hole by what is on top of it. Of a damaged file whose bytes are kept, this working copy knows what it
    /// wrote, also where nothing is on top. What a damaged file itself says is not believed: any file can say anything.
    fn refuse_holes<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamId>,
    ) -> Result<(), AppendError> {
        let streams: Vec<&StreamId> = streams.into_iter().collect();
        if self.options.on_hole == OnHole::Allow || streams.is_empty() {
            return Ok(());
        }
        let omissions = self.index().omissions().map_err(RefreshError::from)?;
        let (omissions, accepted) = self.split_accepted(omissions)?;
        if omissions.is_empty() {
            return Ok(());
        }
        let accepted = accepted.iter().filter_map(|it| it.transaction_id).collect();
        let has_missing_parents = self.index().missing_parents().next().is_some();
        let history = match has_missing_parents {
            true => self.loaded_history()?,
            false => Arc::default(),
        };
        let kept = self.kept_of(&omissions)?;
        for stream_id in streams {
            let by_children = history.hole(stream_id, &accepted);
            let by_kept_bytes = || {
                let mut kept = kept.iter();
                kept.find_map(|(id, written)| written.contains(stream_id).then_some(*id))
            };
            if let Some(missing) = by_children.or_else(by_kept_bytes) {
                let place = |it: &&Omission| it.transaction_id == Some(missing);
                let path = omissions.iter().find(place).map(|it| it.path.clone());
                return Err(AppendError::Hole {
                    stream_id: stream_id.clone(),
                    missing,
                    path: path.unwrap_or_else(|| missing.relative_path()),
                });
            }
        }
        Ok(())
    }

    /// Returns the streams that damaged files wrote whose bytes are kept.
    fn kept_of(
        &self,
        omissions: &[Omission],
    ) -> Result<Vec<(TransactionId, Vec<StreamId>)>, AppendError> {
        let damaged = omissions
            .iter()
            .filter(|it| it.kind != OmissionKind::Missing);
        let damaged: BTreeSet<TransactionId> = damaged.filter_map(|it| it.transaction_id).collect();
        if damaged.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.kept_paths()?.into_iter();
        let kept = kept.filter(|(id, _)| damaged.contains(id));
        Ok(kept
            .map(|(id, paths)| (id, self.streams_of_kept(id, &paths)))
            .collect())
    }
}
