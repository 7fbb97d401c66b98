//! Loading transactions from the journal: single ones, and the whole history for what needs all of it.

use std::sync::Arc;

use fs_format::Header;

use crate::bytes::Bytes;
use crate::error::IndexError;
use crate::file;
use crate::frame;
use crate::history::History;
use crate::index::Index;
use crate::journal;
use crate::record::{self, Record};
use crate::segment::Located;
use crate::stored::Stored;

/// The journal is read in parts of at most this size, single records apart.
const PART: u64 = 1 << 20;

/// Records that lie no further apart are read in one go.
const GAP: u64 = 16 << 10;

/// So many are decoded by the thread that wants them: to free what another thread has allocated takes longer.
const PAGE: usize = 2048;

/// So many places are looked up at a time.
const BATCH: usize = 8192;

/// The history in memory, and how much of the journal it holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    history: Arc<History>,
    next_number: u64,
}

impl Loaded {
    pub(crate) fn of(history: History) -> Self {
        Self {
            next_number: history.last_number() + 1,
            history: Arc::new(history),
        }
    }
}

impl Index {
    /// Loads what is not in memory yet, so that [`Index::history`] is the present one.
    ///
    /// # Errors
    /// [`IndexError`] when the journal cannot be read.
    ///
    /// # Complexity
    /// The transactions that came since the last call; all of them the first time and in every epoch.
    pub fn load_history(&mut self) -> Result<(), IndexError> {
        let Some(state) = &self.state else {
            self.loaded = None;
            return Ok(());
        };
        let (epoch, generation) = (state.epoch, state.generation);
        let known = self.loaded.take().filter(|loaded| {
            let end = loaded.history.ingestion_end();
            loaded.history.epoch() == Some(epoch)
                && end.is_none_or(|end| self.sequence_of(end).is_ok())
        });
        let mut from = known.as_ref().map_or(1, |loaded| loaded.next_number);
        let mut fresh = Vec::new();
        loop {
            let places = self.catalog.transactions_from(from, BATCH, &state.dead)?;
            let Some(last) = places.last() else { break };
            from = last.number + 1;
            fresh.extend(self.load_places(&places)?.into_iter().map(Arc::new));
        }
        let mut history = match known.map(|loaded| Arc::try_unwrap(loaded.history)) {
            Some(Ok(history)) => history,
            // Somebody still looks at the former one.
            Some(Err(shared)) => History::build(shared.shared().to_vec(), None, 0),
            None => History::default(),
        };
        history.extend(fresh);
        history.set_epoch(epoch, generation);
        self.loaded = Some(Loaded {
            history: Arc::new(history),
            next_number: from,
        });
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

    /// Returns the history as of the last [`Index::load_history`]; an empty one when there is no journal yet.
    pub fn history(&self) -> Arc<History> {
        match &self.loaded {
            Some(loaded) => Arc::clone(&loaded.history),
            None => Arc::default(),
        }
    }

    /// Takes the present history, of which nothing is kept.
    ///
    /// # Errors
    /// As [`Index::load_history`].
    pub(crate) fn take_history(&mut self) -> Result<History, IndexError> {
        self.load_history()?;
        let loaded = self.loaded.take().map(|loaded| loaded.history);
        let history = loaded.and_then(|history| Arc::try_unwrap(history).ok());
        Ok(history.unwrap_or_default())
    }

    pub(crate) fn known_history(&self) -> Option<&History> {
        self.loaded.as_ref().map(|loaded| &*loaded.history)
    }

    /// Returns the transaction numbered `number`, which the catalog holds.
    pub(crate) fn stored(&self, number: u64) -> Result<Stored, IndexError> {
        let located = self.catalog.transaction(number)?;
        let located = located.ok_or_else(|| self.damaged())?;
        let mut loaded = self.load_places(&[located])?;
        loaded.pop().ok_or_else(|| self.damaged())
    }

    /// Returns transactions in the order of their places.
    pub(crate) fn load_places(&self, places: &[Located]) -> Result<Vec<Stored>, IndexError> {
        let payloads = self.payloads(places)?;
        let decode = |payload: &Bytes| match record::parse(payload) {
            Some(Record::Arrived(arrived)) => Stored::of_record(*arrived, payload).ok(),
            _ => None,
        };
        let decoded: Vec<Option<Stored>> = if payloads.len() <= PAGE {
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
    pub(crate) fn payloads(&self, places: &[Located]) -> Result<Vec<Bytes>, IndexError> {
        let mut payloads: Vec<Bytes> = Vec::with_capacity(places.len());
        let mut rest = places;
        while let Some(first) = rest.first() {
            let start = first.offset.saturating_sub(frame::HEAD as u64);
            let mut end = end_of(first);
            let together = 1 + rest[1..]
                .iter()
                .take_while(|next| {
                    let fits =
                        (end..end + GAP).contains(&next.offset) && end_of(next) - start <= PART;
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

    pub(crate) fn damaged(&self) -> IndexError {
        IndexError::Damaged {
            path: self.journal.path().to_owned(),
        }
    }
}

fn end_of(place: &Located) -> u64 {
    place.offset + u64::from(place.len)
}
