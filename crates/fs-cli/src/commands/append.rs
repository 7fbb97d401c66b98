//! `trib append`

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use fs_format::{StreamId, Timestamp, TransactionId};
use fs_store::{Append, AppendError, FileEventStore};
use serde::Serialize;

use super::notes;
use crate::args::AppendArgs;
use crate::input::{self, TransactionIn};
use crate::outcome::{Ending, Usage};
use crate::output::{Output, plain_name};

#[derive(Serialize)]
struct Answer {
    transaction_id: TransactionId,
    created_at: Timestamp,
    versions: BTreeMap<StreamId, u64>,
    replayed: bool,
}

pub(crate) fn run(
    store: &FileEventStore,
    args: AppendArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let anyway = args.anyway;
    let mut append = append_of(args)?;
    if anyway {
        append = append.anyway();
    }
    let appended = store.append(append).map_err(refused)?;
    output.changed(format!(
        "transaction {} is stored: try again only under the --command-id that it was appended with, which stores nothing twice",
        appended.transaction_id
    ));
    let answer = Answer {
        transaction_id: appended.transaction_id,
        created_at: appended.created_at,
        versions: appended.versions,
        replayed: appended.replayed,
    };
    output.answer(&answer, || {
        let versions: Vec<_> = answer
            .versions
            .iter()
            .map(|(stream_id, version)| {
                format!("{} at version {version}", plain_name(stream_id.as_str()))
            })
            .collect();
        let how = if answer.replayed {
            "already appended"
        } else {
            "appended"
        };
        format!("{how} {}: {}", answer.transaction_id, versions.join(", "))
    })?;
    output.flush()?;
    notes::appended(store, answer.transaction_id, output);
    Ok(Ending::Fine)
}

/// Says what to type where a hole is in the way.
fn refused(error: AppendError) -> anyhow::Error {
    let (AppendError::Hole { missing, .. }
    | AppendError::CommandMissing {
        transaction_id: missing,
        ..
    }) = &error
    else {
        return error.into();
    };
    let advice = format!(
        "`trib status` says how to bring it back, `trib forget {missing}` accepts that it is gone, --anyway appends on what is there"
    );
    anyhow::Error::new(error).context(advice)
}

fn append_of(args: AppendArgs) -> anyhow::Result<Append> {
    if let Some(path) = &args.transaction {
        let text = input::read(path)?;
        return input::parse::<TransactionIn>(&text, "the transaction")?.into_append();
    }
    let (Some(stream), Some(event_type), Some(data)) = (args.stream, args.event_type, args.data)
    else {
        return Err(Usage("give STREAM TYPE DATA, or --transaction FILE".to_owned()).into());
    };
    let data = if data == "-" {
        input::read(Path::new("-"))?
    } else {
        // As where the shell puts a file in its place.
        input::without_mark(&data).to_owned()
    };
    let stream_id = input::stream_id(&stream)?;
    let metadata: BTreeMap<_, _> = args.metadata.into_iter().collect();
    let metadata = serde_json::to_string(&metadata).context("cannot write the metadata as JSON")?;
    let mut append = Append::new()
        .event_with_metadata(stream_id.clone(), event_type, &data, &metadata)
        .map_err(|error| Usage(format!("DATA cannot be stored: {error}; it has to be a JSON text, quoted for the shell like '{{\"title\":\"...\"}}'")))?;
    if let Some(expect) = args.expect {
        append = append.expect(stream_id, expect.0);
    }
    if let Some(id) = args.command_id {
        append = append.command_id(input::command_id(&id)?);
    }
    Ok(append)
}
