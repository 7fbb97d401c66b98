//! The transactions that the journal holds: the segments and the tail as one.
//!
//! A log-structured merge tree (P. O'Neil et al., *The log-structured merge-tree*, 1996) whose log is the journal.
//! Segments cover consecutive numbers; each is several times as large as all that follow it, so there are few.
//!
//! **Invariant**: an answer holds the transactions that have not vanished, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fs_format::{CommandId, ContentHash, StreamId, TransactionId};

use crate::error::IndexError;
use crate::table::segment::{GraphRow, Key, KeyCursor, Segment, SegmentError, TxRow};
use crate::table::tail::Tail;

/// A number that is no further from the one before it is looked up along with those between them ...
const MAX_NUMBER_GAP: u64 = 8;

/// ... and as many numbers after it.
const BATCH_NUMBERS: usize = 64;

/// Cloning shares segments and tail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) tail: Tail,
}

impl Catalog {
    /// Returns what segments hold, without a tail.
    pub(crate) fn of(segments: Vec<Arc<Segment>>) -> Self {
        Self {
            segments,
            tail: Tail::default(),
        }
    }

    /// Returns the number of a transaction.
    pub(crate) fn number_of(
        &self,
        id: TransactionId,
        dead: &BTreeSet<u64>,
    ) -> Result<Option<u64>, IndexError> {
        let mut numbers = self.tail.numbers_of(id);
        numbers.retain(|number| !dead.contains(number));
        for segment in self.segments.iter().rev() {
            if let Some(number) = numbers.last() {
                return Ok(Some(*number));
            }
            numbers = segment.numbers_of(id)?;
            numbers.retain(|number| !dead.contains(number));
        }
        Ok(numbers.last().copied())
    }

    /// Returns where a transaction lies.
    pub(crate) fn transaction(&self, number: u64) -> Result<Option<TxRow>, IndexError> {
        if let Some(row) = self.tail.transaction(number) {
            return Ok(Some(row));
        }
        let holds = |segment: &&Arc<Segment>| segment.last_number() >= number;
        match self.segments.iter().find(holds) {
            Some(segment) => Ok(segment.transaction(number)?),
            None => Ok(None),
        }
    }

