//! `trib merge-check`
//!
//! Here is what the present commit has and what is not committed; there is what the present commit does not have and the
//! revision has, also where a merge under way has put it into the work tree. So a hook of a merge gets the answer that it
//! would have got before. In a bare repository, here is what the present commit has.

use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{Omission, OmissionKind};
use fs_merge::{BranchOutline, ForkId, ForkOutline, MergePreview, preview_merge};
use fs_store::{FileEventStore, report};
use serde::Serialize;

use crate::commands::forks::MissingOut;
use crate::git::{BareAt, Git, LaidOut};
use crate::listing::{Listing, MAX_ITEMS, joined};
use crate::locate;
use crate::outcome::Ending;
use crate::output::{Output, plain, plain_name};
use crate::progress;
use crate::view::Extent;

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

pub(crate) fn run(
    store: Option<&Path>,
    revision: &str,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let (git, root) = find(store)?;
    let commit = git.commit(revision)?;
    if !git.has_store(&commit)? && !git.tracks_store()? {
        match git.path_of_store() {
            Some(path) => bail!(
                "no commit that is asked about has events in {path}; name the directory of the store in this repository with --store DIR"
            ),
            None => bail!(
                "git tracks no file of the store {}; commit its events/ directory first",
                root.path().display()
            ),
        }
    }
    git.check_requires(&commit)?;
    let incoming = git.read(git.list_new(&commit)?)?;
    let mut preview = preview_merge(root.path(), incoming, &git.absent()?, progress::bar())?;
    if let Some(error) = &preview.unread_acceptance {
        output.note(&format!(
            "what was accepted to be missing counts as missing: {}",
            report(error.as_ref())
        ));
    }
    if let Root::LaidOut(laid_out) = &root {
        preview
            .in_the_way
            .extend(laid_out.omissions.iter().cloned());
    }
    let removed = git.removed_by(&commit)?;
    preview.in_the_way.extend(removed.into_iter().map(|path| {
        Omission {
            kind: OmissionKind::Missing,
            transaction_id: fs_format::check_name(&path)
                .ok()
                .map(|location| location.transaction_id()),
            path,
        }
    }));
    let answer = Answer::new(commit, preview);
    let ending = if !answer.new.is_empty() || !answer.complete {
        Ending::NotClean
    } else {
        Ending::Fine
    };
    let printed = output.answer(&answer, || text(revision, &answer));
    ending.once_printed(printed, output)
}

/// The store that is asked about.
enum Root {
    InWorkTree(PathBuf),
    LaidOut(LaidOut),
}

impl Root {
    fn path(&self) -> &Path {
        match self {
            Self::InWorkTree(path) => path,
            Self::LaidOut(laid_out) => laid_out.root(),
        }
    }
}

/// Finds the store and its repository; in a bare one, the store that the present commit has.
fn find(store: Option<&Path>) -> anyhow::Result<(Git, Root)> {
    let bare = |at| {
        let git = Git::of_bare(at, store)?;
        let laid_out = |git: Git| Ok((git.lay_out()?, git));
        let found: anyhow::Result<_> = git.map(laid_out).transpose();
        anyhow::Ok(found?.map(|(laid_out, git)| (git, Root::LaidOut(laid_out))))
    };
    let is_here = store.is_some_and(|store| FileEventStore::look_for(store).is_ok());
    if !is_here && let Some(found) = bare(BareAt::Here)? {
        return Ok(found);
    }
    let there = locate::root(store).and_then(|root| {
        FileEventStore::look_for(&root).map_err(locate::not_opened)?;
        Ok(root)
    });
    match there {
        Ok(root) => Ok((Git::around(&root)?, Root::InWorkTree(root))),
        Err(error) => bare(BareAt::Environment)?.ok_or(error),
    }
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
    let mut listing = Listing::new(Extent::READABLE, "trib merge-check REV --json");
    listing.line(format!(
        "{} transaction(s) would arrive with {}",
        answer.arriving,
        plain(revision)
    ));
    listing.list("new fork", answer.new.iter().map(ForkOut::text));
    listing.list(
        "open fork",
        answer.open.iter().map(|fork| {
            format!(
                "fork {} on {} is open now, and would be still",
                fork.fork_id,
                fork.streams()
            )
        }),
    );
    let settled = answer.settled.iter();
    listing.list(
        "open fork",
        settled.map(|id| format!("fork {id} is open now, and would be settled")),
    );
    listing.list(
        "file left out",
        answer
            .left_out
            .iter()
            .map(|file| format!("left out: {}: {}", plain(&file.path), plain(&file.reason))),
    );
    listing.list(
        "file",
        answer.missing.iter().map(|missing| {
            format!(
                "not here or not usable: {}; forks with it cannot be told",
                plain(&missing.path)
            )
        }),
    );
    if !answer.complete {
        listing.line("not everything could be looked at: put that right first, then ask again");
    }
    listing.line(match answer.new.len() {
        0 => "no new fork".to_owned(),
        n => format!("{n} new fork(s): look at them after the merge with `trib forks`"),
    });
    listing.into_text()
}

impl ForkOut {
    fn text(&self) -> String {
        let unsure = match self.unsure.first() {
            Some(first) => format!(", unsure since {} is missing", plain(&first.path)),
            None => String::new(),
        };
        let mut listing = Listing::new(Extent::READABLE, "trib merge-check REV --json");
        listing.line(format!(
            "new fork {} on {}{unsure}",
            self.fork_id,
            self.streams()
        ));
        let branches = self.branches.iter();
        listing.list("branch", branches.map(BranchOut::text));
        let taken_in = self.takes_in.iter();
        listing.list(
            "fork that it takes in",
            taken_in.map(|id| format!("  it takes in fork {id}, which is open now")),
        );
        listing.into_text()
    }

    fn streams(&self) -> String {
        let streams = self.streams.iter().map(|it| plain_name(it.as_str()));
        joined(streams, MAX_ITEMS)
    }
}

impl BranchOut {
    fn text(&self) -> String {
        let who = match self.replica_id {
            replica if replica.is_nil() => "a decision on a fork".to_owned(),
            replica => format!("by replica {replica}"),
        };
        format!(
            "  branch {}  {}  {who}: {} transaction(s), {} of them arriving",
            self.head, self.created_at, self.transactions, self.arriving
        )
    }
}
