//! What was written about a fork, or would be.

use fs_format::{EventId, Json, StreamId, TransactionId};
use fs_merge::{ForkId, Planned, Report, Settled};

use serde::Serialize;

use crate::listing::{Listing, MAX_ITEMS, joined};
use crate::output::{Output, counted, plain, plain_name};
use crate::view::Extent;

/// A merge transaction that was written, or one that was not.
pub(crate) enum Done {
    Settled(Settled),
    Planned(Box<Planned>),
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum DoneOut<'a> {
    Settled(SettledOut<'a>),
    Planned(PlannedOut<'a>),
}

#[derive(Serialize)]
pub(crate) struct SettledOut<'a> {
    fork_id: &'a ForkId,
    transaction_id: TransactionId,
    steps: Vec<TransactionId>,
    resolved: &'a [StreamId],
}

#[derive(Serialize)]
pub(crate) struct PlannedOut<'a> {
    fork_id: &'a ForkId,
    transaction_id: TransactionId,
    steps: Vec<TransactionId>,
    resolved: &'a [StreamId],
    path: String,
    parents: Vec<TransactionId>,
    metadata: &'a Json<'static>,
    events: Vec<PlannedEvent<'a>>,
}

#[derive(Serialize)]
struct PlannedEvent<'a> {
    stream_id: &'a StreamId,
    version: u64,
    event_id: EventId,
    event_type: &'a str,
    event_data: &'a Json<'static>,
    metadata: &'a Json<'static>,
}

/// What `--all` did.
#[derive(Serialize)]
pub(crate) struct ReportOut<'a> {
    settled: Vec<SettledOut<'a>>,
    planned: Vec<PlannedOut<'a>>,
    failed: Vec<FailedOut<'a>>,
    changed: &'a [ForkId],
}

#[derive(Serialize)]
struct FailedOut<'a> {
    fork_id: &'a ForkId,
    error: String,
}

impl Done {
    /// Lets the output know what was written.
    pub(crate) fn remember(&self, output: &mut Output) {
        for settled in self.settled() {
            output.changed(format!(
                "the fork is settled by transaction {}; `trib log` shows it",
                settled.transaction_id
            ));
        }
    }

    /// Returns what was written.
    pub(crate) fn settled(&self) -> &[Settled] {
        match self {
            Self::Settled(settled) => std::slice::from_ref(settled),
            Self::Planned(_) => &[],
        }
    }

    pub(crate) fn out(&self) -> DoneOut<'_> {
        match self {
            Self::Settled(settled) => DoneOut::Settled(settled.into()),
            Self::Planned(planned) => DoneOut::Planned(planned.as_ref().into()),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Settled(settled) => SettledOut::from(settled).text(),
            Self::Planned(planned) => PlannedOut::from(planned.as_ref()).text(),
        }
    }
}

impl SettledOut<'_> {
    fn text(&self) -> String {
        let by = format!(
            "settled {} by {}",
            names(self.resolved),
            self.transaction_id
        );
        match self.steps.len() {
            0 => by,
            steps => format!(
                "{by}, in {} steps: the fork has more branches than a transaction may have parents, so the first {steps} joined some of them",
                steps + 1
            ),
        }
    }
}

impl PlannedOut<'_> {
    fn text(&self) -> String {
        let parents = self.parents.iter().map(ToString::to_string);
        let mut lines = vec![
            format!(
                "would settle {} by {}",
                names(self.resolved),
                self.transaction_id
            ),
            format!("  file     {}", self.path),
            format!("  parents  {}", parents.collect::<Vec<_>>().join(", ")),
        ];
        if !self.steps.is_empty() {
            let steps = counted(self.steps.len() as u64, "transaction");
            lines.push(format!(
                "  before   {steps} without events that join branches"
            ));
        }
        if !self.metadata.is_empty_object() {
            lines.push(format!("  metadata {}", plain(self.metadata.as_str())));
        }
        let events = self.events.iter().map(|event| {
            let (stream_id, data) = (event.stream_id.as_str(), event.event_data.as_str());
            format!(
                "  event    {} {}  {}  {}",
                plain_name(stream_id),
                event.version,
                plain_name(event.event_type),
                plain(data)
            )
        });
        lines.extend(events);
        if self.events.is_empty() {
            lines.push("  no event: all branches stand as they are".to_owned());
        }
        lines.push("nothing was written".to_owned());
        lines.join("\n")
    }
}

impl ReportOut<'_> {
    pub(crate) fn text(&self) -> String {
        let mut listing = Listing::new(Extent::READABLE, "trib log");
        listing.list("settled fork", self.settled.iter().map(SettledOut::text));
        listing.shows_all_by("trib forks --all");
        listing.list(
            "planned settlement",
            self.planned.iter().map(PlannedOut::text),
        );
        let failed = self.failed.iter();
        listing.list(
            "fork that stays open",
            failed.map(|it| format!("fork {} stays open: {}", it.fork_id, plain(&it.error))),
        );
        let changed = self.changed.iter();
        listing.list(
            "fork that changed",
            changed.map(|id| format!("fork {id} changed meanwhile: look again with `trib forks`")),
        );
        if listing.is_empty() {
            listing.line("nothing to settle: no fork is open");
        }
        listing.into_text()
    }
}

impl<'a> From<&'a Settled> for SettledOut<'a> {
    fn from(settled: &'a Settled) -> Self {
        Self {
            fork_id: &settled.fork_id,
            transaction_id: settled.transaction_id,
            steps: settled.steps.clone(),
            resolved: &settled.resolved,
        }
    }
}

impl<'a> From<&'a Planned> for PlannedOut<'a> {
    fn from(planned: &'a Planned) -> Self {
        let events = planned.events.iter().map(|event| PlannedEvent {
            stream_id: &event.stream_id,
            version: event.stream_version,
            event_id: event.event_id,
            event_type: &event.event_type,
            event_data: &event.event_data,
            metadata: &event.metadata,
        });
        let parents = planned.header.parents.iter();
        Self {
            fork_id: &planned.fork_id,
            transaction_id: planned.transaction_id,
            steps: planned
                .steps
                .iter()
                .map(|step| step.transaction_id)
                .collect(),
            resolved: &planned.resolved,
            path: format!("events/{}", planned.path),
            parents: parents.map(|parent| parent.transaction_id).collect(),
            metadata: &planned.header.metadata,
            events: events.collect(),
        }
    }
}

impl<'a> From<&'a Report> for ReportOut<'a> {
    fn from(report: &'a Report) -> Self {
        let failed = report.failed.iter().map(|it| FailedOut {
            fork_id: &it.fork_id,
            error: fs_store::report(&it.error),
        });
        let declined = report.declined.iter().map(|it| FailedOut {
            fork_id: &it.fork_id,
            error: it.reason.clone(),
        });
        Self {
            settled: report.settled.iter().map(SettledOut::from).collect(),
            planned: report.planned.iter().map(PlannedOut::from).collect(),
            failed: failed.chain(declined).collect(),
            changed: &report.changed,
        }
    }
}

fn names(streams: &[StreamId]) -> String {
    let names = streams
        .iter()
        .map(|stream_id| plain_name(stream_id.as_str()));
    joined(names, MAX_ITEMS)
}
