//! What settles a fork: events that bring its streams to one state, who decided, and why.
//!
//! **Invariant**: everything in an [`Outcome`] goes into the merge transaction or is checked against the history below
//! it. Two outcomes are equal exactly when they write the same bytes for the same fork.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{Json, JsonError, StreamId, StreamIdError, TransactionId};
use fs_store::{ExpectedVersion, StoredEvent};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::fork::ForkContext;

/// The members of a merge transaction's metadata that are its author's and reason's own.
const RESERVED: [&str; 2] = ["author", "reason"];

/// A part of an outcome that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The event or its metadata cannot stand in a file.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The event does not serialize.
    #[error("an event of type {event_type} does not serialize")]
    Serialize {
        /// The type.
        event_type: String,
        /// What the serializer said.
        source: serde_json::Error,
    },
    /// The name of the event's stream is none here.
    #[error(transparent)]
    StreamId(#[from] StreamIdError),
    /// The metadata has a member that is set by [`Outcome::author`] or [`Outcome::reason`].
    #[error("metadata member {member:?} is set by the method of that name")]
    Reserved {
        /// Its key.
        member: &'static str,
    },
}

/// What settles a fork.
///
/// Without any event, it lets everything stand as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome does nothing before it settles a fork"]
pub struct Outcome {
    pub(crate) events: Vec<OutcomeEvent>,
    pub(crate) expected: BTreeMap<StreamId, ExpectedVersion>,
    author: Option<String>,
    reason: Option<String>,
    metadata: Json<'static>,
}

/// An event that a decision adds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutcomeEvent {
    /// The stream, one of the fork or any other.
    pub stream_id: StreamId,
    /// The type.
    pub event_type: String,
    /// The data.
    pub event_data: Json<'static>,
    /// The metadata, an object.
    pub metadata: Json<'static>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    /// Returns the outcome that lets every branch stand as it is.
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            expected: BTreeMap::new(),
            author: None,
            reason: None,
            metadata: Json::empty_object(),
        }
    }

    /// Returns the outcome that appends the events of one branch again, those on the streams in conflict.
    ///
    /// `None` when the fork has no branch with this head.
    pub fn keep<E>(fork: &ForkContext<E>, head: TransactionId) -> Option<Self> {
        let kept = fork
            .branch(head)?
            .events()
            .filter(|event| fork.involves(&event.stream_id));
        Some(kept.fold(Self::new(), |outcome, event| outcome.again(event)))
    }

    /// Adds an event as it was stored before.
    pub fn again(mut self, event: &StoredEvent) -> Self {
        self.events.push(OutcomeEvent {
            stream_id: event.stream_id.clone(),
            event_type: event.event_type.clone(),
            event_data: event.event_data.clone(),
            metadata: event.metadata.clone(),
        });
        self
    }

    /// Adds an event; `event_data` is JSON text.
    ///
    /// # Errors
    /// [`JsonError`] when it is not, or is nested too deeply.
    pub fn event(
        self,
        stream_id: StreamId,
        event_type: impl Into<String>,
        event_data: &str,
    ) -> Result<Self, JsonError> {
        self.event_with_metadata(stream_id, event_type, event_data, "{}")
    }

    /// Adds an event with metadata, a JSON object.
    ///
    /// # Errors
    /// As [`Outcome::event`], and when `metadata` is no object.
    pub fn event_with_metadata(
        mut self,
        stream_id: StreamId,
        event_type: impl Into<String>,
        event_data: &str,
        metadata: &str,
    ) -> Result<Self, JsonError> {
        self.events.push(OutcomeEvent {
            stream_id,
            event_type: event_type.into(),
            event_data: Json::compact(event_data)?,
            metadata: Json::compact_object(metadata)?,
        });
        Ok(self)
    }

    /// Adds an event of the application's own type, on the stream that it names.
    ///
    /// # Errors
    /// [`OutcomeError`] when it does not serialize, or cannot stand in a file.
    pub fn typed<E: eventcore_types::Event>(self, event: &E) -> Result<Self, OutcomeError> {
        let stream_id = StreamId::new(AsRef::<str>::as_ref(event.stream_id()))?;
        let event_type = E::event_type_name();
        let data = serde_json::to_string(event).map_err(|source| OutcomeError::Serialize {
            event_type: event_type.to_owned(),
            source,
        })?;
        Ok(self.event(stream_id, event_type, &data)?)
    }

    /// Says how many events of `stream_id` must lie below the merge transaction, that is, be known to the fork's newest
    /// transactions; otherwise nothing is written.
    ///
    /// The version of a forked stream is [`ForkedStream::version`](crate::ForkedStream::version). What others append
    /// to a stream apart from the fork is not counted: it is concurrent with the decision, and a fork of that stream
    /// when the decision writes it.
    pub fn expect(mut self, stream_id: StreamId, expected: ExpectedVersion) -> Self {
        self.expected.insert(stream_id, expected);
        self
    }

    /// Records who decided; two clones that name different authors have decided differently.
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// Records why; two clones that give different reasons have decided differently.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets the other members of the merge transaction's metadata, a JSON object; two clones that set different ones
    /// have decided differently.
    ///
    /// # Errors
    /// [`OutcomeError::Json`] when the text is no JSON object or is nested too deeply, [`OutcomeError::Reserved`] when
    /// it has a member `author` or `reason`.
    pub fn metadata(mut self, metadata: &str) -> Result<Self, OutcomeError> {
        let metadata = Json::compact_object(metadata)?;
        let members: BTreeMap<String, IgnoredAny> = metadata.decode().map_err(JsonError::from)?;
        for member in RESERVED {
            if members.contains_key(member) {
                return Err(OutcomeError::Reserved { member });
            }
        }
        self.metadata = metadata;
        Ok(self)
    }

    /// Returns the events, in order.
    pub fn events(&self) -> &[OutcomeEvent] {
        &self.events
    }

    /// Returns the streams that get an event.
    pub(crate) fn written(&self) -> BTreeSet<&StreamId> {
        self.events.iter().map(|event| &event.stream_id).collect()
    }

    /// Returns the streams of which a version is expected.
    pub(crate) fn checked(&self) -> impl Iterator<Item = &StreamId> {
        let checked = self.expected.iter();
        checked.filter_map(|(stream_id, expected)| expected.version().map(|_| stream_id))
    }

    /// Returns the metadata of the merge transaction: author, reason, then the other members as they were given.
    ///
    /// # Errors
    /// [`JsonError`] when they are nested too deeply.
    pub fn header_metadata(&self) -> Result<Json<'static>, JsonError> {
        #[derive(Serialize)]
        struct Own<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            author: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let own = serde_json::to_string(&Own {
            author: self.author.as_deref(),
            reason: self.reason.as_deref(),
        })?;
        let own = own.trim_end_matches('}');
        let others = self.metadata.as_str().strip_prefix('{').unwrap_or("}");
        let comma = if own == "{" || others == "}" { "" } else { "," };
        Json::compact_object(&format!("{own}{comma}{others}"))
    }
}
