//! What a writing command tells beside its answer: files to be committed, and what git or others would do to what was written.

use std::path::PathBuf;

use fs_format::TransactionId;
use fs_io::System;
use fs_store::{FileEventStore, report};

use crate::git::{self, Written};
use crate::output::Output;

/// Tells which files for git were renewed; they differ from what other clones have until they are committed.
pub(crate) fn renewed(store: &FileEventStore, output: &Output) {
    let renewed = store.renewed_git_files();
    let names = renewed.iter().map(|path| {
        let below = path.strip_prefix(store.root()).unwrap_or(path);
        below.display().to_string()
    });
    let names = names.collect::<Vec<_>>().join(" and ");
    let message = "Renew the rules of the store for git".to_owned();
    if let Some(command) = Written::new(store.root(), renewed, message).command() {
        output.note(&format!(
            "updated what the store tells git in {names}; commit that before the next `git pull`: {command}"
        ));
    }
}

/// Commits transactions that a command wrote into `events/`, or tells how to; `message` is what the commit says.
///
/// They are in place whatever becomes of the commit, so its failure is told and is no failure of the command.
pub(crate) fn written(
    store: &FileEventStore,
    transactions: &[TransactionId],
    message: String,
    commit: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
    if transactions.is_empty() {
        renewed(store, output);
        return Ok(());
    }
    offer_fence(store, transactions, output);
    let paths = transactions.iter().map(|id| path_of(store, *id));
    let paths = paths.chain(store.renewed_git_files());
    let written = Written::new(store.root(), paths, message);
    if !commit {
        return match written.command() {
            Some(command) => {
                let line = format!("commit it before the next `git pull`: {command}");
                match output.is_json() {
                    true => output.note(&line),
                    false => output.say(&line)?,
                }
                Ok(())
            }
            None => Ok(()),
        };
    }
    output.flush()?;
    match written.commit() {
        Ok(Some(_)) => output.say("committed"),
        Ok(None) => output.say("committed already"),
        Err(error) => {
            let command = written.command();
            let command = command.map(|it| format!("; commit it before the next `git pull`: {it}"));
            output.note(&format!(
                "written, but not committed: {}{}",
                on_one_line(&report(error.as_ref())),
                command.unwrap_or_default()
            ));
            Ok(())
        }
    }
}

/// Returns where the file of a transaction is; those of formats 1 and 2 lie directly in `events/`.
fn path_of(store: &FileEventStore, transaction_id: TransactionId) -> PathBuf {
    let events = store.root().join("events");
    let flat = events.join(transaction_id.file_name());
    match System::real().disk.stat(&flat) {
        Ok(Some(_)) => flat,
        _ => events.join(transaction_id.relative_path()),
    }
}

/// Git explains itself on several lines, and a note is one.
fn on_one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Tells what would become of a transaction that was appended.
pub(crate) fn appended(store: &FileEventStore, transaction_id: TransactionId, output: &Output) {
    renewed(store, output);
    let file = format!("events/{}", transaction_id.relative_path());
    for fault in git::faults_of(store.root(), &file) {
        output.note(&fault.to_string());
    }
    offer_fence(store, &[transaction_id], output);
}

/// Tells how to keep programs of eventcore-fs out, where one may have written what these transactions follow.
fn offer_fence(store: &FileEventStore, written: &[TransactionId], output: &Output) {
    // A file that cannot be read is told by who reads it.
    let wants = |id: &TransactionId| store.wants_fence(*id).unwrap_or(false);
    if written.iter().any(wants) {
        output.note("this store was written by eventcore-fs, whose programs do not see what is appended now and would write beside it; `trib fence` keeps them out");
    }
}
