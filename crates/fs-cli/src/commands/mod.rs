//! One module a command.

mod adopt;
mod append;
mod consume;
mod demo;
mod digest;
pub(crate) mod events;
mod fence;
mod find;
mod forks;
mod init;
mod log;
mod merge_check;
mod notes;
mod resolve;
mod schema_check;
mod status;
mod vanished;
mod verify;

use crate::args::{Cli, Command, STORE_VARIABLE};
use crate::locate;
use crate::outcome::{Ending, Usage};
use crate::output::Output;

/// Carries out what was typed.
pub(crate) fn run(cli: Cli, output: &mut Output) -> anyhow::Result<Ending> {
    if cli
        .store
        .as_ref()
        .is_some_and(|store| store.as_os_str().is_empty())
    {
        let is_set = std::env::var_os(STORE_VARIABLE).is_some_and(|set| set.is_empty());
        let message = if is_set {
            format!("{STORE_VARIABLE} is empty; let it name the directory of a store, or unset it")
        } else {
            "--store is empty; let it name the directory of a store".to_owned()
        };
        return Err(Usage(message).into());
    }
    let tells_of_it = cli.json || matches!(cli.command, Command::Status { .. });
    let open = || {
        let store = locate::open(cli.store.as_deref())?;
        // Only the process that wrote them again knows of it.
        let recovered = store.recovered();
        if !tells_of_it && !recovered.is_empty() {
            anstream::eprintln!(
                "note: {} transaction(s) that a power cut had taken were written again from the log",
                recovered.len()
            );
        }
        anyhow::Ok(store)
    };
    match cli.command {
        Command::Init { dir } => init::run(dir.or(cli.store), output),
        Command::Append(args) => append::run(&open()?, args, output),
        Command::Read { stream } => events::read(&open()?, &stream, output),
        Command::Events(args) => events::run(&open()?, args, output),
        Command::Streams => events::streams(&open()?, output),
        Command::Consume(args) => consume::run(&open()?, args, output),
        Command::Log { by_replica: true } => log::by_replica(&open()?, output),
        Command::Log { .. } => log::run(&open()?, output),
        Command::SchemaCheck(args) => schema_check::run(&open()?, &args, output),
        Command::Status { check } => status::run(&open()?, check, output),
        Command::Forks { fork } => forks::run(&open()?, fork.as_deref(), output),
        Command::Resolve(args) => resolve::run(&open()?, args, output),
        Command::MergeCheck { revision } => {
            merge_check::run(&locate::root(cli.store.as_deref())?, &revision, output)
        }
        Command::Restore {
            transactions,
            all,
            commit,
        } => vanished::restore(&open()?, &transactions, all, commit, output),
        Command::Forget { transactions, all } => {
            vanished::forget(&open()?, &transactions, all, output)
        }
        Command::Fence => fence::run(&open()?, output),
        Command::Adopt => adopt::run(&open()?, output),
        Command::Verify => verify::run(&open()?, output),
        Command::Digest => digest::run(&open()?, output),
        Command::Demo { dir } => demo::run(&dir, output),
    }
}
