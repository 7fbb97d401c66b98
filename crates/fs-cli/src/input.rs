//! What callers hand in as files or on standard input.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use fs_format::{CommandId, JsonError, StreamId, limits};
use fs_io::System;
use fs_merge::Outcome;
use fs_store::{Append, ExpectedVersion};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::outcome::Usage;

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let limit = limits::MAX_FILE_BYTES + 1;
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        anyhow::ensure!(
            (bytes.len() as u64) < limit,
            "standard input is larger than the {} bytes of the largest transaction",
            limits::MAX_FILE_BYTES
        );
        bytes
    } else {
        System::real().disk.read(path, limits::MAX_FILE_BYTES)?
    };
    let name = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        bail!("{name} begins with the byte order mark of UTF-16; convert it to UTF-8");
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    Ok(without_mark(&text).to_owned())
}

/// Leaves out the byte order mark that editors and shells of some systems put before a text.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// An event as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventIn {
    stream_id: String,
    event_type: String,
    event_data: Box<RawValue>,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
}

impl EventIn {
    fn metadata(&self) -> &str {
        self.metadata.as_deref().map_or("{}", RawValue::get)
    }

    /// Returns the error for an event whose data or metadata breaks a rule.
    fn refused(&self, error: JsonError) -> Usage {
        Usage(format!(
            "an event of stream {:?} cannot be stored: {error}",
            self.stream_id
        ))
    }
}

/// A transaction as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionIn {
    events: Vec<EventIn>,
    #[serde(default)]
    expect: BTreeMap<String, ExpectIn>,
    command_id: Option<String>,
    metadata: Option<Box<RawValue>>,
}

/// What settles a fork, as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutcomeIn {
    events: Vec<EventIn>,
    #[serde(default)]
    expect: BTreeMap<String, ExpectIn>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, \"new\" or \"any\"")]
enum ExpectIn {
    Version(u64),
    Word(ExpectWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectWord {
    New,
    Any,
}

impl From<ExpectIn> for ExpectedVersion {
    fn from(expect: ExpectIn) -> Self {
        match expect {
            ExpectIn::Version(version) => Self::Exact(version),
            ExpectIn::Word(ExpectWord::New) => Self::New,
            ExpectIn::Word(ExpectWord::Any) => Self::Any,
        }
    }
}

impl OutcomeIn {
    pub(crate) fn into_outcome(self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::new();
        for event in &self.events {
            outcome = outcome
                .event_with_metadata(
                    stream_id(&event.stream_id)?,
                    &event.event_type,
                    event.event_data.get(),
                    event.metadata(),
                )
                .map_err(|error| event.refused(error))?;
        }
        for (stream, expect) in self.expect {
            outcome = outcome.expect(stream_id(&stream)?, expect.into());
        }
        Ok(outcome)
    }
}

impl TransactionIn {
    pub(crate) fn into_append(self) -> anyhow::Result<Append> {
        if self.events.is_empty() {
            return Err(
                Usage("the transaction has no events; give it at least one".to_owned()).into(),
            );
        }
        let mut append = Append::new();
        for event in &self.events {
            append = append
                .event_with_metadata(
                    stream_id(&event.stream_id)?,
                    &event.event_type,
                    event.event_data.get(),
                    event.metadata(),
                )
                .map_err(|error| event.refused(error))?;
        }
        for (stream, expect) in self.expect {
            append = append.expect(stream_id(&stream)?, expect.into());
        }
        if let Some(id) = self.command_id {
            append = append.command_id(command_id(&id)?);
        }
        if let Some(metadata) = self.metadata {
            append = append.metadata(metadata.get()).map_err(|error| {
                Usage(format!(
                    "the metadata of the transaction cannot be stored: {error}"
                ))
            })?;
        }
        Ok(append)
    }
}

/// Parses what a caller handed in; `what` names it in the error.
pub(crate) fn parse<T: for<'a> Deserialize<'a>>(text: &str, what: &str) -> anyhow::Result<T> {
    if !text.trim_start().starts_with('{') {
        // A list would be taken for the fields without their names.
        let form = r#"{"events":[{"stream_id":"s","event_type":"T","event_data":1}]}"#;
        return Err(Usage(format!("{what} has to be a JSON object like {form}")).into());
    }
    serde_json::from_str(text).map_err(|error| {
        Usage(format!(
            "{what} is not of the form that is expected: {error}"
        ))
        .into()
    })
}

pub(crate) fn stream_id(text: &str) -> anyhow::Result<StreamId> {
    StreamId::new(text)
        .map_err(|error| Usage(format!("{text:?} cannot be a stream id: {error}")).into())
}

pub(crate) fn command_id(text: &str) -> anyhow::Result<CommandId> {
    CommandId::new(text)
        .map_err(|error| Usage(format!("{text:?} cannot be a command id: {error}")).into())
}
