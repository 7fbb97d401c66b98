//! Reading the transactions of a segment by canonical key.
//!
//! **Invariant**: keys ascend; two transactions of one time are told apart by their rows.

use std::collections::VecDeque;

use super::table::{self, Section, TimedNumber};
use super::{Key, Segment, SegmentError};

/// Entries that are read at a time.
const CHUNK_ENTRIES: u64 = 256;

/// The transactions of a segment from some key on.
pub(crate) struct KeyCursor<'a> {
    segment: &'a Segment,
    /// The place of the first entry that is not read yet.
    at: u64,
    read: VecDeque<TimedNumber>,
}

impl<'a> KeyCursor<'a> {
    /// Begins behind a key, or with the first transaction.
    ///
    /// # Complexity
    /// O(log n) for n transactions.
    pub(crate) fn behind(segment: &'a Segment, after: Option<&Key>) -> Result<Self, SegmentError> {
        let at = match after {
            None => 0,
            Some(after) => segment.search(segment.len(), |at| {
                let Some((time, number)) = segment.timed_at(at)? else {
                    return Ok(true);
                };
                Ok(match time == after.0 {
                    false => time > after.0,
                    true => segment.key_of(number)?.is_none_or(|key| key > *after),
                })
            })?,
        };
        Ok(Self {
            segment,
            at,
            read: VecDeque::new(),
        })
    }

    /// Returns when the next transaction was written, and its number; `None` behind the last.
    pub(crate) fn peek(&mut self) -> Result<Option<TimedNumber>, SegmentError> {
        if self.read.is_empty() {
            let read = &mut self.read;
            self.segment
                .each(Section::Keys, self.at, CHUNK_ENTRIES, |bytes| {
                    read.push_back(table::read_timed(bytes)?);
                    Some(())
                })?;
            self.at += self.read.len() as u64;
        }
        Ok(self.read.front().copied())
    }

    /// Returns the key of the next transaction.
    pub(crate) fn peek_key(&mut self) -> Result<Option<Key>, SegmentError> {
        match self.peek()? {
            Some((_, number)) => self.segment.key_of(number),
            None => Ok(None),
        }
    }

    /// Goes on to the one behind the next.
    pub(crate) fn advance(&mut self) {
        self.read.pop_front();
    }

    /// Returns which of several segments has the least transaction next, and that.
    pub(crate) fn least(
        cursors: &mut [KeyCursor<'_>],
    ) -> Result<Option<(usize, TimedNumber)>, SegmentError> {
        let mut least: Option<(usize, TimedNumber)> = None;
        for nth in 0..cursors.len() {
            let Some(next) = cursors[nth].peek()? else {
                continue;
            };
            let is_less = match least {
                None => true,
                Some((_, (time, _))) if next.0 != time => next.0 < time,
                Some((other, _)) => cursors[nth].peek_key()? < cursors[other].peek_key()?,
            };
            if is_less {
                least = Some((nth, next));
            }
        }
        Ok(least)
    }
}

impl Segment {
    fn timed_at(&self, at: u64) -> Result<Option<TimedNumber>, SegmentError> {
        let Some(bytes) = self.entry(Section::Keys, at)? else {
            return Ok(None);
        };
        let timed = table::read_timed(&bytes[..Section::Keys.width()]);
        timed.map(Some).ok_or_else(|| self.damaged())
    }

    fn key_of(&self, number: u64) -> Result<Option<Key>, SegmentError> {
        Ok(self.transaction(number)?.map(|row| row.key()))
    }
}
