//! What recorded events are read as: old types and shapes brought to the current ones, then the application's own type.
//!
//! Two things decide whether an event is of the application's type: its own type as of today, and its data. EventCore's traits ask for the data
//! alone, as its other stores do; everything else asks for both, so that no event is taken for one that it only looks like.
//!
//! **Invariant**: nothing stored is ever changed. Every typed read goes through here, so an event is upcast alike wherever it is met; where
//! nothing is registered for its type, no byte of it is copied.
//!
//! What is not done here: no upcaster sees anything but the event's type and data.

mod check;
mod upcast;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use eventcore_types::Event;

pub use check::{SchemaFailure, SchemaReport, TypeReport};
pub use upcast::{Chain, UpcastError, Upcasted};

use crate::error::ReadError;
use crate::event::StoredEvent;
use crate::store::FileEventStore;
use upcast::Upcaster;

/// How old events are brought to the current types, by the type that they were recorded with.
///
/// An upcaster takes the data of an event and gives what an event of today would hold instead. Its result is upcast again where an upcaster is
/// registered for the new type, each of them once at most for one event. What is on disk stays as it is.
///
/// A [`Select`](crate::Select), as of [`FileEventStore::ingested_events`], subscriptions and consumers, names recorded types; so do the events that
/// these return. The filter of `EventReader::read_events` names types of today.
///
/// Upcasters run inside of reads, so they compute and do nothing else; one that calls the store may wait for itself.
///
/// ```
/// use fs_store::{Schema, StoreOptions, Upcasted};
///
/// let schema = Schema::new().upcast("IssueRenamed", |data| {
///     let mut renamed: serde_json::Value = serde_json::from_str(data)?;
///     match renamed.as_object_mut().and_then(|it| it.remove("name")) {
///         Some(name) => renamed["title"] = name,
///         None => return Ok(Upcasted::current()),
///     }
///     Ok(Upcasted::to("IssueRetitled", &renamed)?)
/// });
/// let options = StoreOptions::default().schema(schema);
/// ```
#[derive(Clone, Default)]
pub struct Schema {
    upcasters: BTreeMap<Box<str>, Arc<Upcaster>>,
}

/// An event that is not read as the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventDecodeError {
    /// It is of this type, and its data are not.
    #[error("its data do not fit{}", chain.after())]
    Data {
        /// The upcasters that were applied.
        chain: Chain,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// It is of another type.
    #[error("it is of another type{}", chain.after())]
    Unknown {
        /// The upcasters that were applied.
        chain: Chain,
        /// What the decoder said, where the data were tried all the same.
        source: Option<serde_json::Error>,
    },
    /// It could not be upcast.
    #[error(transparent)]
    Upcast(#[from] UpcastError),
}

/// An event as of today.
#[derive(Debug)]
pub(crate) struct Current<'a> {
    pub(crate) event_type: Cow<'a, str>,
    pub(crate) data: Cow<'a, [u8]>,
    pub(crate) chain: Chain,
}

impl Schema {
    /// Returns a schema without upcasters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the upcaster of what was recorded with the type `event_type`, in the place of the one before.
    ///
    /// It is given the data as JSON text. Where events of one type have several shapes, it answers [`Upcasted::current`] for those that are
    /// as they should be. An error of it keeps the event from being read, and is the source of the error of that read.
    #[must_use]
    pub fn upcast(
        mut self,
        event_type: impl Into<String>,
        upcaster: impl Fn(&str) -> Result<Upcasted, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let event_type: String = event_type.into();
        self.upcasters.insert(event_type.into(), Arc::new(upcaster));
        self
    }

    /// Reads an event as the application's own type: one whose type, as of today, is `E::event_type_name()`.
    ///
    /// # Errors
    /// [`EventDecodeError`].
    pub fn decode<E: Event>(&self, event: &StoredEvent) -> Result<E, EventDecodeError> {
        let data = event.event_data.as_str().as_bytes();
        self.current(&event.event_type, data)?.decode()
    }

    /// Returns an event as of today.
    pub(crate) fn current<'a>(
        &self,
        event_type: &'a str,
        data: &'a [u8],
    ) -> Result<Current<'a>, UpcastError> {
        if self.upcasts(event_type) {
            return upcast::run(&self.upcasters, event_type, data);
        }
        Ok(Current {
            event_type: Cow::Borrowed(event_type),
            data: Cow::Borrowed(data),
            chain: Chain::default(),
        })
    }

    /// Returns whether an upcaster is registered for what was recorded with this type.
    pub(crate) fn upcasts(&self, event_type: &str) -> bool {
        self.upcasters.contains_key(event_type)
    }

    /// Returns the recorded types for which an upcaster is registered, in byte order.
    #[cfg(feature = "eventcore")]
    pub(crate) fn upcast_types(&self) -> impl Iterator<Item = &str> {
        self.upcasters.keys().map(AsRef::as_ref)
    }
}

impl Current<'_> {
    /// Reads it as the application's own type, which its type has to be.
    pub(crate) fn decode<E: Event>(self) -> Result<E, EventDecodeError> {
        if self.event_type != E::event_type_name() {
            let (chain, source) = (self.chain, None);
            return Err(EventDecodeError::Unknown { chain, source });
        }
        self.decode_by_data()
    }

    /// Reads it as the application's own type, whatever its type is called.
    pub(crate) fn decode_by_data<E: Event>(self) -> Result<E, EventDecodeError> {
        let Self {
            event_type,
            data,
            chain,
        } = self;
        serde_json::from_slice(&data).map_err(|source| {
            if event_type == E::event_type_name() {
                EventDecodeError::Data { chain, source }
            } else {
                let source = Some(source);
                EventDecodeError::Unknown { chain, source }
            }
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.upcasters.keys()).finish()
    }
}

impl FileEventStore {
    /// Returns the schema that the store was opened with.
    pub fn schema(&self) -> &Schema {
        &self.inner.options.schema
    }

    /// Reads an event as the application's own type, upcast as the store's [`Schema`] says; `None` for an event of another type.
    ///
    /// Of another type is an event that is not called `E::event_type_name()` as of today, whatever its data.
    ///
    /// # Errors
    /// [`ReadError::Undecodable`] when it is of this type and its data are not, or an upcaster failed.
    pub fn decode<E: Event>(&self, event: &StoredEvent) -> Result<Option<E>, ReadError> {
        match self.schema().decode(event) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(EventDecodeError::Unknown { .. }) => Ok(None),
            Err(source) => Err(ReadError::undecodable(event.clone(), source)),
        }
    }
}
