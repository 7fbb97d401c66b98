//! The first line, in all formats.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};
use serde_json::value::RawValue;

use super::lines::Line;
use super::object::{Entries, Object};
use super::record::{not_there, parse as parse_line};
use crate::limits::{MAX_PARENTS, MAX_REPLICA_SEQ};
use crate::{
    CommandId, ContentHash, DecodeError, FormatVersion, Header, Json, Parent, ReplicaId,
    StreamBase, StreamId, Timestamp, TransactionId,
};

/// A header, and what only format 2 has in it.
pub(super) struct Parsed {
    pub(super) header: Header,
    /// The hash over the events of format 2.
    pub(super) events_hash: Option<ContentHash>,
}

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
    format_version: Option<u64>,
}

/// How every header begins that this crate wrote.
const SEALED: &str = r#"{"record":"header","format_version":3,"#;

#[derive(Deserialize)]
struct Sealed<'a> {
    // Named, so that a second one is refused.
    #[serde(rename = "record")]
    _record: IgnoredAny,
    #[serde(rename = "format_version")]
    _format_version: IgnoredAny,
    #[serde(borrow)]
    transaction_id: Cow<'a, str>,
    #[serde(borrow)]
    replica_id: Cow<'a, str>,
    replica_seq: u64,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    recorded_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parents: Vec<Object<RawParent<'a>>>,
    #[serde(borrow)]
    stream_bases: Entries<'a, Object<RawBase>>,
    command_id: Option<String>,
    #[serde(borrow)]
    resolves: Option<Entries<'a, Vec<Cow<'a, str>>>>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawParent<'a> {
    #[serde(borrow)]
    transaction_id: Cow<'a, str>,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawBase {
    version: u64,
    writes: u64,
}

#[derive(Deserialize)]
struct Unsealed<'a> {
    #[serde(borrow)]
    transaction_id: Cow<'a, str>,
    #[serde(borrow)]
    replica_id: Cow<'a, str>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    parent_transaction_ids: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    stream_bases: Entries<'a, u64>,
    content_hash: Option<Cow<'a, str>>,
}

/// Decodes the first line of a file.
pub(super) fn parse(line: &Line<'_>) -> Result<Parsed, DecodeError> {
    if line.text.starts_with(SEALED) {
        return sealed(line);
    }
    let probe: Probe<'_> = parse_line(line)?;
    if probe.record != "header" {
        return Err(not_there(line, &probe.record));
    }
    let Some(version) = probe.format_version else {
        return Err(line.invalid(serde_json::Error::missing_field("format_version")));
    };
    match version {
        0 => Err(DecodeError::UnknownFormat { version }),
        1 => unsealed(line, FormatVersion::V1),
        2 => unsealed(line, FormatVersion::V2),
        3 => sealed(line),
        _ => Err(DecodeError::NewerFormat { version }),
    }
}

fn sealed(line: &Line<'_>) -> Result<Parsed, DecodeError> {
    let raw: Sealed<'_> = parse_line(line)?;
    let mut parents = Vec::with_capacity(raw.parents.len());
    for Object(parent) in &raw.parents {
        let content_hash = ContentHash::parse(&parent.sha256)
            .map_err(|_| not_canonical(line, "a parent's sha256"))?;
        let transaction_id =
            transaction_id(line, &parent.transaction_id, "a parent's transaction_id")?;
        parents.push(Parent {
            transaction_id,
            content_hash: Some(content_hash),
        });
    }
    let metadata = raw
        .metadata
        .map_or_else(Json::empty_object, |raw| Json::of_checked(raw).into_owned());
    if !metadata.is_object() {
        return Err(DecodeError::MetadataNotAnObject { line: line.number });
    }
    parents.sort_unstable_by_key(|parent| parent.transaction_id);
    if raw.replica_seq > MAX_REPLICA_SEQ {
        return Err(DecodeError::SequenceTooHigh {
            replica_seq: raw.replica_seq,
        });
    }
    let header = Header {
        format_version: FormatVersion::V3,
        transaction_id: transaction_id(line, &raw.transaction_id, "a transaction_id")?,
        replica_id: replica_id(line, &raw.replica_id)?,
        replica_seq: Some(raw.replica_seq),
        created_at: not_too_late(instant(line, &raw.created_at, "a created_at")?)?,
        recorded_at: raw
            .recorded_at
            .map(|at| instant(line, &at, "a recorded_at"))
            .transpose()?,
        parents,
        stream_bases: streams(line, raw.stream_bases, |Object(base)| {
            Ok(StreamBase {
                version: base.version,
                writes: base.writes,
            })
        })?,
        command_id: raw.command_id.map(CommandId::new).transpose()?,
        resolves: raw.resolves.map_or_else(
            || Ok(BTreeMap::new()),
            |resolves| streams(line, resolves, |ids| resolved(line, &ids)),
        )?,
        metadata,
    };
    check_parents(&header)?;
    Ok(Parsed {
        header,
        events_hash: None,
    })
}

