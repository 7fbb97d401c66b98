//! Running upcasters, one after the other.
//!
//! **Invariant**: each upcaster runs once at most for one event, so a chain ends. One that leads back to a type whose upcaster has run, by
//! way of another type, is an error; one that keeps the type is at its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Current;

/// What an application registers.
pub(super) type Upcaster =
    dyn Fn(&str) -> Result<Upcasted, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// What an upcaster makes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is what the upcaster returns"]
pub struct Upcasted(Change);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    None,
    Type { event_type: String },
    Both { event_type: String, data: String },
}

impl Upcasted {
    /// The event is as it should be.
    pub fn current() -> Self {
        Self(Change::None)
    }

    /// The event has another type and the same data.
    pub fn renamed(event_type: impl Into<String>) -> Self {
        let event_type = event_type.into();
        Self(Change::Type { event_type })
    }

    /// The event has this type, which may be the one that it had, and these data.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn to(
        event_type: impl Into<String>,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Self, serde_json::Error> {
        Ok(Self(Change::Both {
            event_type: event_type.into(),
            data: serde_json::to_string(data)?,
        }))
    }
}

/// The types that an event was brought through, from the recorded one to the current one; empty when nothing of it was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain(Vec<String>);

impl Chain {
    /// Returns the types, the recorded one first; a type that stands twice in succession is one whose data were changed.
    pub fn event_types(&self) -> &[String] {
        &self.0
    }

    /// Returns whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how an error speaks of it.
    pub(super) fn after(&self) -> String {
        if self.is_empty() {
            String::new()
        } else {
            format!(" after upcasting {self}")
        }
    }

    fn push(&mut self, from: &str, to: &str) {
        if self.0.is_empty() {
            self.0.push(from.to_owned());
        }
        self.0.push(to.to_owned());
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" -> "))
    }
}

/// An event that could not be upcast.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpcastError {
    /// The upcaster of a type failed.
    #[error("the upcaster of {event_type} failed: {source}")]
    Failed {
        /// The type.
        event_type: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The upcasters lead back to where they were.
    #[error("the upcasters go in a circle, {chain}; let one of them end at a type that has none")]
    Cycle {
        /// The types, the first being the recorded one and the last the one that was met before.
        chain: Chain,
    },
    /// The data to be upcast are not JSON text.
    #[error("the data of {event_type} are not JSON")]
    Data {
        /// The type.
        event_type: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
}

/// Upcasts an event as far as it goes.
pub(super) fn run<'a>(
    upcasters: &BTreeMap<Box<str>, Arc<Upcaster>>,
    event_type: &'a str,
    data: &'a [u8],
) -> Result<Current<'a>, UpcastError> {
    let text: &RawValue = serde_json::from_slice(data).map_err(|source| UpcastError::Data {
        event_type: event_type.to_owned(),
        source,
    })?;
    let mut event_type = Cow::Borrowed(event_type);
    let mut data = Cow::Borrowed(text.get());
    let mut chain = Chain::default();
    while let Some(upcaster) = upcasters.get(&*event_type) {
        let failed = |source| UpcastError::Failed {
            event_type: event_type.clone().into_owned(),
            source,
        };
        let next = match upcaster(&data).map_err(failed)?.0 {
            Change::None => break,
            Change::Type { event_type } => event_type,
            Change::Both {
                event_type,
                data: changed,
            } => {
                data = Cow::Owned(changed);
                event_type
            }
        };
        let is_same = next == event_type;
        let has_run = chain.0.contains(&next);
        chain.push(&event_type, &next);
        if is_same {
            break;
        }
        if has_run {
            return Err(UpcastError::Cycle { chain });
        }
        event_type = Cow::Owned(next);
    }
    let data = match data {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    Ok(Current {
        event_type,
        data,
        chain,
    })
}
