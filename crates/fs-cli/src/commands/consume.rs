//! `trib consume`

use anyhow::{anyhow, bail};
use fs_feed::{Consumer, ConsumerError, Feed as _};
use fs_index::Position;
use fs_store::FileEventStore;
use serde::Serialize;
use uuid::Uuid;

use crate::args::ConsumeArgs;
use crate::commands::events::placed;
use crate::outcome::Ending;
use crate::output::{Output, plain_name};
use crate::similar::did_you_mean;

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
    let mut note = None;
    if !store.has_consumer(&name)? {
        let shown = plain_name(&name);
        let meant = meant(store, &name);
        if args.remove || args.reset || args.ack.is_some() {
            bail!(
                "there is no consumer {shown}{meant}; `trib consume --list` lists those that there are"
            );
        }
        note = Some(format!(
            "consumer {shown} is new, and begins before the first event{meant}"
        ));
    }
    let consumer = store.consumer(&name)?;
    if let Some(note) = note {
        output.note(&note);
    }
    if args.remove {
        consumer.remove()?;
        output.changed("the consumer is forgotten");
        output.answer(&Removed { removed: &name }, || {
            format!("forgot {}", plain_name(&name))
        })?;
        return Ok(Ending::Fine);
    }
    if args.reset {
        consumer.reset()?;
        output.changed("the consumer begins before the first event again");
        return moved(&consumer, output);
    }
    if let Some(position) = args.ack {
        let acknowledged = consumer.ack_through(Position::from_uuid(position));
        acknowledged.map_err(refused)?;
        output.changed("everything up to that position is acknowledged");
        return moved(&consumer, output);
    }
    let batch = if args.advance {
        consumer.fetch_and_advance(args.limit)
    } else {
        consumer.fetch(args.limit)
    };
    let batch = batch.map_err(refused)?;
    if args.advance && !batch.events.is_empty() {
        output.changed(format!(
            "what was to be shown is acknowledged and is not shown to this consumer again: read it with `trib events{}`",
            match batch.fetched_after() {
                Some(position) => format!(" --after {position}"),
                None => String::new(),
            }
        ));
    }
    for event in &batch.events {
        placed(event, output)?;
    }
    Ok(Ending::Fine)
}

/// Returns the consumers whose names are like one that is not there.
fn meant(store: &FileEventStore, name: &str) -> String {
    // A cursor that is damaged is in the way of no other consumer.
    let consumers = store.consumers().unwrap_or_default();
    let names = consumers.iter().map(|consumer| consumer.name.as_str());
    did_you_mean(name, names)
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
        Some(position) => format!("{position}  {}", plain_name(name)),
        None => format!("{:36}  {}", "at the beginning", plain_name(name)),
    })
}

/// Says what to type where a reset is what helps.
fn refused(error: ConsumerError) -> anyhow::Error {
    match &error {
        ConsumerError::NewEpoch { name, .. } | ConsumerError::Behind { name, .. } => {
            anyhow!("{error}: `trib consume {} --reset`", plain_name(name))
        }
        _ => error.into(),
    }
}
