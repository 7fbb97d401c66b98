//! Reading all of a store page by page.
//!
//! **Invariant**: all pages are of one moment, that of the first. What is damaged meanwhile is built anew from the same files.

use fs_format::{StreamId, TransactionId};
use fs_index::{IndexError, Outline, Snapshot};

use crate::completeness::Answer;
use crate::error::RefreshError;
use crate::event::StoredEvent;
use crate::store::FileEventStore;

/// The transactions of a store in canonical order.
#[derive(Debug)]
pub struct CanonicalPages<'a> {
    store: &'a FileEventStore,
    snapshot: Snapshot,
    after: Option<TransactionId>,
}

/// The streams of a store in byte order of their ids.
#[derive(Debug)]
pub struct StreamPages<'a> {
    store: &'a FileEventStore,
    snapshot: Snapshot,
    after: Option<StreamId>,
}

impl FileEventStore {
    /// Begins to read the transactions in canonical order, which is the same in every clone that holds the same files.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn canonical_pages(&self) -> Result<Answer<CanonicalPages<'_>>, RefreshError> {
        let begin = |snapshot: &Snapshot| {
            let snapshot = snapshot.clone();
            Ok(CanonicalPages {
                store: self,
                snapshot,
                after: None,
            })
        };
        self.inner.answer(begin)
    }

    /// Begins to read the streams with their versions, in byte order of the ids.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn stream_pages(&self) -> Result<Answer<StreamPages<'_>>, RefreshError> {
        let begin = |snapshot: &Snapshot| {
            let snapshot = snapshot.clone();
            Ok(StreamPages {
                store: self,
                snapshot,
                after: None,
            })
        };
        self.inner.answer(begin)
    }
}

impl CanonicalPages<'_> {
    /// Returns the next transactions, at most `limit`; none at the end. What they hold is not read.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn next_outlines(&mut self, limit: usize) -> Result<Vec<Outline>, RefreshError> {
        let after = self.after;
        let read = |snapshot: &Snapshot| snapshot.outlines_behind(after, limit);
        let page = ask(self.store, &mut self.snapshot, read)?;
        self.after = page.last().map(|it| it.transaction_id).or(after);
        Ok(page)
    }

    /// Returns the events of the next transactions: of as many as have no more than `limit` together, and of one at least. `None` at the
    /// end.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn next_events(&mut self, limit: usize) -> Result<Option<Vec<StoredEvent>>, RefreshError> {
        let after = self.after;
        let read = |snapshot: &Snapshot| {
            snapshot.read_behind(after, limit, |placed| StoredEvent::from(placed))
        };
        let (events, last) = ask(self.store, &mut self.snapshot, read)?;
        self.after = last.or(after);
        Ok(last.map(|_| events))
    }
}

impl StreamPages<'_> {
    /// Returns the next streams, at most `limit`, with their versions; none at the end.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn next_streams(&mut self, limit: usize) -> Result<Vec<(StreamId, u64)>, RefreshError> {
        let after = self.after.as_ref();
        let read = |snapshot: &Snapshot| snapshot.streams_behind(after, limit);
        let page = ask(self.store, &mut self.snapshot, read)?;
        if let Some((last, _)) = page.last() {
            self.after = Some(last.clone());
        }
        Ok(page)
    }
}

/// Asks a snapshot, or, where a part of the index is damaged, the one of the index that is built anew.
fn ask<T>(
    store: &FileEventStore,
    snapshot: &mut Snapshot,
    question: impl Fn(&Snapshot) -> Result<T, IndexError>,
) -> Result<T, RefreshError> {
    match question(snapshot) {
        Err(IndexError::Damaged { .. }) => {
            store.repair_index()?;
            *snapshot = Snapshot::clone(&store.inner.snapshot());
            Ok(question(snapshot)?)
        }
        answer => Ok(answer?),
    }
}
