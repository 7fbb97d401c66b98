//! `trib schema-check`
//!
//! **Invariant**: every stored event is looked at once, some hundred at a time.

mod contract;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use fs_format::Timestamp;
use fs_index::All;
use fs_store::FileEventStore;
use serde::Serialize;

use crate::args::SchemaCheckArgs;
use crate::commands::schema_check::contract::{Contract, Misfit};
use crate::commands::schema_check::shape::{FieldOut, Shape};
use crate::outcome::Ending;
use crate::output::{Output, counted, plain_name};
use crate::similar::did_you_mean;

/// How many events are read at a time.
const PAGE: usize = 1000;

/// How many events that do not decode are named.
const MOST_NAMED: usize = 100;

/// An event type as it is shown.
#[derive(Serialize)]
struct TypeOut {
    event_type: String,
    known: bool,
    events: u64,
    failed: u64,
    first: Timestamp,
    last: Timestamp,
    differs: bool,
    fields: Vec<FieldOut>,
    fields_left_out: bool,
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    events: u64,
    failed: u64,
    types: Vec<TypeOut>,
    failures: Vec<Misfit>,
}

/// What was found of one event type.
struct Found {
    shape: Shape,
    failed: u64,
}

pub(crate) fn run(
    store: &FileEventStore,
    args: &SchemaCheckArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let contract = args.schema.as_deref().map(Contract::read).transpose()?;
    let named: BTreeSet<&str> = args.known.iter().map(String::as_str).collect();
    let is_known = |event_type: &str| match &contract {
        Some(contract) => contract.knows(event_type) || named.contains(event_type),
        None => named.is_empty() || named.contains(event_type),
    };
    let mut types: BTreeMap<String, Found> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut after = None;
    loop {
        let page = store.ingested_events(after, &All, PAGE)?;
        for event in &page {
            let found = match types.get_mut(&event.event_type) {
                Some(found) => {
                    found.shape.add(event);
                    found
                }
                None => types.entry(event.event_type.clone()).or_insert(Found {
                    shape: Shape::new(event),
                    failed: 0,
                }),
            };
            if let Some(misfit) = contract.as_ref().and_then(|it| it.misfit(event)) {
                found.failed += 1;
                if failures.len() < MOST_NAMED {
                    failures.push(misfit);
                }
            }
        }
        let Some(last) = page.last() else { break };
        after = Some(last.position);
    }
    let types = types
        .into_iter()
        .map(|(event_type, Found { shape, failed })| TypeOut {
            known: is_known(&event_type),
            event_type,
            events: shape.events(),
            failed,
            first: shape.first(),
            last: shape.last(),
            differs: shape.differs(),
            fields: shape.fields(),
            fields_left_out: shape.leaves_out(),
        });
    let types: Vec<_> = types.collect();
    note_unused(&named, &types, output);
    let answer = Answer {
        ok: types.iter().all(|it| it.known && it.failed == 0),
        events: types.iter().map(|it| it.events).sum(),
        failed: types.iter().map(|it| it.failed).sum(),
        types,
        failures,
    };
    let ending = if answer.ok {
        Ending::Fine
    } else {
        Ending::NotClean
    };
    let printed = output.answer(&answer, || text(&answer));
    ending.once_printed(printed, output)
}

/// Says which types were named as known of which there is no event, where one that is not known may be meant.
fn note_unused(named: &BTreeSet<&str>, types: &[TypeOut], output: &Output) {
    let unknown = types.iter().filter(|it| !it.known);
    let unknown: Vec<_> = unknown.map(|it| it.event_type.as_str()).collect();
    for name in named {
        if types.iter().all(|it| it.event_type != *name) {
            let meant = did_you_mean(name, unknown.iter().copied());
            if !meant.is_empty() {
                output.note(&format!(
                    "there is no event of type {}{meant}",
                    plain_name(name)
                ));
            }
        }
    }
}

fn text(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for it in &answer.types {
        let mut line = format!(
            "{}{}  {}, {} to {}",
            plain_name(&it.event_type),
            if it.known { "" } else { " (not known)" },
            counted(it.events, "event"),
            it.first,
            it.last
        );
        if it.failed > 0 {
            line += &format!(", {} failed", it.failed);
        }
        lines.push(line);
        lines.extend(it.fields.iter().flat_map(FieldOut::lines));
        if it.fields_left_out {
            lines.push("  and more fields than are shown".to_owned());
        }
    }
    lines.extend(answer.failures.iter().map(Misfit::line));
    let left = answer.failed - answer.failures.len() as u64;
    if left > 0 {
        lines.push(format!("and {left} more that failed"));
    }
    let mut line = format!(
        "{} of {}",
        counted(answer.events, "event"),
        counted(answer.types.len() as u64, "type")
    );
    let unknown = answer.types.iter().filter(|it| !it.known).count();
    if unknown > 0 {
        line += &format!(", {unknown} of them not known");
    }
    if answer.failed > 0 {
        line += &format!("; {} failed", counted(answer.failed, "event"));
    }
    lines.push(line);
    lines.join("\n")
}
