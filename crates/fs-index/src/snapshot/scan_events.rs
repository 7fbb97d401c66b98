//! Reading many events as their data, without decoding what stands around them.
//!
//! **Invariant**: the same events in the same order as [`Snapshot::read_stream`] and [`Snapshot::read_ingested`] give.

use fs_format::StreamId;

use crate::error::IndexError;
use crate::position::Sequence;
use crate::snapshot::Snapshot;
use crate::snapshot::events::RawEvent;
use crate::snapshot::pick::{Budget, EventScan, RawEvents};
use crate::snapshot::select::{Select, Wanted};

/// Most transactions that are looked up at a time.
const SCAN_TRANSACTIONS: usize = 8192;

impl Snapshot {
    /// Returns the events of `stream_id` with versions above `after`, in canonical order; `None` when that is too much
    /// work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_stream(
        &self,
        stream_id: &StreamId,
        after: u64,
        effort: Budget,
    ) -> Result<Option<RawEvents>, IndexError> {
        if effort == Budget::Inline && self.version(stream_id)? > EventScan::INLINE_EVENTS {
            return Ok(None);
        }
        let writes = self.writes(stream_id)?;
        let first = writes.partition_point(|write| write.base + write.count <= after);
        // Of the first writer, so many are not wanted.
        let passed_by = writes
            .get(first)
            .map_or(0, |write| after - write.base.min(after));
        let numbers: Vec<u64> = writes[first..].iter().map(|write| write.number).collect();
        let is_wanted = |event: RawEvent<'_>| event.stream_id == stream_id.as_str();
        let mut scan = EventScan::new(effort, usize::MAX, is_wanted);
        scan.pass_by(usize::try_from(passed_by).unwrap_or(usize::MAX));
        self.pick_these(&numbers, &mut scan)?;
        Ok(scan.picked())
    }

    /// Returns at most `limit` of the selected events after `after`, in ingestion order; `None` when that is too much
    /// work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_ingested(
        &self,
        after: Option<Sequence>,
        select: &impl Select,
        limit: usize,
        effort: Budget,
    ) -> Result<Option<RawEvents>, IndexError> {
        let Some(wanted) = self.wanted(select, effort)? else {
            return Ok(None);
        };
        let is_wanted = |event: RawEvent<'_>| {
            select.stream(event.stream_id) && select.event_type(event.event_type)
        };
        let mut scan = EventScan::new(effort, limit, is_wanted).after(after);
        let first = after.map_or(1, Sequence::number);
        // The transaction that the position is in may hold none that comes after it.
        let count = limit.saturating_add(1).min(SCAN_TRANSACTIONS);
        match &wanted {
            Wanted::All => {
                let last = self.last_number();
                for first in (first..=last).step_by(count) {
                    let numbers = first..=last.min(first + (count as u64 - 1));
                    if self.pick_within(numbers, &mut scan)?.is_some() {
                        break;
                    }
                }
            }
            Wanted::These(numbers) => {
                let at = numbers.partition_point(|number| *number < first);
                for numbers in numbers[at..].chunks(count) {
                    if self.pick_these(numbers, &mut scan)?.is_some() {
                        break;
                    }
                }
            }
        }
        Ok(scan.picked())
    }
}
