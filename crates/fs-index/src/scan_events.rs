//! Reading many events as what their data are, without decoding what stands around them.
//!
//! The journal's records say where the data of each event lie, so that a transaction is neither parsed nor copied. It is
//! done by as many threads as there are processors.
//!
//! **Invariant**: the same events in the same order as [`Index::read_stream`] and [`Index::read_ingested`] give.

use fs_format::{StreamId, TransactionId};

use crate::bytes::Bytes;
use crate::error::IndexError;
use crate::file;
use crate::index::Index;
use crate::position::{Position, Sequence};
use crate::read::{Select, Wanted};
use crate::record::View;

/// So many transactions are read at a time.
const PAGE: usize = 8192;

/// Records of so many bytes are little work: they are read and decoded in less time than another thread takes to begin.
const LITTLE: usize = 128 << 10;

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

/// An event as its data.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// The stream.
    pub stream_id: &'a str,
    /// The type, as its writer named it.
    pub event_type: &'a str,
    /// The data, JSON.
    pub data: &'a [u8],
    /// The transaction it was appended with.
    pub transaction_id: TransactionId,
    /// The place in this working copy's ingestion order.
    pub position: Position,
}

impl Index {
    /// Returns what `each` makes of the events of `stream_id` with versions above `after`, in canonical order; `None`
    /// when that is too much work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_stream<T: Send>(
        &self,
        stream_id: &StreamId,
        after: u64,
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> T + Sync,
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
        let mut found = Vec::new();
        for page in writes[first..].chunks(PAGE) {
            let parts = file::in_parts(page, |part| {
                let numbers: Vec<u64> = part.iter().map(|write| write.number).collect();
                self.events_of(&self.records_of(&numbers)?, effort, of_stream)
            });
            for part in parts {
                let Some(events) = part? else { return Ok(None) };
                found.extend(events);
            }
        }
        found.drain(
            ..found
                .len()
                .min(usize::try_from(passed_by).unwrap_or(usize::MAX)),
        );
        Ok(Some(found))
    }

    /// Returns what `each` makes of at most `limit` of the selected events after `after`, in ingestion order; `None`
    /// when that is too much work.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_ingested<T: Send>(
        &self,
        after: Option<Sequence>,
        select: &(impl Select + Sync),
        limit: usize,
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> T + Sync,
    ) -> Result<Option<Vec<T>>, IndexError> {
        let mut found = Vec::new();
        let mut from = after.map_or(1, Sequence::number);
        let Some(wanted) = self.wanted(select, effort)? else {
            return Ok(None);
        };
        let first = from;
        let selected = |event: RawEvent<'_>| {
            let is_wanted = after.is_none_or(|after| event.position.sequence > after)
                && select.stream(event.stream_id)
                && select.event_type(event.event_type);
            is_wanted.then(|| each(event))
        };
        while found.len() < limit && from <= self.last_number() {
            // The transaction that the position is in may hold none that comes after it.
            let count = (limit - found.len()).saturating_add(1).min(PAGE);
            let numbers: Vec<u64> = match &wanted {
                Wanted::All => (from..=self.last_number()).take(count).collect(),
                Wanted::These(numbers) => {
                    let at = numbers.partition_point(|number| *number < from);
                    numbers[at..].iter().copied().take(count).collect()
                }
            };
            let Some(last) = numbers.last() else { break };
            if effort == Effort::Little && from > first {
                return Ok(None);
            }
            from = last + 1;
            let parts = file::in_parts(&numbers, |part| {
                let records = match (&wanted, part) {
                    (Wanted::All, [first, ..]) => {
                        self.records_within(*first..=part[part.len() - 1])?
                    }
                    _ => self.records_of(part)?,
                };
                self.events_of(&records, effort, selected)
            });
            for part in parts {
                let Some(events) = part? else { return Ok(None) };
                found.extend(events);
            }
        }
        found.truncate(limit);
        Ok(Some(found))
    }

    /// Returns what `each` makes of the events in records, where it makes something of them; `None` when that is more
    /// than the effort.
    fn events_of<T>(
        &self,
        records: &[Bytes],
        effort: Effort,
        each: impl Fn(RawEvent<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, IndexError> {
        let bytes: usize = records.iter().map(|record| record.len()).sum();
        if effort == Effort::Little && bytes > LITTLE {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(records.len());
        for record in records {
            self.events_in(record, &each, &mut found)?;
        }
        Ok(Some(found))
    }

    fn events_in<T>(
        &self,
        payload: &Bytes,
        each: impl Fn(RawEvent<'_>) -> Option<T>,
        found: &mut Vec<T>,
    ) -> Result<(), IndexError> {
        let view = View::parse(payload).ok_or_else(|| self.damaged())?;
        if view.events().len() == view.event_count as usize {
            for (place, event) in (0..=u16::MAX).zip(view.events()) {
                let raw = || {
                    let event = event?;
                    let (start, len) = (event.start as usize, event.len as usize);
                    Some(RawEvent {
                        stream_id: view.streams.get(event.stream as usize)?,
                        event_type: view.event_types.get(event.event_type as usize)?,
                        data: view.file.get(start..)?.get(..len)?,
                        transaction_id: view.id,
                        position: self.position_at(view.number, place),
                    })
                };
                found.extend(each(raw().ok_or_else(|| self.damaged())?));
            }
            return Ok(());
        }
        // White space that was not the writer's has to be stripped.
        let stored = self.stored(view.number)?;
        for (place, event) in (0..=u16::MAX).zip(stored.events()) {
            let event = event.map_err(|_| self.damaged())?;
            found.extend(each(RawEvent {
                stream_id: event.stream_id.as_str(),
                event_type: &event.event_type,
                data: event.event_data.as_str().as_bytes(),
                transaction_id: view.id,
                position: self.position_at(view.number, place),
            }));
        }
        Ok(())
    }
}
