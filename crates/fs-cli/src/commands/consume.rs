//! `trib consume`

use anyhow::{anyhow, bail};
use fs_index::Position;
use fs_store::{Consumer, ConsumerError, FileEventStore};
use serde::Serialize;
use uuid::Uuid;

use crate::args::ConsumeArgs;
use crate::commands::events::placed;
use crate::outcome::Ending;
use crate::output::{Output, plain};

/// Where a consumer is.
#[derive(Serialize)]
struct ConsumerOut<'a> {
    name: &'a str,
    position: Option<Uuid>,
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: &'a str,
}

pub(crate) fn run(
    store: &FileEventStore,
    args: ConsumeArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let Some(name) = args.name else {
        for consumer in store.consumers()? {
            told(&consumer.name, consumer.position, output)?;
        }
        return Ok(Ending::Fine);
    };
    let changes = args.remove || args.reset || args.ack.is_some();
    if changes && !store.has_consumer(&name)? {
        bail!(
            "there is no consumer {}; `trib consume --list` lists those that there are",
            plain(&name)
        );
    }
    let consumer = store.consumer(&name)?;
    if args.remove {
        consumer.remove()?;
        output.answer(&Removed { removed: &name }, || {
            format!("forgot {}", plain(&name))
        })?;
        return Ok(Ending::Fine);
    }
    if args.reset {
        consumer.reset()?;
        return moved(&consumer, output);
    }
    if let Some(position) = args.ack {
        let acknowledged = consumer.ack_through(Position::from_uuid(position));
        acknowledged.map_err(refused)?;
        return moved(&consumer, output);
    }
    let batch = if args.advance {
        consumer.fetch_and_advance(args.limit)
    } else {
        consumer.fetch(args.limit)
    };
    for event in &batch.map_err(refused)?.events {
        placed(event, output)?;
    }
    Ok(Ending::Fine)
}

fn moved(consumer: &Consumer, output: &mut Output) -> anyhow::Result<Ending> {
    told(consumer.name(), consumer.position()?, output)?;
    Ok(Ending::Fine)
}

fn told(name: &str, position: Option<Position>, output: &mut Output) -> anyhow::Result<()> {
    let out = ConsumerOut {
        name,
        position: position.map(Position::to_uuid),
    };
    output.answer(&out, || match position {
        Some(position) => format!("{position}  {}", plain(name)),
        None => format!("{:36}  {}", "at the beginning", plain(name)),
    })
}

/// Says what to type where a reset is what helps.
fn refused(error: ConsumerError) -> anyhow::Error {
    match &error {
        ConsumerError::NewEpoch { name, .. } | ConsumerError::Behind { name, .. } => {
            anyhow!("{error}: `trib consume {} --reset`", plain(name))
        }
        _ => error.into(),
    }
}
