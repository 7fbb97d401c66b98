//! `trib schema-check`
//!
//! **Invariant**: every stored event is looked at once, some hundred at a time.

mod shape;

use std::collections::{BTreeMap, BTreeSet};

use fs_format::Timestamp;
use fs_index::All;
use fs_store::FileEventStore;
use serde::Serialize;

use crate::commands::schema_check::shape::{FieldOut, Shape};
use crate::outcome::Ending;
use crate::output::{Output, plain};

/// How many events are read at a time.
const PAGE: usize = 1000;

/// An event type as it is shown.
#[derive(Serialize)]
struct TypeOut {
    event_type: String,
    known: bool,
    events: u64,
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
    types: Vec<TypeOut>,
}

pub(crate) fn run(
    store: &FileEventStore,
    known: &[String],
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.ingested_events(after, &All, PAGE)?;
        for event in &page {
            match shapes.get_mut(&event.event_type) {
                Some(shape) => shape.add(event),
                None => {
                    let shape = Shape::new(event);
                    shapes.insert(event.event_type.clone(), shape);
                }
            }
        }
        let Some(last) = page.last() else { break };
        after = Some(last.position);
    }
    let types = shapes.into_iter().map(|(event_type, shape)| TypeOut {
        known: known.is_empty() || known.contains(event_type.as_str()),
        event_type,
        events: shape.events(),
        first: shape.first(),
        last: shape.last(),
        differs: shape.differs(),
        fields: shape.fields(),
        fields_left_out: shape.leaves_out(),
    });
    let types: Vec<_> = types.collect();
    let answer = Answer {
        ok: types.iter().all(|it| it.known),
        events: types.iter().map(|it| it.events).sum(),
        types,
    };
    output.answer(&answer, || text(&answer))?;
    Ok(if answer.ok {
        Ending::Fine
    } else {
        Ending::NotClean
    })
}

fn text(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for it in &answer.types {
        lines.push(format!(
            "{}{}  {} events, {} to {}",
            plain(&it.event_type),
            if it.known { "" } else { " (not known)" },
            it.events,
            it.first,
            it.last
        ));
        lines.extend(it.fields.iter().flat_map(FieldOut::lines));
        if it.fields_left_out {
            lines.push("  and more fields than are shown".to_owned());
        }
    }
    let unknown = answer.types.iter().filter(|it| !it.known).count();
    lines.push(match unknown {
        0 => format!("{} events of {} types", answer.events, answer.types.len()),
        _ => format!(
            "{} events of {} types, {unknown} of them not known",
            answer.events,
            answer.types.len()
        ),
    });
    lines.join("\n")
}