fn unsealed(line: &Line<'_>, format_version: FormatVersion) -> Result<Parsed, DecodeError> {
    let raw: Unsealed<'_> = parse_line(line)?;
    let events_hash = match (format_version, raw.content_hash) {
        (FormatVersion::V2, Some(hash)) => {
            Some(ContentHash::parse(&hash).map_err(|_| not_canonical(line, "a content_hash"))?)
        }
        (FormatVersion::V2, None) => {
            return Err(line.invalid(serde_json::Error::missing_field("content_hash")));
        }
        _ => None,
    };
    let mut parents = Vec::with_capacity(raw.parent_transaction_ids.len());
    for parent in &raw.parent_transaction_ids {
        let transaction_id = transaction_id(line, parent, "a parent's transaction_id")?;
        parents.push(Parent {
            transaction_id,
            content_hash: None,
        });
    }
    parents.sort_unstable_by_key(|parent| parent.transaction_id);
    let header = Header {
        format_version,
        transaction_id: transaction_id(line, &raw.transaction_id, "a transaction_id")?,
        replica_id: replica_id(line, &raw.replica_id)?,
        replica_seq: None,
        created_at: Timestamp::parse_rfc3339(&raw.created_at)
            .map_err(|_| not_canonical(line, "a created_at"))
            .and_then(not_too_late)?,
        recorded_at: None,
        parents,
        stream_bases: streams(line, raw.stream_bases, |version| {
            Ok(StreamBase { version, writes: 0 })
        })?,
        command_id: None,
        resolves: BTreeMap::new(),
        metadata: Json::empty_object(),
    };
    check_parents(&header)?;
    Ok(Parsed {
        header,
        events_hash,
    })
}

/// Checks the parents, which are in order.
fn check_parents(header: &Header) -> Result<(), DecodeError> {
    if header.parents.len() > MAX_PARENTS {
        return Err(DecodeError::TooManyParents {
            parents: header.parents.len(),
        });
    }
    let ids: Vec<_> = header
        .parents
        .iter()
        .map(|parent| parent.transaction_id)
        .collect();
    if ids.binary_search(&header.transaction_id).is_ok() {
        return Err(DecodeError::SelfParent {
            id: header.transaction_id,
        });
    }
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DecodeError::DuplicateParent { id: pair[0] }),
        None => Ok(()),
    }
}

fn not_canonical(line: &Line<'_>, what: &'static str) -> DecodeError {
    DecodeError::NotCanonical {
        line: line.number,
        what,
    }
}

fn transaction_id(
    line: &Line<'_>,
    text: &str,
    what: &'static str,
) -> Result<TransactionId, DecodeError> {
    TransactionId::parse(text).map_err(|_| not_canonical(line, what))
}

fn replica_id(line: &Line<'_>, text: &str) -> Result<ReplicaId, DecodeError> {
    ReplicaId::parse(text).map_err(|_| not_canonical(line, "a replica_id"))
}

fn instant(line: &Line<'_>, text: &str, what: &'static str) -> Result<Timestamp, DecodeError> {
    Timestamp::parse_canonical(text).map_err(|_| not_canonical(line, what))
}

fn not_too_late(created_at: Timestamp) -> Result<Timestamp, DecodeError> {
    if created_at > Timestamp::LATEST_CREATED_AT {
        Err(DecodeError::DatedTooLate { created_at })
    } else {
        Ok(created_at)
    }
}

/// Reads what a transaction settles of a stream, in order.
fn resolved(line: &Line<'_>, ids: &[Cow<'_, str>]) -> Result<Vec<TransactionId>, DecodeError> {
    let ids = ids
        .iter()
        .map(|id| transaction_id(line, id, "a resolved transaction_id"));
    let mut ids: Vec<_> = ids.collect::<Result<_, _>>()?;
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DecodeError::DuplicateResolved { id: pair[0] }),
        None => Ok(ids),
    }
}

fn streams<T, U>(
    line: &Line<'_>,
    entries: Entries<'_, T>,
    value: impl Fn(T) -> Result<U, DecodeError>,
) -> Result<BTreeMap<StreamId, U>, DecodeError> {
    let mut streams = BTreeMap::new();
    for (stream, entry) in entries.entries {
        let invalid = |source| DecodeError::InvalidStreamId {
            line: line.number,
            source,
        };
        let stream = StreamId::new(stream).map_err(invalid)?;
        if streams.insert(stream.clone(), value(entry)?).is_some() {
            return Err(DecodeError::DuplicateStream { stream });
        }
    }
    Ok(streams)
}
