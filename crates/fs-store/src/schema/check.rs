//! Trying every stored event: which still decode, and which do not.
//!
//! **Invariant**: every event that is there when the check begins is counted once, and each that does not decode is told to whoever listens.

use std::collections::BTreeMap;
use std::fmt;

use eventcore_types::Event;
use fs_format::{EventId, StreamId, TransactionId};
use fs_index::{All, Completeness};
use serde::Serialize;

use super::EventDecodeError;
use crate::error::ReadError;
use crate::event::StoredEvent;
use crate::report::report;
use crate::store::FileEventStore;

/// How many events are read at a time.
const PAGE: usize = 512;

/// How many failures a report names.
const MOST_NAMED: usize = 100;

/// What became of the stored events when they were read as an application's own type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaReport {
    /// By the type that the events were recorded with.
    pub types: BTreeMap<String, TypeReport>,
    /// How many events do not decode, over all types.
    pub failed: u64,
    /// The first hundred of these, in ingestion order; [`FileEventStore::check_schema_with`] tells all.
    pub failures: Vec<SchemaFailure>,
    /// What is known to be missing, so that it was not tried.
    #[serde(skip)]
    pub completeness: Completeness,
}

/// What became of the events that were recorded with one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TypeReport {
    /// How many there are.
    pub events: u64,
    /// How many decode.
    pub decoded: u64,
    /// How many were upcast, by the way that they took: `Old -> New`. Each of them is also counted as what became of it.
    pub upcast: BTreeMap<String, u64>,
    /// How many are of another type than the one that was asked for.
    pub unknown: u64,
    /// How many are of this type, or fail to be upcast, and do not decode.
    pub failed: u64,
}

/// An event that does not decode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaFailure {
    /// The event.
    pub event_id: EventId,
    /// The type that it was recorded with.
    pub event_type: String,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its canonical version.
    pub version: u64,
    /// The transaction it belongs to.
    pub transaction_id: TransactionId,
    /// Why not, from the outside in.
    pub error: String,
}

impl SchemaReport {
    /// Returns whether every event of a known type decodes. Events of unknown types may be another application's, or what was
    /// renamed without an upcaster; they are for people to look at.
    pub fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// Returns how many events are of another type than the one that was asked for.
    pub fn unknown(&self) -> u64 {
        self.types.values().map(|of_type| of_type.unknown).sum()
    }

    /// Returns how many events there are.
    pub fn events(&self) -> u64 {
        self.types.values().map(|of_type| of_type.events).sum()
    }
}

impl SchemaFailure {
    fn new(event: StoredEvent, error: &EventDecodeError) -> Self {
        Self {
            event_id: event.event_id,
            event_type: event.event_type,
            stream_id: event.stream_id,
            version: event.version,
            transaction_id: event.transaction_id,
            error: report(error),
        }
    }
}

impl FileEventStore {
    /// Tries every stored event as the application's own type, upcast as the store's [`Schema`](super::Schema) says.
    ///
    /// # Errors
    /// [`ReadError`] when the store cannot be read, [`ReadError::StalePosition`] when events went away meanwhile: check again.
    ///
    /// # Complexity
    /// Reads every event once, some hundred at a time.
    pub fn check_schema<E: Event>(&self) -> Result<SchemaReport, ReadError> {
        self.check_schema_with::<E>(|_| ())
    }

    /// As [`FileEventStore::check_schema`], and tells `failed` every event that does not decode, in ingestion order.
    ///
    /// # Errors
    /// As [`FileEventStore::check_schema`].
    pub fn check_schema_with<E: Event>(
        &self,
        mut failed: impl FnMut(&SchemaFailure),
    ) -> Result<SchemaReport, ReadError> {
        let mut report = SchemaReport::default();
        let mut after = None;
        loop {
            let page = self.ingested_events(after, &All, PAGE)?;
            let is_last = page.len() < PAGE;
            report.completeness = page.completeness().clone();
            after = page.last().map(|event| event.position);
            for event in page {
                if let Some(failure) = self.try_event::<E>(event, &mut report) {
                    report.failed += 1;
                    failed(&failure);
                    if report.failures.len() < MOST_NAMED {
                        report.failures.push(failure);
                    }
                }
            }
            if is_last {
                return Ok(report);
            }
        }
    }

    fn try_event<E: Event>(
        &self,
        event: StoredEvent,
        report: &mut SchemaReport,
    ) -> Option<SchemaFailure> {
        let of_type = match report.types.get_mut(&event.event_type) {
            Some(known) => known,
            None => report.types.entry(event.event_type.clone()).or_default(),
        };
        of_type.events += 1;
        let data = event.event_data.as_str().as_bytes();
        let decoded = match self.schema().current(&event.event_type, data) {
            Ok(current) => {
                if !current.chain.is_empty() {
                    *of_type.upcast.entry(current.chain.to_string()).or_default() += 1;
                }
                current.decode::<E>().map(drop)
            }
            Err(error) => Err(error.into()),
        };
        match decoded {
            Ok(()) => of_type.decoded += 1,
            Err(EventDecodeError::Unknown { .. }) => of_type.unknown += 1,
            Err(error) => {
                of_type.failed += 1;
                return Some(SchemaFailure::new(event, &error));
            }
        }
        None
    }
}

/// Lines for people; nothing that others wrote is in them as a control character.
impl fmt::Display for SchemaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (event_type, of_type) in &self.types {
            write!(f, "{}: {}", plain(event_type), counted(of_type.events))?;
            for (count, what) in [
                (of_type.decoded, "decode"),
                (of_type.unknown, "of an unknown type"),
                (of_type.failed, "do not decode"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
            writeln!(f)?;
            for (way, count) in &of_type.upcast {
                writeln!(f, "  {count} upcast {}", plain(way))?;
            }
        }
        for failure in &self.failures {
            writeln!(
                f,
                "event {} (type {}, version {} of stream {}, transaction {}): {}",
                failure.event_id,
                plain(&failure.event_type),
                failure.version,
                plain(failure.stream_id.as_str()),
                failure.transaction_id,
                plain(&failure.error)
            )?;
        }
        let left = self.failed - self.failures.len() as u64;
        if left > 0 {
            writeln!(f, "and {left} more that do not decode")?;
        }
        let unknown = match self.unknown() {
            0 => String::new(),
            unknown => format!(", {unknown} of unknown types"),
        };
        write!(
            f,
            "{} checked: {} do not decode{unknown}",
            counted(self.events()),
            self.failed
        )
    }
}

fn counted(events: u64) -> String {
    match events {
        1 => "1 event".to_owned(),
        _ => format!("{events} events"),
    }
}

fn plain(text: &str) -> String {
    let escaped = |c: char| -> String {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.into()
        }
    };
    text.chars().map(escaped).collect()
}
