//! `trib status`

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{ReplicaId, Timestamp, TransactionId};
use fs_index::RejectedFile;
use fs_merge::{ForkId, OpenFork, StaleRead, open_forks, stale_reads};
use fs_store::{ConflictState, FileEventStore, NewerVersion, OmissionKind};
use serde::Serialize;

use crate::advice::Adviser;
use crate::commands::forks::MissingOut;
use crate::commands::vanished::AcceptedOut;
use crate::git::{self, FaultOut};
use crate::listing::{Listing, joined};
use crate::outcome::Ending;
use crate::output::{Output, plain, plain_name};
use crate::repeated::RepeatedOut;
use crate::rewritten::RewrittenOut;
use crate::view::Extent;

/// How a replica identity conflict stands that is not past.
const OURS: &str = "ours";
const THEIRS: &str = "theirs";

#[derive(Serialize)]
struct Answer {
    clean: bool,
    complete: bool,
    transactions: u64,
    events: u64,
    streams: u64,
    heads: Vec<TransactionId>,
    forks: Vec<ForkId>,
    unsure_forks: Vec<UnsureOut>,
    stale_reads: Vec<StaleRead>,
    dangling: Vec<DanglingOut>,
    incomplete: Vec<FileOut>,
    quarantined: Vec<FileOut>,
    rewritten: Vec<RewrittenOut>,
    repeated_commands: Vec<RepeatedOut>,
    replica_conflicts: Vec<ConflictOut>,
    clock_ahead: Vec<ClockOut>,
    recovered: Vec<TransactionId>,
    unrecovered: Vec<TransactionId>,
    git: Vec<FaultOut>,
    vanished: u64,
    accepted: Vec<AcceptedOut>,
    moved: Option<Timestamp>,
    newer_version: Option<NewerOut>,
    epoch: Option<String>,
    topology_generation: u64,
}

#[derive(Serialize)]
struct UnsureOut {
    fork_id: ForkId,
    missing: Vec<MissingOut>,
}

impl UnsureOut {
    fn of(fork: &OpenFork) -> Option<Self> {
        let missing: Vec<_> = fork.unsure.iter().map(MissingOut::from).collect();
        let fork_id = fork.id.clone();
        (!missing.is_empty()).then_some(Self { fork_id, missing })
    }
}

#[derive(Serialize)]
struct DanglingOut {
    transaction_id: TransactionId,
    missing: TransactionId,
    /// How it comes back.
    advice: String,
}

#[derive(Serialize)]
struct FileOut {
    path: String,
    reason: String,
}

#[derive(Serialize)]
struct ConflictOut {
    replica_id: ReplicaId,
    transactions: [TransactionId; 2],
    standing: &'static str,
}

#[derive(Serialize)]
struct NewerOut {
    path: String,
    format: u32,
    known: u32,
    #[serde(skip)]
    message: String,
}

impl From<&NewerVersion> for NewerOut {
    fn from(newer: &NewerVersion) -> Self {
        Self {
            path: newer.path.display().to_string(),
            format: newer.format,
            known: newer.known,
            message: newer.to_string(),
        }
    }
}

#[derive(Serialize)]
struct ClockOut {
    replica_id: ReplicaId,
    created_at: Timestamp,
}

pub(crate) fn run(
    store: &FileEventStore,
    check: bool,
    extent: Extent,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let status = store.status()?;
    let forks = open_forks(store)?;
    let faults = git::faults(store.root());
    let clean = status.is_clean() && forks.is_empty() && faults.is_empty();
    let adviser = Adviser::new(store);
    let absent = store.omissions()?;
    let absent: BTreeMap<_, _> = absent.iter().map(|it| (it.transaction_id, it)).collect();
    let how_to_mend = |missing| match absent.get(&Some(missing)) {
        Some(it) if it.kind != OmissionKind::Missing => Ok(format!("mend events/{}", it.path)),
        Some(it) => adviser.bring_back(&it.path),
        None => adviser.bring_back(&missing.relative_path()),
    };
    let mut dangling = Vec::with_capacity(status.dangling.len());
    for it in &status.dangling {
        dangling.push(DanglingOut {
            transaction_id: it.transaction_id,
            missing: it.missing,
            advice: how_to_mend(it.missing)?,
        });
    }
    let files = |troubles: &[RejectedFile]| -> anyhow::Result<Vec<FileOut>> {
        troubles.iter().map(|it| file(it, &adviser)).collect()
    };
    let (incomplete, quarantined) = (files(&status.incomplete)?, files(&status.quarantined)?);
    let answer = Answer {
        clean,
        complete: status.completeness.is_complete(),
        transactions: status.transactions,
        events: status.events,
        streams: status.streams,
        heads: status.heads,
        unsure_forks: forks.iter().filter_map(UnsureOut::of).collect(),
        forks: forks.into_iter().map(|fork| fork.id).collect(),
        stale_reads: stale_reads(store)?,
        dangling,
        incomplete,
        quarantined,
        rewritten: status
            .rewritten
            .into_iter()
            .map(RewrittenOut::from)
            .collect(),
        repeated_commands: status
            .repeated_commands
            .into_iter()
            .map(RepeatedOut::from)
            .collect(),
        replica_conflicts: status
            .replica_conflicts
            .into_iter()
            .map(|conflict| ConflictOut {
                replica_id: conflict.replica_id,
                transactions: conflict.transactions,
                standing: conflict_state(conflict.state),
            })
            .collect(),
        clock_ahead: status
            .clock_ahead
            .into_iter()
            .map(|ahead| ClockOut {
                replica_id: ahead.replica_id,
                created_at: ahead.created_at,
            })
            .collect(),
        recovered: status.recovered,
        unrecovered: status.unrecovered,
        git: faults.iter().map(FaultOut::from).collect(),
        vanished: status.vanished,
        accepted: status.accepted.into_iter().map(AcceptedOut::from).collect(),
        moved: status.moved,
        newer_version: store.newer_version().as_ref().map(NewerOut::from),
        epoch: status.epoch.map(|epoch| epoch.to_string()),
        topology_generation: status.topology_generation,
    };
    let ending = if check && !clean {
        Ending::NotClean
    } else {
        Ending::Fine
    };
    let printed = output.answer(&answer, || text(&answer, extent));
    ending.once_printed(printed, output)
}

