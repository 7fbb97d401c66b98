//! What a writing command tells beside its answer: files to be committed, and what git or others would do to what was written.

use fs_format::TransactionId;
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
    let events = store.root().join("events");
    let paths = transactions
        .iter()
        .map(|id| events.join(id.relative_path()));
    let paths = paths.chain(store.renewed_git_files());
    let written = Written::new(store.root(), paths, message);
    if !commit {
        return match written.command() {
            Some(command) => {
                output.say(&format!("commit it before the next `git pull`: {command}"))
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
                report(error.as_ref()),
                command.unwrap_or_default()
            ));
            Ok(())
        }
    }
}

/// Tells what would become of a transaction that was appended.
pub(crate) fn appended(store: &FileEventStore, transaction_id: TransactionId, output: &Output) {
    renewed(store, output);
    let file = format!("events/{}", transaction_id.relative_path());
    for fault in git::faults_of(store.root(), &file) {
        output.note(&fault.to_string());
    }
    // A file that cannot be read is told by who reads it.
    if store.wants_fence(transaction_id).unwrap_or(false) {
        output.note("this store was written by eventcore-fs, whose programs do not see what is appended now and would write beside it; `trib fence` keeps them out");
    }
}
