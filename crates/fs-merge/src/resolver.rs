//! What an application decides about a fork.

use fs_format::{Json, JsonError, StreamId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::fork::Fork;

/// An application's rule for settling forks.
///
/// It is asked outside of any lock and must answer from the fork alone, so that every clone decides alike and writes
/// the same merge transaction.
pub trait Resolver {
    /// Decides about one fork.
    fn resolve(&self, fork: &Fork) -> Resolution;
}

impl<F: Fn(&Fork) -> Resolution> Resolver for F {
    fn resolve(&self, fork: &Fork) -> Resolution {
        self(fork)
    }
}

/// The answer of a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Settle the fork with this outcome.
    Resolve(Outcome),
    /// Leave it open; the report keeps the reason.
    Unresolvable(String),
}

/// What settles a fork: events that bring its streams to one state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(crate) events: Vec<OutcomeEvent>,
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutcomeEvent {
    pub(crate) stream_id: StreamId,
    pub(crate) event_type: String,
    pub(crate) event_data: Json<'static>,
    pub(crate) metadata: Json<'static>,
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
            reason: None,
        }
    }

    /// Returns the outcome that appends the events of one branch again, those on the streams in conflict.
    ///
    /// `None` when the fork has no branch with this head.
    pub fn keep(fork: &Fork, head: fs_format::TransactionId) -> Option<Self> {
        let kept = fork
            .branch(head)?
            .events()
            .filter(|event| fork.involves(&event.stream_id));
        let events = kept.map(|event| OutcomeEvent {
            stream_id: event.stream_id.clone(),
            event_type: event.event_type.clone(),
            event_data: event.event_data.clone(),
            metadata: event.metadata.clone(),
        });
        Some(Self {
            events: events.collect(),
            reason: None,
        })
    }

    /// Adds an event; `event_data` is JSON text.
    ///
    /// # Errors
    /// [`JsonError`] when it is not, or is nested too deeply.
    pub fn event(
        mut self,
        stream_id: StreamId,
        event_type: impl Into<String>,
        event_data: &str,
    ) -> Result<Self, JsonError> {
        self.events.push(OutcomeEvent {
            stream_id,
            event_type: event_type.into(),
            event_data: Json::compact(event_data)?,
            metadata: Json::empty_object(),
        });
        Ok(self)
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

    /// Records why; two clones that give different reasons have decided differently.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Returns the metadata of the merge transaction.
    pub(crate) fn metadata(&self) -> Result<Json<'static>, JsonError> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let text = serde_json::value::to_raw_value(&Metadata {
            reason: self.reason.as_deref(),
        });
        Json::compact_object(text.as_deref().map_or("{}", RawValue::get))
    }
}
