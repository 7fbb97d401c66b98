//! Reading many events as what their data are, without decoding what stands around them.
//!
//! On one thread: to decode on several was slower, since what one of them allocates another frees.
//!
//! **Invariant**: the same events in the same order as [`Index::read_stream`] and [`Index::read_ingested`] give.

use std::ops::ControlFlow;

use fs_format::StreamId;

use crate::error::IndexError;
use crate::events::RawEvent;
use crate::index::Index;
use crate::position::Sequence;
use crate::read::{Select, Wanted};

/// So many transactions are read at a time.
const PAGE: usize = 8192;

/// Data of so many bytes are little work: they are read and decoded in less time than another thread takes to begin.
const LITTLE: usize = 16 << 10;

/// A stream of more events is more than little work.
const FEW_EVENTS: u64 = 256;

/// How much work an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Some 100 µs at most, on one thread.
    Little,
    /// As much as it takes.
    Any,
}

/// Collects what is made of events, until it was too much work.
struct Collecting<T, F> {
    each: F,
    /// Bytes of data that may still be met.
    left: usize,
    found: Vec<T>,
}

impl<T, F: Fn(RawEvent<'_>) -> Option<T>> Collecting<T, F> {
    fn new(effort: Effort, each: F) -> Self {
        let left = match effort {
            Effort::Little => LITTLE,
            Effort::Any => usize::MAX,
        };
        Self {
            each,
            left,
            found: Vec::new(),
        }
    }

    fn visit(&mut self, event: RawEvent<'_>) -> ControlFlow<()> {
        let Some(left) = self.left.checked_sub(event.data.len()) else {
            return ControlFlow::Break(());
        };
        self.left = left;
        self.found.extend((self.each)(event));
        ControlFlow::Continue(())
    }
}

impl Index {
    /// Returns what `each` makes of the events of `stream_id` with versions above `after`, in canonical order; `None`
    /// when that is too much work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_stream<T>(
        &self,
        stream_id: &StreamId,
        after: u64,
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> T,
    ) -> Result<Option<Vec<T>>, IndexError> {
        if effort == Effort::Little && self.version(stream_id)? > FEW_EVENTS {
            return Ok(None);
        }
        let writes = self.writes(stream_id)?;
        let first = writes.partition_point(|write| write.base + write.count <= after);
        // Of the first writer, so many are not wanted.
        let passed_by = writes
            .get(first)
            .map_or(0, |write| after - write.base.min(after));
        let of_stream =
            |event: RawEvent<'_>| (event.stream_id == stream_id.as_str()).then(|| each(event));
        let numbers: Vec<u64> = writes[first..].iter().map(|write| write.number).collect();
        let Some(mut found) = self.scan(&numbers, Reach::These, effort, of_stream)? else {
            return Ok(None);
        };
        let passed_by = usize::try_from(passed_by).unwrap_or(usize::MAX);
        found.drain(..passed_by.min(found.len()));
        Ok(Some(found))
    }

    /// Returns what `each` makes of at most `limit` of the selected events after `after`, in ingestion order; `None`
    /// when that is too much work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_ingested<T>(
        &self,
        after: Option<Sequence>,
        select: &impl Select,
        limit: usize,
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> T,
    ) -> Result<Option<Vec<T>>, IndexError> {
        let first = after.map_or(1, Sequence::number);
        let Some(wanted) = self.wanted(select, effort)? else {
            return Ok(None);
        };
        let selected = |event: RawEvent<'_>| {
            let is_wanted = after.is_none_or(|after| event.position.sequence > after)
                && select.stream(event.stream_id)
                && select.event_type(event.event_type);
            is_wanted.then(|| each(event))
        };
        let mut found = Vec::new();
        let mut from = first;
        while found.len() < limit && from <= self.last_number() {
            // The transaction that the position is in may hold none that comes after it.
            let count = (limit - found.len()).saturating_add(1).min(PAGE);
            let (numbers, reach): (Vec<u64>, _) = match &wanted {
                Wanted::All => {
                    let numbers = from..=self.last_number();
                    (numbers.take(count).collect(), Reach::Between)
                }
                Wanted::These(numbers) => {
                    let at = numbers.partition_point(|number| *number < from);
                    let numbers = numbers[at..].iter().copied().take(count);
                    (numbers.collect(), Reach::These)
                }
            };
            let Some(last) = numbers.last() else { break };
            if effort == Effort::Little && from > first {
                return Ok(None);
            }
            from = last + 1;
            let Some(events) = self.scan(&numbers, reach, effort, selected)? else {
                return Ok(None);
            };
            found.extend(events);
        }
        found.truncate(limit);
        Ok(Some(found))
    }

    /// Returns what `each` makes of the events of transactions, where it makes something of them.
    fn scan<T>(
        &self,
        numbers: &[u64],
        reach: Reach,
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, IndexError> {
        let mut collecting = Collecting::new(effort, each);
        let visit = |event: RawEvent<'_>| collecting.visit(event);
        let ended = match (reach, numbers) {
            (Reach::Between, [first, .., last]) => self.visit_within(*first..=*last, visit),
            (Reach::Between, [number]) => self.visit_within(*number..=*number, visit),
            _ => self.visit_these(numbers, visit),
        };
        Ok(ended?.is_continue().then_some(collecting.found))
    }
}

/// What numbers stand for.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// These, which are all there.
    These,
    /// Those between the first and the last that are there.
    Between,
}
