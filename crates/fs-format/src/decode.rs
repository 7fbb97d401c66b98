//! The bytes of a file into a verified transaction.
//!
//! Works line by line, tells the kinds of records apart by hand, and borrows what the caller keeps as JSON; nothing goes
//! through a tree of values. White space within a line and unknown fields are left as they are.
//!
//! **Invariant**: whatever the bytes are, the answer is a transaction that was verified or the reason why there is none.

mod error;
mod events;
mod header;
mod lines;
mod object;
mod record;

use std::collections::HashSet;

use crate::event::count_writes;
use crate::hash::LineHasher;
use crate::limits::{MAX_EVENTS, MAX_FILE_BYTES};
use crate::{ContentHash, Event, FormatVersion, Header, Transaction};

pub use error::DecodeError;
pub use events::Events;
use lines::{Line, Lines};
use record::{Declared, Kind, Seal};

/// Decodes and verifies a transaction of any format.
///
/// # Errors
/// As [`DecodeError`] says. Of several reasons the most telling one is given: a file that breaks off is incomplete, one
/// whose seal does not match was changed.
///
/// # Complexity
/// O(n log s) for n bytes and s streams; the memory is that of the header and the list of events.
pub fn decode(bytes: &[u8]) -> Result<Transaction<'_>, DecodeError> {
    check_size(bytes)?;
    let written = without_zeroed_tail(bytes);
    let read = read(Lines::new(written)).map_err(|error| most_telling(error, written));
    let zeroed = written.len() < bytes.len();
    match read {
        Ok(_) | Err(DecodeError::Empty | DecodeError::SealMismatch { .. }) if zeroed => {
            Err(DecodeError::Truncated)
        }
        read => read,
    }
}

/// Decodes the header alone, without a look at the lines below it.
///
/// In formats 1 and 2 the header does not say how many events there are: `writes` is 0 in every stream base.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode_header(bytes: &[u8]) -> Result<Header, DecodeError> {
    check_size(bytes)?;
    let written = without_zeroed_tail(bytes);
    let first = Lines::new(written)
        .next()
        .unwrap_or(Err(DecodeError::Empty));
    let parsed = first
        .and_then(|line| header::parse(&line))
        .map_err(|error| most_telling(error, written))?;
    Ok(parsed.header)
}

fn check_size(bytes: &[u8]) -> Result<(), DecodeError> {
    let bytes = bytes.len() as u64;
    if bytes > MAX_FILE_BYTES {
        Err(DecodeError::TooLarge { bytes })
    } else {
        Ok(())
    }
}

/// Cuts off blocks that were allocated and never written: they read as NUL, which no record ends in.
fn without_zeroed_tail(bytes: &[u8]) -> &[u8] {
    let zeroed = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    &bytes[..bytes.len() - zeroed]
}

fn read(mut lines: Lines<'_>) -> Result<Transaction<'_>, DecodeError> {
    let first = lines.next().ok_or(DecodeError::Empty)??;
    let header::Parsed {
        header,
        events_hash,
    } = header::parse(&first)?;
    match header.format_version {
        FormatVersion::V3 => read_sealed(header, &first, lines),
        FormatVersion::V1 | FormatVersion::V2 => read_unsealed(header, events_hash, &first, lines),
    }
}

fn read_sealed<'a>(
    header: Header,
    first: &Line<'a>,
    mut lines: Lines<'a>,
) -> Result<Transaction<'a>, DecodeError> {
    let mut hasher = LineHasher::default();
    hasher.line(first.text.as_bytes());
    let mut events = Vec::new();
    let seal = loop {
        let line = lines.next().ok_or(DecodeError::Truncated)??;
        match record::kind(&line)? {
            Kind::Event => push(
                &mut events,
                record::event(&line, Declared::Header(&header))?,
            )?,
            Kind::Seal => break record::seal(&line)?,
        }
        hasher.line(line.text.as_bytes());
    };
    // What stands there is nothing that broke off, whatever it is.
    if lines.next().is_some() {
        return Err(DecodeError::AfterSeal {
            line: lines.number(),
        });
    }
    check_seal(&seal, hasher.finish())?;
    if seal.events != events.len() as u64 {
        return Err(DecodeError::EventCount {
            declared: seal.events,
            found: events.len() as u64,
        });
    }
    check_event_ids(&events)?;
    let found = count_writes(&events);
    for (stream, base) in &header.stream_bases {
        let found = found.get(stream).copied().unwrap_or(0);
        if found != base.writes {
            return Err(DecodeError::WritesMismatch {
                stream: stream.clone(),
                declared: base.writes,
                found,
            });
        }
    }
    Ok(Transaction {
        header,
        events,
        content_hash: seal.sha256,
        transit: lines.transit(),
    })
}

