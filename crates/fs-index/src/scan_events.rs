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
use crate::segment::Located;

/// So many transactions are read at a time.
const PAGE: usize = 8192;

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
    /// Returns what `each` makes of the events of `stream_id` with versions above `after`, in canonical order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_stream<T: Send>(
        &self,
        stream_id: &StreamId,
        after: u64,
        each: impl Fn(RawEvent<'_>) -> T + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let writes = self.writes(stream_id)?;
        let first = writes.partition_point(|write| write.base + write.count <= after);
        // Of the first writer, so many are not wanted.
        let mut passed_by = writes
            .get(first)
            .map_or(0, |write| after - write.base.min(after));
        let mut found = Vec::new();
        for page in writes[first..].chunks(PAGE) {
            let places: Result<Vec<_>, _> = page
                .iter()
                .map(|write| self.located(write.number))
                .collect();
            let of_stream =
                |event: RawEvent<'_>| (event.stream_id == stream_id.as_str()).then(|| each(event));
            let events = self.scan(&places?, of_stream)?;
            let skipped = usize::try_from(passed_by).unwrap_or(usize::MAX);
            found.extend(events.into_iter().skip(skipped));
            passed_by = 0;
        }
        Ok(found)
    }

    /// Returns what `each` makes of at most `limit` of the selected events after `after`, in ingestion order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn scan_ingested<T: Send>(
        &self,
        after: Option<Sequence>,
        select: &(impl Select + Sync),
        limit: usize,
        each: impl Fn(RawEvent<'_>) -> T + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let mut found = Vec::new();
        let mut from = after.map_or(1, Sequence::number);
        let wanted: Wanted = self.wanted(select)?;
        while found.len() < limit {
            let missing = limit - found.len();
            let places = self.next_places(&wanted, from, missing.min(PAGE))?;
            let Some(last) = places.last() else { break };
            from = last.number + 1;
            let selected = |event: RawEvent<'_>| {
                let is_wanted = after.is_none_or(|after| event.position.sequence > after)
                    && select.stream(event.stream_id)
                    && select.event_type(event.event_type);
                is_wanted.then(|| each(event))
            };
            found.extend(self.scan(&places, selected)?.into_iter().take(missing));
        }
        Ok(found)
    }

    /// Returns what `each` makes of the events of transactions, where it makes something of them.
    fn scan<T: Send>(
        &self,
        places: &[Located],
        each: impl Fn(RawEvent<'_>) -> Option<T> + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let mut parts = file::in_parts(places, |part| {
            let mut found = Vec::with_capacity(part.len());
            for payload in self.payloads(part)? {
                self.events_of(&payload, &each, &mut found)?;
            }
            Ok(found)
        });
        if parts.len() == 1
            && let Some(found) = parts.pop()
        {
            return found;
        }
        let mut found = Vec::with_capacity(places.len());
        for part in parts {
            found.extend(part?);
        }
        Ok(found)
    }

    fn events_of<T>(
        &self,
        payload: &Bytes,
        each: impl Fn(RawEvent<'_>) -> Option<T>,
        found: &mut Vec<T>,
    ) -> Result<(), IndexError> {
        let view = View::parse(payload).ok_or_else(|| self.damaged())?;
        if view.events.len() == view.event_count as usize {
            for (place, event) in (0..=u16::MAX).zip(&view.events) {
                let raw = || {
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
