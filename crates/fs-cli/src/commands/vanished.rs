//! `trib restore`, `trib forget`

use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_store::{FileEventStore, Omission, Vanished};
use serde::Serialize;

use super::notes;
use crate::listing::{Listing, MAX_ITEMS, joined};
use crate::outcome::{Ending, Usage};
use crate::output::{Output, counted, plain, plain_name};
use crate::view::Extent;

/// A transaction whose file went away.
#[derive(Serialize)]
struct VanishedOut {
    transaction_id: TransactionId,
    created_at: Option<Timestamp>,
    replica_id: Option<ReplicaId>,
    streams: Vec<StreamId>,
    events: Option<u64>,
    obstacle: Option<String>,
}

#[derive(Serialize)]
struct Restored {
    restored: Vec<TransactionId>,
}

#[derive(Serialize)]
struct Forgotten {
    forgotten: Vec<VanishedOut>,
    accepted: Vec<AcceptedOut>,
}

/// A transaction that is missed no more.
#[derive(Serialize)]
pub(crate) struct AcceptedOut {
    transaction_id: Option<TransactionId>,
    pub(crate) path: String,
}

impl AcceptedOut {
    pub(crate) fn text(&self) -> String {
        format!(
            "accepted: {} is missing or damaged, and nobody misses it here any more",
            plain(&self.path)
        )
    }
}

impl From<Omission> for AcceptedOut {
    fn from(omission: Omission) -> Self {
        Self {
            transaction_id: omission.transaction_id,
            path: format!("events/{}", omission.path),
        }
    }
}

pub(crate) fn restore(
    store: &FileEventStore,
    transactions: &[String],
    all: bool,
    commit: bool,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    if transactions.is_empty() && !all {
        if commit {
            return Err(Usage("say what to bring back and commit: TX, or --all".to_owned()).into());
        }
        return list(store, output);
    }
    let ids = if all {
        let vanished = store.vanished()?.into_iter();
        let restorable = vanished.filter(|it| it.obstacle.is_none());
        restorable.map(|it| it.transaction_id).collect()
    } else {
        parse(transactions)?
    };
    let answer = Restored {
        restored: store.restore(&ids)?,
    };
    if !answer.restored.is_empty() {
        output.changed("the transactions are brought back; `trib log` shows them");
    }
    output.answer(&answer, || {
        let mut listing = Listing::new(Extent::READABLE, "trib log");
        let restored = answer.restored.iter();
        listing.list(
            "restored transaction",
            restored.map(|id| format!("restored {id}")),
        );
        if answer.restored.is_empty() {
            listing.line("there is nothing to restore");
        }
        listing.into_text()
    })?;
    let count = counted(answer.restored.len() as u64, "transaction");
    let message = format!("Restore {count}");
    notes::written(store, &answer.restored, message, commit, output)?;
    Ok(Ending::Fine)
}

pub(crate) fn forget(
    store: &FileEventStore,
    transactions: &[String],
    all: bool,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let wanted = parse(transactions)?;
    let vanished = store.vanished()?.into_iter();
    let forgotten: Vec<_> = vanished
        .filter(|it| all || wanted.contains(&it.transaction_id))
        .map(VanishedOut::from)
        .collect();
    for it in &forgotten {
        output.say(&format!("forgetting {}", text(it)))?;
    }
    output.flush()?;
    let ids: Vec<_> = if all {
        forgotten.iter().map(|it| it.transaction_id).collect()
    } else {
        wanted
    };
    let accepted = store.forget(&ids)?;
    output.changed("the transactions are forgotten");
    let answer = Forgotten {
        forgotten,
        accepted: accepted.into_iter().map(AcceptedOut::from).collect(),
    };
    output.answer(&answer, || {
        let accepted = answer.accepted.iter();
        let mut listing = Listing::new(Extent::READABLE, "trib status --all");
        listing.list(
            "accepted transaction",
            accepted.map(|it| format!("missed no more in this working copy: {}", plain(&it.path))),
        );
        listing.line(format!("{} transaction(s) forgotten", ids.len()));
        listing.into_text()
    })?;
    notes::renewed(store, output);
    Ok(Ending::Fine)
}

fn list(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let vanished = store.vanished()?.into_iter();
    let answer: Vec<_> = vanished.map(VanishedOut::from).collect();
    output.answer(&answer, || {
        let mut listing = Listing::new(Extent::READABLE, "trib restore --json");
        listing.list("transaction", answer.iter().map(text));
        listing.line(if answer.is_empty() {
            "nothing is kept of any transaction that went away"
        } else {
            "bring back with `trib restore TX...` or `trib restore --all`, let go with `trib forget TX...`"
        });
        listing.into_text()
    })?;
    Ok(Ending::Fine)
}

fn parse(transactions: &[String]) -> anyhow::Result<Vec<TransactionId>> {
    let parse = |text: &String| {
        TransactionId::parse(text)
            .map_err(|error| Usage(format!("{text:?} cannot be a transaction: {error}")).into())
    };
    transactions.iter().map(parse).collect()
}

fn text(it: &VanishedOut) -> String {
    let mut parts = vec![it.transaction_id.to_string()];
    parts.extend(it.created_at.map(|created_at| created_at.to_string()));
    if !it.streams.is_empty() {
        let streams = it.streams.iter().map(|it| plain_name(it.as_str()));
        parts.push(joined(streams, MAX_ITEMS));
    }
    let mut text = parts.join("  ");
    if let Some(obstacle) = &it.obstacle {
        text = format!("{text}\n    cannot be restored: {}", plain(obstacle));
    }
    text
}

impl From<Vanished> for VanishedOut {
    fn from(it: Vanished) -> Self {
        let summary = it.summary.as_ref();
        Self {
            transaction_id: it.transaction_id,
            created_at: summary.map(|summary| summary.created_at),
            replica_id: summary.map(|summary| summary.replica_id),
            events: summary.map(|summary| summary.events),
            obstacle: it.obstacle.map(|obstacle| obstacle.to_string()),
            streams: it
                .summary
                .map(|summary| summary.streams)
                .unwrap_or_default(),
        }
    }
}
