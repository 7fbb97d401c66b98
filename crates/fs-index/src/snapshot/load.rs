//! Loading transactions from the journal: batches of them, and the whole history for what needs all of it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use fs_format::{Header, TransactionId};

use crate::error::IndexError;
use crate::log::bytes::Bytes;
use crate::log::frame;
use crate::log::journal;
use crate::log::record::{self, Arrived, Record};
use crate::snapshot::Snapshot;
use crate::snapshot::history::History;
use crate::snapshot::recorded::TxView;
use crate::state::State;
use crate::stored::Stored;
use crate::table::segment::TxRow;
use crate::watch::file;

/// The journal is read in parts of at most this size, single records apart.
const PART_BYTES: u64 = 1 << 20;

/// Records that lie no further apart are read in one go.
const MAX_GAP_BYTES: u64 = 16 << 10;

/// Up to this number, the thread that wants them decodes them: to free what another thread has allocated takes longer.
const MAX_SERIAL_TRANSACTIONS: usize = 2048;

/// Most rows that are looked up at a time.
const BATCH_ROWS: usize = 8192;

/// Records of more bytes together are not held at a time, but for a single one.
const BATCH_BYTES: u64 = 4 << 20;

impl Snapshot {
    /// Returns the whole history; an empty one when there is no journal yet. It is loaded once, and goes on from the one that was loaded
    /// last where that is the beginning of this one.
    ///
    /// # Errors
    /// [`IndexError`] when the journal cannot be read.
    ///
    /// # Complexity
    /// The transactions that came since the history was loaded last, where nobody holds that any more; O(1) where none did; all of them the
    /// first time and in every epoch. Whoever asks for a history meanwhile waits for this one, and nobody else does.
    pub fn history(&self) -> Result<Arc<History>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Arc::default());
        };
        if let Some(history) = self.history.get() {
            return Ok(Arc::clone(history));
        }
        let latest = self.caches.history.lock();
        let mut latest = latest.unwrap_or_else(PoisonError::into_inner);
        let is_later = |known: &Arc<History>| {
            known.epoch() == Some(state.epoch) && known.last_number() > self.last_number()
        };
        // A later one stays for those who come, and is of no use here.
        let (later, known) = match latest.take() {
            Some(known) if is_later(&known) => (Some(known), None),
            known => (None, known),
        };
        let history = match known {
            Some(known) if known.is_as_of(state) => known,
            known => Arc::new(self.read_history(state, known)?),
        };
        *latest = Some(later.unwrap_or_else(|| Arc::clone(&history)));
        Ok(Arc::clone(self.history.get_or_init(|| history)))
    }

    /// Returns the history that tells the canonical order; `None` where the keys do.
    pub(crate) fn ordering_history(&self) -> Result<Option<Arc<History>>, IndexError> {
        let is_needed = !self.is_ordered_by_key();
        is_needed.then(|| self.history()).transpose()
    }

    /// Returns the present history without some transactions, which is the caller's alone.
    ///
    /// # Errors
    /// As [`Snapshot::history`].
    pub(crate) fn history_without(
        &self,
        left_out: &BTreeSet<TransactionId>,
    ) -> Result<History, IndexError> {
        let mut history = History::default();
        if let Some(state) = &self.state {
            self.extend_history(&mut history, state, 1, left_out)?;
        }
        Ok(history)
    }

    /// Reads what is not in a history that is known, if that is a beginning of this one, and all of it otherwise.
    fn read_history(
        &self,
        state: &State,
        known: Option<Arc<History>>,
    ) -> Result<History, IndexError> {
        let known = known.filter(|known| {
            let end = known.ingestion_end();
            known.epoch() == Some(state.epoch)
                && end.is_none_or(|end| self.sequence_of(end).is_ok())
        });
        let from = known.as_ref().map_or(1, |known| known.last_number() + 1);
        // Somebody may still look at the former one.
        let mut history = known.map(Arc::unwrap_or_clone).unwrap_or_default();
        self.extend_history(&mut history, state, from, &BTreeSet::new())?;
        Ok(history)
    }

    /// Adds the transactions numbered `from` or higher to a history.
    fn extend_history(
        &self,
        history: &mut History,
        state: &State,
        from: u64,
        left_out: &BTreeSet<TransactionId>,
    ) -> Result<(), IndexError> {
        let (mut next, mut failed) = (from, None);
        let batches = std::iter::from_fn(|| {
            let read = self.catalog.graph_from(next, BATCH_ROWS, &state.dead);
            let rows = read.map_err(|error| failed = Some(error)).ok()?;
            next = rows.last()?.row.number + 1;
            Some(rows)
        });
        let rows = batches.flatten();
        history.reserve(usize::try_from(state.transactions).unwrap_or(0));
        history.extend(rows.filter(|it| !left_out.contains(&it.row.id)));
        if let Some(error) = failed {
            return Err(error);
        }
        history.set_epoch(state.epoch, state.generation);
        history.set_journal(self.journal.clone());
        Ok(())
    }

    /// Returns the headers of the transactions numbered higher than `number`, in ingestion order; `None` when they are
    /// more than `most`.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn headers_after(
        &self,
        number: u64,
        most: usize,
    ) -> Result<Option<Vec<Header>>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Some(Vec::new()));
        };
        let places =
            self.catalog
                .transactions_from(number.saturating_add(1), most + 1, &state.dead)?;
        if places.len() > most {
            return Ok(None);
        }
        let stored = self.load_places(&places)?.into_iter();
        Ok(Some(stored.map(|stored| stored.header).collect()))
    }

    /// Returns the transaction numbered `number`, which the catalog holds.
    pub(crate) fn stored(&self, number: u64) -> Result<Stored, IndexError> {
        let row = self.catalog.transaction(number)?;
        let row = row.ok_or_else(|| self.damaged())?;
        let mut loaded = self.load_places(&[row])?;
        loaded.pop().ok_or_else(|| self.damaged())
    }

    /// Returns the record of the transaction numbered `number`, which the catalog holds.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the journal does not hold it any more.
    pub(crate) fn record_of(&self, number: u64) -> Result<Arrived, IndexError> {
        let row = self.catalog.transaction(number)?;
        let row = row.ok_or_else(|| self.damaged())?;
        let payload = self.journal.read(row.offset, row.len)?;
        match payload.as_deref().and_then(record::parse) {
            Some(Record::Arrived(arrived)) if arrived.number == number => Ok(*arrived),
            _ => Err(self.damaged()),
        }
    }

    /// Returns transactions in the order of their places.
    pub(crate) fn load_places(&self, places: &[TxRow]) -> Result<Vec<Stored>, IndexError> {
        let payloads = self.payloads(places)?;
        let decode = |payload: &Bytes| match record::parse(payload) {
            Some(Record::Arrived(arrived)) => Stored::of_record(*arrived, payload).ok(),
            _ => None,
        };
        let decoded: Vec<Option<Stored>> = if payloads.len() <= MAX_SERIAL_TRANSACTIONS {
            payloads.iter().map(decode).collect()
        } else {
            file::each(&payloads, decode)
        };
        decoded
            .into_iter()
            .zip(places)
            .map(|(stored, place)| {
                stored
                    .filter(|stored| stored.number == place.number && stored.id() == place.id)
                    .ok_or_else(|| self.damaged())
            })
            .collect()
    }

    /// Returns the records at some places.
    pub(crate) fn payloads(&self, places: &[TxRow]) -> Result<Vec<Bytes>, IndexError> {
        let mut payloads: Vec<Bytes> = Vec::with_capacity(places.len());
        let mut rest = places;
        while let Some(first) = rest.first() {
            let start = first.offset.saturating_sub(frame::HEAD as u64);
            let mut end = end_of(first);
            let together = 1 + rest[1..]
                .iter()
                .take_while(|next| {
                    let fits = (end..end + MAX_GAP_BYTES).contains(&next.offset)
                        && end_of(next) - start <= PART_BYTES;
                    if fits {
                        end = end_of(next);
                    }
                    fits
                })
                .count();
            let wanted = usize::try_from(end - start).map_err(|_| self.damaged())?;
            let bytes = Arc::new(self.journal.read_raw(start, wanted)?);
            for place in &rest[..together] {
                let at = place.offset.checked_sub(start + frame::HEAD as u64);
                let at = at.and_then(|at| usize::try_from(at).ok());
                let payload = at.and_then(|at| journal::payload_in(&bytes, at, place.len));
                payloads.push(payload.ok_or_else(|| self.damaged())?);
            }
            rest = &rest[together..];
        }
        Ok(payloads)
    }
}

fn end_of(place: &TxRow) -> u64 {
    place.offset + u64::from(place.len)
}

/// Splits places into runs of records that are read and held at a time: one, or several that are small.
pub(crate) fn batches(places: &[TxRow]) -> impl Iterator<Item = &[TxRow]> {
    let mut bytes = 0;
    places.chunk_by(move |_, next| {
        bytes += u64::from(next.len);
        let fits = bytes <= BATCH_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    })
}

impl Snapshot {
    /// Returns transactions in the order of their places.
    pub(crate) fn recorded(&self, places: &[TxRow]) -> Result<Vec<TxView>, IndexError> {
        let payloads = self.payloads(places)?.into_iter();
        let read = payloads.zip(places).map(|(payload, place)| {
            let recorded = TxView::read(&payload);
            recorded
                .filter(|it| it.number() == place.number && it.arrived.summary.id == place.id)
                .ok_or_else(|| self.damaged())
        });
        read.collect()
    }
}
