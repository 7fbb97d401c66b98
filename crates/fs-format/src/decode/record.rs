//! The records below the header: events and the seal.
//!
//! Kinds are told apart by hand: raw JSON values do not survive serde's tagged enums.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::lines::Line;
use super::object::Object;
use crate::json::is_deeper_than;
use crate::limits::MAX_JSON_DEPTH;
use crate::{ContentHash, DecodeError, Event, EventId, Header, Json, StreamId};

/// How every event and every seal begins that this crate wrote.
const EVENT: &str = r#"{"record":"event","#;
const SEAL: &str = r#"{"record":"seal","#;

/// What may stand below a header.
pub(super) enum Kind {
    Event,
    Seal,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    stream_id: Cow<'a, str>,
    stream_version: u64,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    event_data: &'a RawValue,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawSeal<'a> {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    events: u64,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

/// The last line of format 3.
pub(super) struct Seal {
    pub(super) events: u64,
    pub(super) sha256: ContentHash,
}

/// Tells what the line is.
pub(super) fn kind(line: &Line<'_>) -> Result<Kind, DecodeError> {
    if line.text.starts_with(EVENT) {
        return Ok(Kind::Event);
    }
    if line.text.starts_with(SEAL) {
        return Ok(Kind::Seal);
    }
    let tag: Tag<'_> = parse(line)?;
    match &*tag.record {
        "event" => Ok(Kind::Event),
        "seal" => Ok(Kind::Seal),
        other => Err(not_there(line, other)),
    }
}

/// Returns why a record of this kind cannot stand in this line.
pub(super) fn not_there(line: &Line<'_>, record: &str) -> DecodeError {
    let (line, record) = (line.number, record.to_owned());
    match record.as_str() {
        "header" | "event" | "seal" => DecodeError::MisplacedRecord { line, record },
        _ => DecodeError::UnknownRecord { line, record },
    }
}

/// The streams that a transaction may have events of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Declared<'h> {
    Header(&'h Header),
    /// In byte order.
    Streams(&'h [(StreamId, u64)]),
}

impl Declared<'_> {
    fn find(&self, stream_id: &str) -> Option<&StreamId> {
        match self {
            Self::Header(header) => {
                let declared = header.stream_bases.get_key_value(stream_id);
                declared.map(|(declared, _)| declared)
            }
            Self::Streams(streams) => {
                let nth = streams.binary_search_by(|(it, _)| it.as_str().cmp(stream_id));
                nth.ok().map(|nth| &streams[nth].0)
            }
        }
    }
}

/// Decodes an event; its stream id is the declared one.
pub(super) fn event<'a>(line: &Line<'a>, declared: Declared<'_>) -> Result<Event<'a>, DecodeError> {
    let raw: RawEvent<'a> = parse(line)?;
    let event_id = EventId::parse(&raw.event_id).map_err(|_| DecodeError::NotCanonical {
        line: line.number,
        what: "an event_id",
    })?;
    let Some(stream_id) = declared.find(&raw.stream_id) else {
        let stream = raw.stream_id.into_owned();
        return Err(DecodeError::UndeclaredStream { stream });
    };
    let metadata = match raw.metadata {
        Some(metadata) => Json::of_checked(metadata),
        None => Json::empty_object(),
    };
    if !metadata.is_object() {
        return Err(DecodeError::MetadataNotAnObject { line: line.number });
    }
    Ok(Event {
        event_id,
        stream_id: stream_id.clone(),
        stream_version: raw.stream_version,
        event_type: raw.event_type,
        event_data: Json::of_checked(raw.event_data),
        metadata,
    })
}

/// Decodes the seal.
pub(super) fn seal(line: &Line<'_>) -> Result<Seal, DecodeError> {
    let raw: RawSeal<'_> = parse(line)?;
    let sha256 = ContentHash::parse(&raw.sha256).map_err(|_| DecodeError::NotCanonical {
        line: line.number,
        what: "a sha256",
    })?;
    Ok(Seal {
        events: raw.events,
        sha256,
    })
}

/// Parses the line as a whole.
pub(super) fn parse<'a, T: Deserialize<'a>>(line: &Line<'a>) -> Result<T, DecodeError> {
    if is_deeper_than(line.text, MAX_JSON_DEPTH) {
        return Err(DecodeError::TooDeep { line: line.number });
    }
    let Object(parsed) = serde_json::from_str(line.text).map_err(|source| line.invalid(source))?;
    if !line.text.starts_with('{') || !line.text.ends_with('}') {
        return Err(DecodeError::NotCanonical {
            line: line.number,
            what: "white space around its record",
        });
    }
    Ok(parsed)
}
