//! One transaction over very many streams: a stream costs less than its transaction.
//!
//! Each test would take minutes or hours otherwise.

use std::collections::BTreeSet;

use fs_format::FormatVersion;
use fs_merge::{Outcome, settle, stale_reads};

use crate::disk::Place;
use crate::model::{Draft, Model, stream};

const STREAMS: usize = 10_000;

fn names() -> Vec<String> {
    (0..STREAMS).map(|nth| format!("s{nth}")).collect()
}

#[test]
fn a_fork_on_very_many_streams_is_shown_and_settled() {
    let names = names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut model = Model::default();
    let below = model.write(0, &[], &["s7"]);
    let (one, other) = (
        model.write(1, &[below], &names),
        model.write(2, &[below], &names),
    );
    let place = Place::of(&model);
    let fork = place.forks().remove(0);
    assert_eq!(fork.streams.len(), STREAMS);
    for of in &fork.streams {
        let is_forked_above = of.stream_id == stream("s7");
        assert_eq!(of.base_version, u64::from(is_forked_above));
        let since: Vec<_> = of.events_since.iter().map(|it| it.transaction_id).collect();
        let mut members = model.ids(&[one, other]);
        members.sort_unstable_by_key(|id| since.iter().position(|it| it == id));
        assert_eq!(since, members, "each side wrote {} once", of.stream_id);
    }
    let settled = settle(&place.store, &fork, &Outcome::new()).unwrap();
    assert_eq!(settled.resolved.len(), STREAMS);
    assert_eq!(place.forks(), [], "it is settled on all of them");
}

#[test]
fn a_decision_on_very_many_streams_is_a_stale_read_where_one_was_written() {
    let names = names();
    let mut model = Model::default();
    let written = model.write(1, &[], &["s7"]);
    let reader = model.add(Draft {
        replica: 2,
        parents: BTreeSet::new(),
        streams: names.iter().map(|name| (stream(name), 0)).collect(),
        resolves: BTreeSet::new(),
        listed: None,
        format_version: FormatVersion::V3,
        ahead: 0,
    });
    let found = stale_reads(&Place::of(&model).store).unwrap();
    assert_eq!(found.len(), 1, "one of the streams was written");
    assert_eq!(found[0].stream_id, stream("s7"));
    assert_eq!(found[0].transactions, model.ids(&[reader]));
    assert_eq!(found[0].written_by, model.ids(&[written]));
}
