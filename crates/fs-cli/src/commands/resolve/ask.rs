//! Asking somebody what to do with each fork.
//!
//! **Invariant**: nothing is written before a line was read to its end that says so; the end of the input is "quit".
//! What is decided upon is what was shown, or it is shown again.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, stdin};

use anyhow::Context;
use fs_merge::{ForkContext, ForkId, ReconcileError, open_forks};
use fs_store::{FileEventStore, report};

use super::choice::Choice;
use super::{UNSURE, carry_out, signed};
use crate::args::ResolveArgs;
use crate::commands::find::{self, named};
use crate::input::without_mark;
use crate::outcome::Ending;
use crate::output::Output;
use crate::view::{View, fork_text};

/// The longest answer that is read.
const MAX_ANSWER: u64 = 4096;

/// What somebody answered about a fork.
enum Answer {
    Choose(Choice),
    Skip,
    Quit,
    /// Something else.
    Unknown,
}

pub(crate) fn run(
    store: &FileEventStore,
    args: &ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    // A name that means nothing is an error now; later it means that all is settled.
    let mut open = match &args.fork {
        Some(name) => named(find::open(store)?, name)?,
        None => find::open(store)?,
    };
    for blocked in &open.blocked {
        output.say(&format!("{}\n{}\n", report(blocked), find::UNBLOCK))?;
    }
    let mut passed: BTreeSet<ForkId> = BTreeSet::new();
    while let Some(fork) = open.forks.iter().find(|fork| !passed.contains(&fork.id)) {
        let view = View::of_output();
        output.say(&format!("{}\n", fork_text(fork, &view)))?;
        let Some(choice) = ask(fork, output)? else {
            break;
        };
        let is_passed = match choice {
            None => true,
            Some(choice) => {
                let reason = match &args.reason {
                    Some(reason) => Some(reason.clone()),
                    None => question(
                        "why? recorded with the decision, empty for no reason: ",
                        output,
                    )?,
                };
                let Some(reason) = reason else { break };
                settled(store, fork, &choice, &reason, args, output)?
            }
        };
        if is_passed {
            passed.insert(fork.id.clone());
        }
        // What was settled is gone, and may have changed others.
        let all = find::open(store)?;
        open.forks = match &args.fork {
            Some(name) => named(all, name).map_or_else(|_| Vec::new(), |it| it.forks),
            None => all.forks,
        };
        output.say("")?;
    }
    output.say(&match open_forks(store)?.len() {
        0 => "no fork is open any more".to_owned(),
        left => format!("{left} fork(s) are open"),
    })?;
    Ok(Ending::Fine)
}

/// Carries out a choice; returns whether the fork is done with although it is open.
fn settled(
    store: &FileEventStore,
    fork: &ForkContext,
    choice: &Choice,
    reason: &str,
    args: &ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<bool> {
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    let outcome = signed(choice.outcome(fork)?, args, reason);
    let anyway = args.anyway.then(|| fork.clone().anyway());
    match carry_out(store, anyway.as_ref().unwrap_or(fork), &outcome, args) {
        Ok(done) => {
            done.remember(output);
            output.say(&done.text())?;
            super::commit(store, done.settled(), args, output)?;
            Ok(args.dry_run)
        }
        Err(ReconcileError::ForkChanged { .. }) => {
            output.say("the fork changed meanwhile, and nothing was written: look again")?;
            Ok(false)
        }
        Err(error @ (ReconcileError::Refresh(_) | ReconcileError::Append(_))) => Err(error.into()),
        Err(error @ ReconcileError::Unsure { .. }) => {
            output.say(&format!("it stays open: {}\n{UNSURE}", report(&error)))?;
            Ok(true)
        }
        Err(error) => {
            output.say(&format!("it stays open: {}", report(&error)))?;
            Ok(true)
        }
    }
}

/// Asks until the answer is understood; the outer `None` is to quit, the inner to skip the fork.
fn ask(fork: &ForkContext, output: &mut Output) -> anyhow::Result<Option<Option<Choice>>> {
    let count = fork.branches.len();
    let latest = fork.latest().map(|branch| branch.head);
    let latest = fork.branches.iter().position(|it| Some(it.head) == latest);
    let latest = latest.map_or(0, |latest| latest + 1);
    let asked = format!(
        "fork {}: keep 1-{count}, accept all, latest (branch {latest}), skip or quit? ",
        fork.id
    );
    loop {
        let Some(line) = question(&asked, output)? else {
            return Ok(None);
        };
        match Answer::of(&line, fork) {
            Answer::Choose(choice) => return Ok(Some(Some(choice))),
            Answer::Skip => return Ok(Some(None)),
            Answer::Quit => return Ok(None),
            Answer::Unknown => output.say(&format!(
                "type a number from 1 to {count} to keep that branch, or `accept`, `latest`, `skip`, `quit`, or the first letter"
            ))?,
        }
    }
}

impl Answer {
    fn of(line: &str, fork: &ForkContext) -> Self {
        let line = line.to_lowercase();
        match line.as_str() {
            "a" | "accept" => return Self::Choose(Choice::Accept),
            "l" | "latest" => return Self::Choose(Choice::Latest),
            "s" | "skip" => return Self::Skip,
            "q" | "quit" => return Self::Quit,
            _ => {}
        }
        let number = line.strip_prefix("keep").or(line.strip_prefix('k'));
        let number = number.unwrap_or(&line).trim().parse::<usize>().ok();
        let branch = number.and_then(|number| fork.branches.get(number.checked_sub(1)?));
        branch.map_or(Self::Unknown, |branch| {
            Self::Choose(Choice::Keep(branch.head.to_string()))
        })
    }
}

/// Asks and reads a line; `None` when the input ends before the line does.
fn question(text: &str, output: &mut Output) -> anyhow::Result<Option<String>> {
    output.ask(text)?;
    let mut line = Vec::new();
    let mut input = stdin().lock().take(MAX_ANSWER);
    input
        .read_until(b'\n', &mut line)
        .context("cannot read standard input")?;
    if line.last() != Some(&b'\n') {
        output.say("")?;
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&line);
    Ok(Some(without_mark(&line).trim().to_owned()))
}
