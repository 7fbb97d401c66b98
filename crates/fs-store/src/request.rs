//! What a caller asks to be appended, and what it gets back.

use std::collections::BTreeMap;

use fs_format::{CommandId, Json, JsonError, StreamId, Timestamp, TransactionId};
use fs_index::Completeness;

use crate::completeness::Lacks;

/// What the caller knows of a stream's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Nothing: append to whatever is there.
    Any,
    /// The stream has no event yet.
    New,
    /// The stream has this many events.
    Exact(u64),
}

impl ExpectedVersion {
    /// Returns the expected number of events; `None` when any will do.
    pub fn version(self) -> Option<u64> {
        match self {
            ExpectedVersion::Any => None,
            ExpectedVersion::New => Some(0),
            ExpectedVersion::Exact(version) => Some(version),
        }
    }
}

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    pub(crate) stream_id: StreamId,
    pub(crate) event_type: String,
    pub(crate) event_data: Json<'static>,
    pub(crate) metadata: Json<'static>,
}

/// A transaction to be appended: all of it or nothing, over any number of streams.
///
/// ```
/// use fs_store::{Append, ExpectedVersion};
/// use fs_format::StreamId;
///
/// let account = StreamId::new("account-1")?;
/// let append = Append::new()
///     .event(account.clone(), "MoneyDeposited", r#"{"cents": 500}"#)?
///     .expect(account, ExpectedVersion::Exact(3))
///     .expect(StreamId::new("rates")?, ExpectedVersion::Exact(7)); // read for the decision, not written
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an append does nothing before it is handed to a store"]
pub struct Append {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) expected: BTreeMap<StreamId, ExpectedVersion>,
    pub(crate) command_id: Option<CommandId>,
    pub(crate) metadata: Json<'static>,
    pub(crate) anyway: bool,
}

impl Default for Append {
    fn default() -> Self {
        Self::new()
    }
}

impl Append {
    /// Returns a transaction without events.
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            expected: BTreeMap::new(),
            command_id: None,
            metadata: Json::empty_object(),
            anyway: false,
        }
    }

    /// Adds an event whose data is the JSON text `event_data`, kept as it is but for insignificant white space.
    ///
    /// # Errors
    /// [`JsonError`] when the text is not JSON or is nested too deeply.
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
    /// [`JsonError`] as [`Append::event`], and when `metadata` is no object.
    pub fn event_with_metadata(
        mut self,
        stream_id: StreamId,
        event_type: impl Into<String>,
        event_data: &str,
        metadata: &str,
    ) -> Result<Self, JsonError> {
        let event_data = Json::compact(event_data)?;
        let metadata = Json::compact_object(metadata)?;
        self.push(stream_id, event_type, event_data, metadata);
        Ok(self)
    }

    /// Adds an event whose data and metadata are compact JSON already. Metadata that are no object make the append fail.
    pub fn push(
        &mut self,
        stream_id: StreamId,
        event_type: impl Into<String>,
        event_data: Json<'static>,
        metadata: Json<'static>,
    ) {
        self.events.push(NewEvent {
            stream_id,
            event_type: event_type.into(),
            event_data,
            metadata,
        });
    }

    /// Says what version of `stream_id` the caller decided on.
    ///
    /// A stream that gets no event takes part as a read-only participant: its version is checked all the same. A
    /// stream that gets events and is not named here is appended to whatever its version is.
    pub fn expect(mut self, stream_id: StreamId, expected: ExpectedVersion) -> Self {
        self.expected.insert(stream_id, expected);
        self
    }

    /// Checks expected versions against what is there, also where events of the stream are known to be missing.
    ///
    /// Without this, such an append is refused, as [`OnHole`](crate::OnHole) says.
    pub fn anyway(mut self) -> Self {
        self.anyway = true;
        self
    }

    /// Names the command, so that appending it again returns the first result instead of a second transaction.
    ///
    /// Appending other streams, types, data or metadata under the same id is refused
    /// ([`CommandIdReused`](crate::AppendError::CommandIdReused)); expected versions may differ.
    pub fn command_id(mut self, command_id: CommandId) -> Self {
        self.command_id = Some(command_id);
        self
    }

    /// Sets the metadata of the transaction, a JSON object.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no JSON object or is nested too deeply.
    pub fn metadata(mut self, metadata: &str) -> Result<Self, JsonError> {
        self.metadata = Json::compact_object(metadata)?;
        Ok(self)
    }
}

/// A transaction that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The id of the transaction.
    pub transaction_id: TransactionId,
    /// Its time by the hybrid logical clock.
    pub created_at: Timestamp,
    /// The versions after it of the streams it writes.
    pub versions: BTreeMap<StreamId, u64>,
    /// Whether it was there before, under the same command id.
    pub replayed: bool,
    pub(crate) lacks: Lacks,
}

impl Appended {
    /// Returns what is known to be missing from the history that it was appended to, or found in: the versions do not count it.
    pub fn completeness(&self) -> &Completeness {
        self.lacks.completeness()
    }

    pub(crate) fn lacking(self, lacks: Lacks) -> Self {
        Self { lacks, ..self }
    }
}
