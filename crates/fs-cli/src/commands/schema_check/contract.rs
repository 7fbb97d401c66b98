//! What an application can read, as it says so itself: a file of JSON Schemas.
//!
//! The file is one JSON Schema document. The schema of an event's data is the one that its `$defs` hold under the event type; others there
//! are for these to refer to. References lead nowhere outside the file.
//!
//! **Invariant**: nothing is fetched, and what is told of an event is bounded.

use std::collections::BTreeMap;
use std::path::Path;

use fs_format::{EventId, StreamId, TransactionId};
use fs_store::{StoredEvent, report};
use jsonschema::{ValidationError, Validator};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::input;
use crate::outcome::Usage;
use crate::output::plain;

/// How many reasons are told why one event does not fit.
const MOST_REASONS: usize = 10;

/// How many bytes of a value are told.
const MOST_OF_VALUE: usize = 80;

/// How many bytes of a path and of a message are told: both may name keys, which others wrote, and what a schema asks for.
const MOST_OF_REASON: usize = 1000;

/// Schemas by event type.
pub(super) struct Contract {
    by_type: BTreeMap<String, Validator>,
}

/// An event that does not fit the schema of its type.
#[derive(Serialize)]
pub(super) struct Misfit {
    event_id: EventId,
    event_type: String,
    stream_id: StreamId,
    version: u64,
    transaction_id: TransactionId,
    errors: Vec<Reason>,
}

/// What is wrong, and where in the data: a JSON pointer, empty for the data themselves.
#[derive(Serialize)]
struct Reason {
    path: String,
    message: String,
}

impl Contract {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let name = if file == Path::new("-") {
            "standard input".to_owned()
        } else {
            file.display().to_string()
        };
        let refused = |why: String| Usage(format!("{name} has no schemas of event types: {why}"));
        let document: Value = serde_json::from_str(&input::read(file)?)
            .map_err(|error| refused(format!("it is not JSON: {error}")))?;
        let Some(Value::Object(types)) = document.get("$defs") else {
            let form = r#"{"$defs": {"EVENT TYPE": {"type": "object"}}}"#;
            return Err(refused(format!("it has to be a JSON object like {form}")).into());
        };
        let mut by_type = BTreeMap::new();
        for event_type in types.keys() {
            let options = jsonschema::options()
                .should_validate_formats(true)
                .offline();
            let built = options.build(&schema_of(&document, event_type));
            let validator = built.map_err(|error| {
                let at = match error.instance_path().as_str() {
                    "" => format!("of {event_type:?}"),
                    path => format!("at {path}"),
                };
                refused(format!("that {at} cannot be used: {}", message(&error)))
            })?;
            by_type.insert(event_type.clone(), validator);
        }
        Ok(Self { by_type })
    }

    pub(super) fn knows(&self, event_type: &str) -> bool {
        self.by_type.contains_key(event_type)
    }

    /// Returns why an event does not fit the schema of its type; `None` when it does, and when there is none.
    pub(super) fn misfit(&self, event: &StoredEvent) -> Option<Misfit> {
        let schema = self.by_type.get(&event.event_type)?;
        let errors: Vec<Reason> = match serde_json::from_str(event.event_data.as_str()) {
            Ok(data) => {
                let errors = schema.iter_errors(&data).take(MOST_REASONS);
                errors.map(Reason::from).collect()
            }
            Err(error) => vec![Reason {
                path: String::new(),
                message: error.to_string(),
            }],
        };
        (!errors.is_empty()).then(|| Misfit {
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            stream_id: event.stream_id.clone(),
            version: event.version,
            transaction_id: event.transaction_id,
            errors,
        })
    }
}

/// Returns the document with the schema of an event type as its own.
fn schema_of(document: &Value, event_type: &str) -> Value {
    let pointer = event_type.replace('~', "~0").replace('/', "~1");
    let mut schema = Map::new();
    for key in ["$schema", "$id", "$defs", "definitions"] {
        if let Some(value) = document.get(key) {
            schema.insert(key.to_owned(), value.clone());
        }
    }
    let reference = format!("#/$defs/{}", urlencoding::encode(&pointer));
    schema.insert("$ref".to_owned(), reference.into());
    schema.into()
}

impl From<ValidationError<'_>> for Reason {
    fn from(error: ValidationError<'_>) -> Self {
        Self {
            path: cut(error.instance_path().as_str().to_owned()),
            message: cut(message(&error)),
        }
    }
}

/// Says what is wrong, with the value if that is short.
fn message(error: &ValidationError<'_>) -> String {
    match error.instance().as_ref() {
        Value::Array(_) | Value::Object(_) => error.masked_with("it").to_string(),
        Value::String(text) if text.len() > MOST_OF_VALUE => error.masked_with("it").to_string(),
        _ => report(error),
    }
}

/// Ends a text where it is too long to be told.
fn cut(mut text: String) -> String {
    if text.len() <= MOST_OF_REASON {
        return text;
    }
    let end = (0..=MOST_OF_REASON)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text.push('…');
    text
}

impl Misfit {
    /// Returns it as a line for people.
    pub(super) fn line(&self) -> String {
        let errors = self.errors.iter().map(|error| {
            if error.path.is_empty() {
                error.message.clone()
            } else {
                format!("{}: {}", error.path, error.message)
            }
        });
        let errors: Vec<_> = errors.collect();
        plain(&format!(
            "event {} (type {}, version {} of stream {}, transaction {}): {}",
            self.event_id,
            self.event_type,
            self.version,
            self.stream_id.as_str(),
            self.transaction_id,
            errors.join("; ")
        ))
    }
}