fn conflict_state(state: ConflictState) -> &'static str {
    match state {
        ConflictState::Ours => OURS,
        ConflictState::Theirs => THEIRS,
        ConflictState::Past => "past",
    }
}

fn file(trouble: &RejectedFile, adviser: &Adviser<'_>) -> anyhow::Result<FileOut> {
    let advice = adviser.advise(&trouble.reason.remedy(&trouble.path))?;
    Ok(FileOut {
        path: format!("events/{}", trouble.path),
        reason: format!("{}; {advice}", trouble.reason),
    })
}

fn text(answer: &Answer, extent: Extent) -> String {
    let mut listing = Listing::new(extent, "trib status --all");
    listing.line(format!(
        "{} transactions, {} events, {} streams, {} head(s)",
        answer.transactions,
        answer.events,
        answer.streams,
        answer.heads.len()
    ));
    let unsure: BTreeSet<&ForkId> = answer.unsure_forks.iter().map(|it| &it.fork_id).collect();
    let sure = answer.forks.iter().filter(|id| !unsure.contains(id));
    listing.list(
        "unsure fork",
        answer.unsure_forks.iter().map(UnsureOut::text),
    );
    listing.list(
        "open fork",
        sure.map(|fork| {
            format!("fork {fork} is open: look at it with `trib forks`, settle it with `trib resolve {fork}`")
        }),
    );
    listing.list(
        "stale read",
        answer
            .stale_reads
            .iter()
            .map(|stale| stale_text(stale, extent)),
    );
    listing.list(
        "dangling transaction",
        answer.dangling.iter().map(DanglingOut::text),
    );
    let files = answer.incomplete.iter().chain(&answer.quarantined);
    listing.list(
        "file",
        files.map(|file| format!("{}: {}", plain(&file.path), plain(&file.reason))),
    );
    listing.list(
        "rewritten transaction",
        answer.rewritten.iter().map(RewrittenOut::text),
    );
    listing.list(
        "repeated command",
        answer.repeated_commands.iter().map(RepeatedOut::text),
    );
    listing.list(
        "replica",
        answer.replica_conflicts.iter().map(ConflictOut::text),
    );
    listing.list(
        "replica",
        answer.clock_ahead.iter().map(|ahead| {
            format!(
                "replica {} is ahead of this machine's clock: its newest transaction is dated {}",
                ahead.replica_id, ahead.created_at
            )
        }),
    );
    listing.list(
        "transaction",
        answer.recovered.iter().map(|transaction_id| {
            format!("recovered: a power cut had taken {transaction_id}, and it was written again from the log")
        }),
    );
    listing.list(
        "transaction",
        answer.unrecovered.iter().map(|transaction_id| {
            format!("not recovered: a power cut had taken {transaction_id}, and only the log has it; open the store once where it may be written to")
        }),
    );
    for fault in &answer.git {
        listing.line(fault.message.clone());
    }
    if let Some(moved) = answer.moved {
        listing.line(format!(
            "moved: since {moved} this store is on another machine and another device than before; if its disk was cloned and the other one is still in use, run `trib adopt` here"
        ));
    }
    if let Some(newer) = &answer.newer_version {
        listing.line(format!("read only: {}", plain(&newer.message)));
    }
    if answer.vanished > 0 {
        listing.line(format!(
            "{} transaction(s) whose files went away are kept: `trib restore` lists and brings back, `trib forget` lets go",
            answer.vanished
        ));
    }
    if extent == Extent::ALL {
        listing.list("file", answer.accepted.iter().map(AcceptedOut::text));
    }
    listing.line(if answer.clean { "clean" } else { "not clean" });
    listing.into_text()
}

fn stale_text(stale: &StaleRead, extent: Extent) -> String {
    let ids = stale.transactions.iter().map(ToString::to_string);
    format!(
        "stale read: {} decided on stream {} while {} other transaction(s) wrote it; compare with `trib read` of that stream, and append what makes up for it if need be",
        joined(ids, extent.branches),
        plain_name(stale.stream_id.as_str()),
        stale.written_by.len()
    )
}

impl UnsureOut {
    fn text(&self) -> String {
        let Self { fork_id, missing } = self;
        let first = missing.first().map_or("", |first| first.path.as_str());
        let more = match missing.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        format!(
            "fork {fork_id} is unsure: it may be none, since {}{more} is missing or cannot be used; bring that back first",
            plain(first)
        )
    }
}

impl DanglingOut {
    fn text(&self) -> String {
        let Self {
            transaction_id,
            missing,
            advice,
        } = self;
        format!(
            "dangling: {transaction_id} names a parent that is not here, {missing}; {}",
            plain(advice)
        )
    }
}

impl ConflictOut {
    fn text(&self) -> String {
        let [one, other] = self.transactions;
        let what_to_do = match self.standing {
            OURS => {
                "two working copies share its identity, and this is one; give it its own with `trib adopt`"
            }
            THEIRS => {
                "two other working copies share its identity; each is to take its own with `trib adopt`"
            }
            _ => "that is past, and nothing is to be done here",
        };
        format!(
            "replica {} appended {one} and {other} side by side: {what_to_do}",
            self.replica_id
        )
    }
}
