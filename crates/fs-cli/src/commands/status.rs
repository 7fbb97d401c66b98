//! `trib status`

use fs_format::{ReplicaId, Timestamp, TransactionId};
use fs_index::Trouble;
use fs_merge::{ForkId, StaleRead, open_forks, stale_reads};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::outcome::Ending;
use crate::output::{Output, plain};

#[derive(Serialize)]
struct Answer {
    clean: bool,
    transactions: u64,
    events: u64,
    streams: u64,
    heads: Vec<TransactionId>,
    forks: Vec<ForkId>,
    stale_reads: Vec<StaleRead>,
    dangling: Vec<DanglingOut>,
    incomplete: Vec<FileOut>,
    quarantined: Vec<FileOut>,
    replica_conflicts: Vec<ConflictOut>,
    clock_ahead: Vec<ClockOut>,
    epoch: Option<String>,
    topology_generation: u64,
}

#[derive(Serialize)]
struct DanglingOut {
    transaction_id: TransactionId,
    missing: TransactionId,
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
}

#[derive(Serialize)]
struct ClockOut {
    replica_id: ReplicaId,
    created_at: Timestamp,
}

pub(crate) fn run(
    store: &FileEventStore,
    check: bool,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let status = store.status()?;
    let forks = open_forks(store)?;
    let clean = status.is_clean() && forks.is_empty();
    let answer = Answer {
        clean,
        transactions: status.transactions,
        events: status.events,
        streams: status.streams,
        heads: status.heads,
        forks,
        stale_reads: stale_reads(store)?,
        dangling: status
            .dangling
            .into_iter()
            .map(|dangling| DanglingOut {
                transaction_id: dangling.transaction_id,
                missing: dangling.missing,
            })
            .collect(),
        incomplete: status.incomplete.iter().map(file).collect(),
        quarantined: status.quarantined.iter().map(file).collect(),
        replica_conflicts: status
            .replica_conflicts
            .into_iter()
            .map(|conflict| ConflictOut {
                replica_id: conflict.replica_id,
                transactions: conflict.transactions,
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
        epoch: status.epoch.map(|epoch| epoch.to_string()),
        topology_generation: status.topology_generation,
    };
    output.answer(&answer, || text(&answer))?;
    Ok(if check && !clean {
        Ending::NotClean
    } else {
        Ending::Fine
    })
}

fn file(trouble: &Trouble) -> FileOut {
    let path = format!("events/{}", trouble.path);
    let reason = if trouble.reason.is_incomplete() {
        format!(
            "{}; restore it with `git checkout -- {path}` in the store's directory",
            trouble.reason
        )
    } else {
        trouble.reason.to_string()
    };
    FileOut { path, reason }
}

fn text(answer: &Answer) -> String {
    let mut lines = vec![format!(
        "{} transactions, {} events, {} streams, {} head(s)",
        answer.transactions,
        answer.events,
        answer.streams,
        answer.heads.len()
    )];
    for fork in &answer.forks {
        lines.push(format!("fork {fork} is open: look at it with `trib forks`, settle it with `trib resolve {fork}`"));
    }
    for stale in &answer.stale_reads {
        lines.push(format!(
            "stale read: {} decided on stream {} while {} other transaction(s) wrote it",
            stale.transaction_id,
            plain(stale.stream_id.as_str()),
            stale.written_by.len()
        ));
    }
    for dangling in &answer.dangling {
        lines.push(format!("dangling: {} names a parent that is not here, {}; pull or merge the rest of its history", dangling.transaction_id, dangling.missing));
    }
    for file in answer.incomplete.iter().chain(&answer.quarantined) {
        lines.push(format!("{}: {}", plain(&file.path), plain(&file.reason)));
    }
    for conflict in &answer.replica_conflicts {
        lines.push(format!(
            "replica {} appended {} and {} side by side: two working copies share its identity",
            conflict.replica_id, conflict.transactions[0], conflict.transactions[1]
        ));
    }
    for ahead in &answer.clock_ahead {
        lines.push(format!(
            "replica {} is ahead of this machine's clock: its newest transaction is dated {}",
            ahead.replica_id, ahead.created_at
        ));
    }
    lines.push(if answer.clean {
        "clean".to_owned()
    } else {
        "not clean".to_owned()
    });
    lines.join("\n")
}
