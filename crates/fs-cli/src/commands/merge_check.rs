//! `trib merge-check`
//!
//! Here is what the present commit has and what is not committed; there is what the present commit does not have and the
//! revision has, also where a merge under way has put it into the work tree. So a hook of a merge gets the answer that it
//! would have got before.

use std::path::Path;

use anyhow::ensure;
use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_merge::{BranchOutline, ForkId, ForkOutline, MergePreview, preview_merge};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::commands::forks::MissingOut;
use crate::git::Git;
use crate::locate;
use crate::outcome::Ending;
use crate::output::{Output, counted, plain, plain_name};
use crate::progress;

/// More files that are missing are counted, and not listed.
const MAX_LISTED: usize = 10;

#[derive(Serialize)]
struct Answer {
    /// The commit.
    revision: String,
    arriving: u64,
    new: Vec<ForkOut>,
    open: Vec<ForkOut>,
    settled: Vec<ForkId>,
    left_out: Vec<FileOut>,
    complete: bool,
    missing: Vec<MissingOut>,
}

#[derive(Serialize)]
struct ForkOut {
    fork_id: ForkId,
    streams: Vec<StreamId>,
    branches: Vec<BranchOut>,
    takes_in: Vec<ForkId>,
    unsure: Vec<MissingOut>,
}

#[derive(Serialize)]
struct BranchOut {
    head: TransactionId,
    replica_id: ReplicaId,
    created_at: Timestamp,
    transactions: u64,
    arriving: u64,
}

#[derive(Serialize)]
struct FileOut {
    path: String,
    reason: String,
}

pub(crate) fn run(root: &Path, revision: &str, output: &mut Output) -> anyhow::Result<Ending> {
    FileEventStore::look_for(root).map_err(locate::not_opened)?;
    let git = Git::around(root)?;
    let commit = git.commit(revision)?;
    ensure!(
        git.has_store(&commit)? || git.tracks_store()?,
        "git tracks no file of the store {}; commit its events/ directory first",
        root.display()
    );
    git.check_requires(&commit)?;
    let preview = preview_merge(root, git.read(git.list_new(&commit)?)?, progress::bar())?;
    let answer = Answer::new(commit, preview);
    output.answer(&answer, || text(revision, &answer))?;
    Ok(if !answer.new.is_empty() || !answer.complete {
        Ending::NotClean
    } else {
        Ending::Fine
    })
}

impl Answer {
    fn new(revision: String, preview: MergePreview) -> Self {
        let left_out = preview.troubles.iter().map(|trouble| FileOut {
            path: format!("events/{}", trouble.path),
            reason: trouble.reason.to_string(),
        });
        Self {
            revision,
            arriving: preview.arriving,
            new: preview.new.into_iter().map(ForkOut::from).collect(),
            open: preview.open.into_iter().map(ForkOut::from).collect(),
            settled: preview.settled,
            left_out: left_out.collect(),
            complete: !preview.is_partial && preview.in_the_way.is_empty(),
            missing: preview.in_the_way.iter().map(MissingOut::from).collect(),
        }
    }
}

impl From<ForkOutline> for ForkOut {
    fn from(fork: ForkOutline) -> Self {
        Self {
            fork_id: fork.id,
            streams: fork.streams,
            branches: fork.branches.into_iter().map(BranchOut::from).collect(),
            takes_in: fork.takes_in,
            unsure: fork.unsure.iter().map(MissingOut::from).collect(),
        }
    }
}

impl From<BranchOutline> for BranchOut {
    fn from(branch: BranchOutline) -> Self {
        Self {
            head: branch.head,
            replica_id: branch.replica_id,
            created_at: branch.created_at,
            transactions: branch.transactions,
            arriving: branch.arriving,
        }
    }
}

fn text(revision: &str, answer: &Answer) -> String {
    let mut lines = vec![format!(
        "{} transaction(s) would arrive with {}",
        answer.arriving,
        plain(revision)
    )];
    for fork in &answer.new {
        let unsure = match fork.unsure.first() {
            Some(first) => format!(", unsure since {} is missing", plain(&first.path)),
            None => String::new(),
        };
        lines.push(format!(
            "new fork {} on {}{unsure}",
            fork.fork_id,
            streams(fork)
        ));
        for branch in &fork.branches {
            let who = match branch.replica_id {
                replica if replica.is_nil() => "a decision on a fork".to_owned(),
                replica => format!("by replica {replica}"),
            };
            lines.push(format!(
                "  branch {}  {}  {who}: {} transaction(s), {} of them arriving",
                branch.head, branch.created_at, branch.transactions, branch.arriving
            ));
        }
        let taken_in = fork.takes_in.iter();
        lines.extend(taken_in.map(|id| format!("  it takes in fork {id}, which is open now")));
    }
    for fork in &answer.open {
        lines.push(format!(
            "fork {} on {} is open now, and would be still",
            fork.fork_id,
            streams(fork)
        ));
    }
    for id in &answer.settled {
        lines.push(format!("fork {id} is open now, and would be settled"));
    }
    for file in &answer.left_out {
        lines.push(format!(
            "left out: {}: {}",
            plain(&file.path),
            plain(&file.reason)
        ));
    }
    for missing in answer.missing.iter().take(MAX_LISTED) {
        lines.push(format!(
            "not here or not usable: {}; forks with it cannot be told",
            plain(&missing.path)
        ));
    }
    let more = answer.missing.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        lines.push(format!("… {}", counted(more as u64, "more file")));
    }
    if !answer.complete {
        lines.push(
            "not everything could be looked at: put that right first, then ask again".to_owned(),
        );
    }
    lines.push(match answer.new.len() {
        0 => "no new fork".to_owned(),
        n => format!("{n} new fork(s): look at them after the merge with `trib forks`"),
    });
    lines.join("\n")
}

fn streams(fork: &ForkOut) -> String {
    let streams = fork.streams.iter().map(|it| plain_name(it.as_str()));
    streams.collect::<Vec<_>>().join(", ")
}
