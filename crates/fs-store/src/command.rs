//! Commands by their ids: what an append that names one did before.
//!
//! **Invariant**: a command id stands for one content. An append of the same content gets the first answer, one of other content
//! is refused; neither is written.
//!
//! The content of an append is its events in order (stream, type, data, metadata), the streams that it declares and its own metadata.
//! The versions that it expects are no part of it, since a caller that tries again has often read again. JSON is compared
//! token by token, without the white space between: `1.0` is not `1`, and the order of keys counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fs_format::{CommandId, Event, Json, StreamId};
use fs_index::{IndexError, Snapshot, Stored};

use crate::completeness::Lacks;
use crate::error::{AppendError, RefreshError};
use crate::request::{Append, Appended, NewEvent};

/// In what an append differs from the transaction that used its command id first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentDifference {
    /// The streams that it declares, or that an event is of.
    Streams,
    /// How many events it has.
    EventCount,
    /// The type of an event.
    EventTypes,
    /// The data of an event.
    EventData,
    /// The metadata of an event or of the transaction.
    Metadata,
}

impl fmt::Display for ContentDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Streams => "other streams",
            Self::EventCount => "another number of events",
            Self::EventTypes => "other event types",
            Self::EventData => "other data",
            Self::Metadata => "other metadata",
        })
    }
}

/// Returns what the first append of a command gave, if there was one.
pub(crate) fn first_result(
    snapshot: &Snapshot,
    command_id: &CommandId,
) -> Result<Option<Appended>, IndexError> {
    let uses = snapshot.commands(command_id)?;
    uses.first()
        .map(|first| result(snapshot, first))
        .transpose()
}

/// Returns the answer to an append whose command id was used before; `None` where it was not.
///
/// Where clones used one id apart, each of them is answered by its own transaction.
pub(crate) fn earlier_result(
    snapshot: &Snapshot,
    command_id: &CommandId,
    append: &Append,
) -> Result<Option<Appended>, AppendError> {
    let uses = snapshot.commands(command_id).map_err(RefreshError::from)?;
    let Some(first) = uses.first() else {
        return Ok(None);
    };
    let Some(same) = uses.iter().find(|it| difference(append, it).is_none()) else {
        check_same(command_id, append, first)?;
        return Ok(None);
    };
    let result = result(snapshot, same);
    Ok(Some(result.map_err(RefreshError::from)?))
}

/// Refuses an append that uses the command id of a transaction with other content.
pub(crate) fn check_same(
    command_id: &CommandId,
    append: &Append,
    first: &Stored,
) -> Result<(), AppendError> {
    let Some(difference) = difference(append, first) else {
        return Ok(());
    };
    let written = first.header().stream_bases.iter();
    Err(AppendError::CommandIdReused {
        command_id: command_id.clone(),
        transaction_id: first.id(),
        stream_ids: written
            .filter(|(_, base)| base.writes > 0)
            .map(|(stream_id, _)| stream_id.clone())
            .collect(),
        difference,
    })
}

fn result(snapshot: &Snapshot, stored: &Stored) -> Result<Appended, IndexError> {
    let header = stored.header();
    let mut versions = BTreeMap::new();
    for stream_id in header.stream_bases.keys() {
        if let Some(version) = snapshot.version_after(stored, stream_id)? {
            versions.insert(stream_id.clone(), version);
        }
    }
    Ok(Appended {
        transaction_id: header.transaction_id,
        created_at: header.created_at,
        versions,
        replayed: true,
        lacks: Lacks::default(),
    })
}

/// Returns the first difference between an append and a transaction; bytes that do not decode are equal to nothing.
fn difference(append: &Append, stored: &Stored) -> Option<ContentDifference> {
    let written = append.events.iter().map(|event| &event.stream_id);
    let declared: BTreeSet<&StreamId> = append.expected.keys().chain(written).collect();
    let header = stored.header();
    if !declared.into_iter().eq(header.stream_bases.keys()) {
        return Some(ContentDifference::Streams);
    }
    if stored.event_count() != append.events.len() as u64 {
        return Some(ContentDifference::EventCount);
    }
    for (wanted, event) in append.events.iter().zip(stored.events()) {
        let differs = match event {
            Ok(event) => event_difference(wanted, &event),
            Err(_) => Some(ContentDifference::EventData),
        };
        if differs.is_some() {
            return differs;
        }
    }
    (!is_same_json(&append.metadata, &header.metadata)).then_some(ContentDifference::Metadata)
}

fn event_difference(wanted: &NewEvent, event: &Event<'_>) -> Option<ContentDifference> {
    if wanted.stream_id != event.stream_id {
        Some(ContentDifference::Streams)
    } else if wanted.event_type != event.event_type {
        Some(ContentDifference::EventTypes)
    } else if !is_same_json(&wanted.event_data, &event.event_data) {
        Some(ContentDifference::EventData)
    } else if !is_same_json(&wanted.metadata, &event.metadata) {
        Some(ContentDifference::Metadata)
    } else {
        None
    }
}

/// Compares what a caller gave, which has no white space, with what a file has, which may have some.
fn is_same_json(wanted: &Json<'_>, there: &Json<'_>) -> bool {
    wanted.as_str() == there.as_str()
        || Json::compact(there.as_str()).is_ok_and(|there| there.as_str() == wanted.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileEventStore, StoreOptions};

    fn append(stream: &str, data: &str) -> Append {
        let stream_id = StreamId::new(stream).unwrap();
        let append = Append::new().event(stream_id, "T", data).unwrap();
        append.command_id(CommandId::new("k").unwrap())
    }

    /// The second and third are decided on the first while it is encoded and not yet committed.
    #[test]
    fn within_one_group_an_id_stands_for_one_content_too() {
        let machine = fs_io::sim::Simulation::new(1);
        let options = StoreOptions::default().system(machine.system());
        let store: FileEventStore = options.create("/store").unwrap();
        let group = vec![append("s", "1"), append("s", "1"), append("t", "1")];
        let mut turn = store.inner.begin().unwrap();
        let outcomes = turn.serve(group);
        let first = outcomes[0].as_ref().unwrap();
        let again = outcomes[1].as_ref().unwrap();
        assert_eq!(
            (again.transaction_id, again.replayed),
            (first.transaction_id, true),
            "equal content is answered by the first"
        );
        let Err(AppendError::CommandIdReused { transaction_id, .. }) = &outcomes[2] else {
            panic!("other content is refused: {outcomes:?}");
        };
        assert_eq!(*transaction_id, first.transaction_id, "the first is named");
    }

    #[test]
    fn white_space_between_tokens_is_no_difference_and_everything_else_is() {
        let wanted = Json::compact(r#"{"a": [1, "x y"]}"#).unwrap();
        let equal = |text: &str| is_same_json(&wanted, &Json::compact(text).unwrap());
        assert!(equal("{ \"a\":[1,\"x y\"]\n}"), "the tokens are the same");
        for other in [r#"{"a":[1.0,"x y"]}"#, r#"{"a":[1,"xy"]}"#, r#"{"a":[1]}"#] {
            assert!(!equal(other), "{other} is another text");
        }
    }
}