/// Reads formats 1 and 2, which do not say where they end.
fn read_unsealed<'a>(
    mut header: Header,
    events_hash: Option<ContentHash>,
    first: &Line<'a>,
    mut lines: Lines<'a>,
) -> Result<Transaction<'a>, DecodeError> {
    let (mut all, mut of_events) = (LineHasher::default(), LineHasher::default());
    all.line(first.text.as_bytes());
    let mut events = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        match record::kind(&line)? {
            Kind::Event => push(
                &mut events,
                record::event(&line, Declared::Header(&header))?,
            )?,
            Kind::Seal => {
                return Err(DecodeError::MisplacedRecord {
                    line: line.number,
                    record: "seal".to_owned(),
                });
            }
        }
        all.line(line.text.as_bytes());
        of_events.line(line.text.as_bytes());
    }
    let transit = lines.transit();
    let found = of_events.finish();
    match events_hash {
        // Without events, or with a last line that was cut where it happens to be whole, lost lines are the likelier reason.
        Some(expected)
            if expected != found && (events.is_empty() || transit.missing_final_newline) =>
        {
            return Err(DecodeError::Truncated);
        }
        Some(expected) if expected != found => {
            return Err(DecodeError::SealMismatch { expected, found });
        }
        None if events.is_empty() => return Err(DecodeError::Truncated),
        _ => {}
    }
    check_event_ids(&events)?;
    for (stream, writes) in count_writes(&events) {
        if let Some(base) = header.stream_bases.get_mut(stream) {
            base.writes = writes;
        }
    }
    Ok(Transaction {
        header,
        events,
        content_hash: all.finish(),
        transit,
    })
}

fn push<'a>(events: &mut Vec<Event<'a>>, event: Event<'a>) -> Result<(), DecodeError> {
    if events.len() == MAX_EVENTS {
        return Err(DecodeError::TooManyEvents);
    }
    events.push(event);
    Ok(())
}

fn check_event_ids(events: &[Event<'_>]) -> Result<(), DecodeError> {
    let mut seen = HashSet::with_capacity(events.len());
    match events.iter().find(|event| !seen.insert(event.event_id)) {
        Some(twice) => Err(DecodeError::DuplicateEventId { id: twice.event_id }),
        None => Ok(()),
    }
}

fn check_seal(seal: &Seal, found: ContentHash) -> Result<(), DecodeError> {
    if seal.sha256 == found {
        Ok(())
    } else {
        Err(DecodeError::SealMismatch {
            expected: seal.sha256,
            found,
        })
    }
}

/// Replaces `error` where the bytes as a whole tell more than the place at which reading them failed.
fn most_telling(error: DecodeError, bytes: &[u8]) -> DecodeError {
    use DecodeError as E;
    if error.is_incomplete() || matches!(error, E::TooLarge { .. }) {
        return error;
    }
    if let Some(line) = conflict_marker(bytes) {
        return E::ConflictMarkers { line };
    }
    match error {
        // How a later format is sealed is not known.
        E::NewerFormat { .. }
        | E::InvalidJson { .. }
        | E::NotUtf8 { .. }
        | E::TooManyEvents
        | E::TooManyParents { .. }
        | E::TooDeep { .. } => error,
        // The last line is not the seal of what stands above it there.
        E::AfterSeal { .. } => error,
        // Nothing is a seal in the first line, nor below a header of format 1.
        E::MisplacedRecord { ref record, .. }
            if record == "seal" && events_hash(Lines::new(bytes)).is_none() =>
        {
            error
        }
        _ => broken_seal(bytes).unwrap_or(error),
    }
}

/// Returns the number of the first line that is a conflict marker; no record begins like one.
fn conflict_marker(bytes: &[u8]) -> Option<usize> {
    const MARKERS: [&[u8]; 4] = [b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||"];
    let is_marker = |line: &[u8]| MARKERS.iter().any(|marker| line.starts_with(marker));
    bytes
        .split(|byte| *byte == b'\n')
        .position(is_marker)
        .map(|at| at + 1)
}

/// Returns the mismatch when the file records the hash of other lines than those that are there: in its seal, or in the
/// header of format 2.
fn broken_seal(bytes: &[u8]) -> Option<DecodeError> {
    let mut hasher = LineHasher::default();
    let mut lines = Lines::new(bytes);
    if let Some(expected) = events_hash(lines.clone()) {
        lines.next();
        for line in lines.by_ref() {
            hasher.line(line.ok()?.text.as_bytes());
        }
        let found = hasher.finish();
        return match lines.transit().missing_final_newline {
            _ if found == expected => None,
            true => Some(DecodeError::Truncated),
            false => Some(DecodeError::SealMismatch { expected, found }),
        };
    }
    let mut lines = lines.peekable();
    while let Some(Ok(line)) = lines.next() {
        if lines.peek().is_none() {
            let seal = record::seal(&line).ok()?;
            return check_seal(&seal, hasher.finish()).err();
        }
        hasher.line(line.text.as_bytes());
    }
    None
}

/// Returns the hash over the events that the header of a file of format 2 records.
fn events_hash(mut lines: Lines<'_>) -> Option<ContentHash> {
    header::parse(&lines.next()?.ok()?).ok()?.events_hash
}
