//! `trib resolve`
//!
//! **Invariant**: nothing is decided that was not asked for, by an option or by an answer to a question.

mod answer;
mod ask;
mod choice;

use std::io::{IsTerminal, stdin, stdout};

use fs_merge::{
    ForkContext, Outcome, Raw, Reconcile, ReconcileError, Report, Resolution, Settled, plan, settle,
};
use fs_store::{AppendError, FileEventStore};

use crate::args::ResolveArgs;
use crate::commands::find::{self, the_one};
use crate::commands::notes;
use crate::outcome::{Ending, Usage};
use crate::output::Output;
use answer::{Done, ReportOut};
use choice::Choice;

/// What to do about a fork that is declined since something is missing.
const UNSURE: &str = "nothing was written, since the fork may be none: `trib status` says how what is missing comes back, `trib forget TX` accepts that it is gone, and --anyway settles the fork all the same";

/// What to do about a version that is expected where a part of the stream is missing.
const HOLE: &str = "nothing was written, since a version is expected of a stream with a hole: `trib status` says how what is missing comes back, `trib forget TX` accepts that it is gone, and --anyway settles the fork on what is there";

pub(crate) fn run(
    store: &FileEventStore,
    args: ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let is_wrong_name = |name: &String| -> anyhow::Result<bool> {
        let mut streams = store.streams()?.into_iter();
        Ok(!streams.any(|(stream_id, _)| stream_id.as_str() == name))
    };
    if find::is_none_open(store)? && !args.fork.as_ref().map_or(Ok(false), is_wrong_name)? {
        let nothing = Report::default();
        let out = ReportOut::from(&nothing);
        output.answer(&out, || out.text())?;
        return Ok(Ending::Fine);
    }
    let Some(choice) = Choice::of(&args) else {
        check_that_one_can_be_asked(&args, output)?;
        return ask::run(store, &args, output);
    };
    let Some(name) = &args.fork else {
        return if args.all {
            settle_all(store, &choice, &args, output)
        } else {
            Err(Usage("name the fork or one of its streams, as `trib forks` lists them, or give --all with --accept or --latest".to_owned()).into())
        };
    };
    let fork = the_one(find::open(store)?, name)?;
    let fork = if args.anyway { fork.anyway() } else { fork };
    let outcome = choice.outcome(&fork)?;
    let outcome = signed(outcome, &args, args.reason.as_deref());
    let done = carry_out(store, &fork, &outcome, &args).map_err(told)?;
    done.remember(output);
    output.answer(&done.out(), || done.text())?;
    commit(store, done.settled(), &args, output)?;
    Ok(Ending::Fine)
}

/// Commits what was settled, or tells how to.
fn commit(
    store: &FileEventStore,
    settled: &[Settled],
    args: &ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    let ids = settled
        .iter()
        .flat_map(|it| it.steps.iter().chain([&it.transaction_id]));
    let ids: Vec<_> = ids.copied().collect();
    let message = match settled {
        [settled] => format!("Settle fork {}", settled.fork_id),
        settled => format!("Settle {} forks", settled.len()),
    };
    notes::written(store, &ids, message, args.commit, output)
}

/// # Errors
/// [`Usage`] when there is nobody to ask, naming the choices.
fn check_that_one_can_be_asked(args: &ResolveArgs, output: &Output) -> Result<(), Usage> {
    if output.is_json() && args.interactive {
        return Err(Usage(
            "questions are not asked in JSON; leave --json or --interactive away".to_owned(),
        ));
    }
    let is_terminal = || stdin().is_terminal() && stdout().is_terminal();
    if args.interactive || !output.is_json() && is_terminal() {
        return Ok(());
    }
    Err(Usage("say what to do with the fork that `trib forks` shows: --keep TX, --accept, --latest or --events FILE; without one, it is only asked on a terminal".to_owned()))
}

/// Writes the merge transaction, or tells what would be written.
fn carry_out(
    store: &FileEventStore,
    fork: &ForkContext,
    outcome: &Outcome,
    args: &ResolveArgs,
) -> Result<Done, ReconcileError> {
    if args.dry_run {
        plan(store, fork, outcome).map(|planned| Done::Planned(Box::new(planned)))
    } else {
        settle(store, fork, outcome).map(Done::Settled)
    }
}

fn settle_all(
    store: &FileEventStore,
    choice: &Choice,
    args: &ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let reason = args.reason.as_deref();
    let resolver = |fork: &ForkContext| match choice.outcome(fork) {
        Ok(outcome) => Resolution::Resolve(signed(outcome, args, reason)),
        Err(error) => Resolution::unresolvable(error.to_string()),
    };
    let mut reconcile = Reconcile::new(store);
    if args.dry_run {
        reconcile = reconcile.dry_run();
    }
    if args.anyway {
        reconcile = reconcile.anyway();
    }
    let report = reconcile.run::<Raw>(&resolver)?;
    if !report.settled.is_empty() {
        output.changed(format!(
            "{} fork(s) are settled; `trib forks` lists what is still open",
            report.settled.len()
        ));
    }
    let out = ReportOut::from(&report);
    output.answer(&out, || out.text())?;
    commit(store, &report.settled, args, output)?;
    let mut failed = report.failed.iter();
    Ok(if report.is_complete() {
        Ending::Fine
    } else if failed.any(|failed| failed.error.is_of_what_is_missing()) {
        Ending::Incomplete
    } else {
        Ending::NotClean
    })
}

/// Adds who decided and why to an outcome.
fn signed(outcome: Outcome, args: &ResolveArgs, reason: Option<&str>) -> Outcome {
    let outcome = match &args.author {
        Some(author) => outcome.author(author),
        None => outcome,
    };
    match reason {
        Some(reason) => outcome.reason(reason),
        None => outcome,
    }
}

/// Adds what to do to the failure of a settlement.
fn told(error: ReconcileError) -> anyhow::Error {
    let advice = match &error {
        ReconcileError::ForkChanged { .. } => {
            "nothing was written: look again with `trib forks`, then decide anew"
        }
        ReconcileError::Unsure { .. } => UNSURE,
        ReconcileError::Append(AppendError::Hole { .. }) => HOLE,
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(advice)
}