    /// Returns where transactions lie, in the order of their numbers as given; `None` for one that is not here.
    ///
    /// # Complexity
    /// Numbers that follow closely on each other are looked up together.
    pub(crate) fn transactions(
        &self,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<Option<TxRow>>, IndexError> {
        let mut found = Vec::new();
        let mut together: Vec<TxRow> = Vec::new();
        let mut before = None;
        for number in numbers {
            let place = |together: &[TxRow]| {
                let at = together.binary_search_by_key(&number, |it| it.number);
                at.ok().map(|at| together[at])
            };
            let follows =
                before.is_some_and(|before| (before..before + MAX_NUMBER_GAP).contains(&number));
            before = Some(number);
            let mut row = place(&together);
            if row.is_none() && follows {
                together = self.transactions_from(number, BATCH_NUMBERS, &BTreeSet::new())?;
                row = place(&together);
            }
            found.push(match row {
                Some(row) => Some(row),
                None => self.transaction(number)?,
            });
        }
        Ok(found)
    }

    /// Returns up to `limit` transactions numbered `number` or higher, ascending.
    pub(crate) fn transactions_from(
        &self,
        number: u64,
        limit: usize,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<TxRow>, IndexError> {
        let is_dead = |row: &TxRow| dead.contains(&row.number);
        let tail = self.tail.transactions_from(number);
        let last = |rows: &[TxRow]| rows.last().map(|row| row.number);
        self.rows_from(
            number,
            limit,
            is_dead,
            last,
            tail,
            Segment::transactions_from,
        )
    }

    /// Returns up to `limit` transactions numbered `number` or higher as the graph needs them, ascending.
    pub(crate) fn graph_from(
        &self,
        number: u64,
        limit: usize,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<GraphRow>, IndexError> {
        let is_dead = |it: &GraphRow| dead.contains(&it.row.number);
        let tail = self.tail.graph_from(number);
        let last = |rows: &[GraphRow]| rows.last().map(|it| it.row.number);
        self.rows_from(number, limit, is_dead, last, tail, Segment::graph_from)
    }

    /// Returns up to `limit` rows numbered `number` or higher, ascending: those of the segments, then those of the tail.
    fn rows_from<R>(
        &self,
        number: u64,
        limit: usize,
        is_dead: impl Fn(&R) -> bool,
        last_number: impl Fn(&[R]) -> Option<u64>,
        tail: impl Iterator<Item = R>,
        of_segment: impl Fn(&Segment, u64, usize) -> Result<Vec<R>, SegmentError>,
    ) -> Result<Vec<R>, IndexError> {
        let mut found: Vec<R> = Vec::new();
        for segment in self
            .segments
            .iter()
            .filter(|segment| segment.last_number() >= number)
        {
            let mut from = number;
            while found.len() < limit {
                let batch = of_segment(segment, from, limit - found.len())?;
                let Some(last) = last_number(&batch) else {
                    break;
                };
                from = last + 1;
                found.extend(batch.into_iter().filter(|row| !is_dead(row)));
            }
        }
        let missing = limit.saturating_sub(found.len());
        found.extend(tail.filter(|row| !is_dead(row)).take(missing));
        Ok(found)
    }

    /// Returns up to `limit` transactions behind a key, or the first, by key.
    ///
    /// # Complexity
    /// O(log n) to find the first in each of the segments, then those that are returned and those that went away between them.
    pub(crate) fn behind(
        &self,
        after: Option<&Key>,
        limit: usize,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<TxRow>, IndexError> {
        let segments = self.segments.iter();
        let cursors = segments.map(|segment| KeyCursor::behind(segment, after));
        let mut cursors: Vec<_> = cursors.collect::<Result<_, _>>()?;
        let mut tail = self.tail.behind(after);
        let mut numbers = Vec::new();
        while numbers.len() < limit {
            let number = match (KeyCursor::least(&mut cursors)?, tail.front()) {
                (None, None) => break,
                (Some((nth, (time, number))), of_tail) => {
                    let is_least = match of_tail {
                        None => true,
                        Some(row) if row.created_at != time => time < row.created_at,
                        Some(row) => cursors[nth].peek_key()? < Some(row.key()),
                    };
                    if is_least {
                        cursors[nth].advance();
                        number
                    } else {
                        tail.pop_front().map_or(number, |row| row.number)
                    }
                }
                (None, Some(row)) => {
                    let number = row.number;
                    tail.pop_front();
                    number
                }
            };
            if !dead.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(self.transactions(numbers)?.into_iter().flatten().collect())
    }

    /// Returns a transaction as the graph needs it.
    pub(crate) fn graph(&self, number: u64) -> Result<Option<GraphRow>, IndexError> {
        let mut found = self.graph_from(number, 1, &BTreeSet::new())?;
        Ok(found.pop().filter(|found| found.row.number == number))
    }

    /// Returns the last transaction with a number below `number`.
    ///
    /// # Complexity
    /// The transactions that went away between the two.
    pub(crate) fn last_below(
        &self,
        number: u64,
        dead: &BTreeSet<u64>,
    ) -> Result<Option<TxRow>, IndexError> {
        let mut step = 1;
        loop {
            let first = number.saturating_sub(step).max(1);
            let count = usize::try_from(number - first.min(number)).unwrap_or(usize::MAX);
            let mut found = self.transactions_from(first, count, dead)?;
            found.retain(|it| it.number < number);
            if let Some(last) = found.pop() {
                return Ok(Some(last));
            }
            if first == 1 {
                return Ok(None);
            }
            step *= 2;
        }
    }

    /// Returns transactions as the graph needs them, in the order of their numbers as given; those that are not here are left out.
    ///
    /// # Complexity
    /// Numbers that follow each other are looked up together.
    pub(crate) fn graphs(&self, numbers: &[u64]) -> Result<Vec<GraphRow>, IndexError> {
        let mut found = Vec::with_capacity(numbers.len());
        for run in numbers.chunk_by(|one, next| next.checked_sub(1) == Some(*one)) {
            let rows = self.graph_from(run[0], run.len(), &BTreeSet::new())?;
            let is_wanted = |row: &GraphRow| row.row.number <= run[run.len() - 1];
            found.extend(rows.into_iter().filter(is_wanted));
        }
        Ok(found)
    }

    /// Returns up to `limit` content hashes of transactions numbered `number` or higher, with the rows of these, ascending.
    pub(crate) fn hashes_from(
        &self,
        number: u64,
        limit: usize,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<(TxRow, ContentHash)>, IndexError> {
        let mut found = Vec::new();
        for segment in self
            .segments
            .iter()
            .filter(|segment| segment.last_number() >= number)
        {
            let mut from = number;
            while found.len() < limit {
                let batch = segment.hashes_from(from, limit - found.len())?;
                let Some((last, _)) = batch.last() else { break };
                from = last.number + 1;
                found.extend(
                    batch
                        .into_iter()
                        .filter(|(it, _)| !dead.contains(&it.number)),
                );
            }
        }
        let missing = limit.saturating_sub(found.len());
        let tail = self.tail.graph_from(number);
        let tail = tail.filter(|it| !dead.contains(&it.row.number));
        found.extend(tail.take(missing).map(|it| (it.row, it.content_hash)));
        Ok(found)
    }

    /// Returns up to `limit` streams behind a stream, or the first, in byte order; some may have no events left.
    pub(crate) fn streams_behind(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamId>, IndexError> {
        let mut streams = BTreeSet::new();
        for segment in &self.segments {
            let after = after.map(StreamId::as_str);
            streams.extend(segment.streams_behind(after, limit)?);
        }
        self.tail.add_streams("", &mut streams);
        let behind = streams
            .into_iter()
            .filter(|it| after.is_none_or(|after| it > after));
        Ok(behind.take(limit).collect())
    }

    /// Returns the numbers of the transactions that have `parent` as a parent.
    pub(crate) fn children(
        &self,
        parent: TransactionId,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        self.collect(
            dead,
            |segment| segment.children(parent),
            self.tail.children(parent),
        )
    }

    /// Returns the numbers of the transactions that may be of a command: their headers tell.
    pub(crate) fn commands(
        &self,
        id: &CommandId,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        self.collect(dead, |segment| segment.commands(id), self.tail.commands(id))
    }

    /// Returns the numbers of the transactions that may be of one command, for each that may have several.
    ///
    /// # Complexity
    /// O(c log c) for c transactions that name a command, and 24 bytes for each.
    pub(crate) fn shared_commands(
        &self,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<Vec<u64>>, IndexError> {
        let mut pairs = Vec::new();
        for segment in &self.segments {
            pairs.extend(segment.command_pairs()?);
        }
        pairs.extend(self.tail.command_pairs());
        pairs.retain(|(_, number)| !dead.contains(number));
        pairs.sort_unstable();
        let of_one = pairs.chunk_by(|one, next| one.0 == next.0);
        let shared = of_one.filter(|pairs| pairs.len() > 1);
        Ok(shared
            .map(|pairs| pairs.iter().map(|(_, number)| *number).collect())
            .collect())
    }

    /// Returns the numbers of the transactions with events of a type, ascending.
    pub(crate) fn numbers_of_type(
        &self,
        event_type: &str,
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        self.collect(
            dead,
            |segment| segment.numbers_of_type(event_type),
            self.tail.numbers_of_type(event_type),
        )
    }

    fn collect(
        &self,
        dead: &BTreeSet<u64>,
        of: impl Fn(&Segment) -> Result<Vec<u64>, SegmentError>,
        tail: Vec<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        let mut numbers = Vec::new();
        for segment in &self.segments {
            numbers.extend(of(segment)?);
        }
        numbers.extend(tail);
        numbers.retain(|number| !dead.contains(number));
        Ok(numbers)
    }

    /// Returns the transactions whose ids lie between two, both included, with their numbers.
    pub(crate) fn ids_between(
        &self,
        low: u128,
        high: u128,
        dead: &BTreeSet<u64>,
    ) -> Result<BTreeMap<TransactionId, u64>, IndexError> {
        let is_live = |(_, number): &(TransactionId, u64)| !dead.contains(number);
        let mut ids = BTreeMap::new();
        for segment in &self.segments {
            ids.extend(segment.ids_between(low, high)?.into_iter().filter(is_live));
        }
        let tail = self.tail.ids_between(low, high);
        ids.extend(tail.into_iter().filter(is_live));
        Ok(ids)
    }

    /// Returns the streams from `first` on whose ids start with `prefix`, in byte order; some may have no events left.
    pub(crate) fn streams(&self, prefix: &str) -> Result<BTreeSet<StreamId>, IndexError> {
        let mut streams = BTreeSet::new();
        for segment in &self.segments {
            streams.extend(segment.streams_with_prefix(prefix)?);
        }
        self.tail.add_streams(prefix, &mut streams);
        Ok(streams)
    }
}
