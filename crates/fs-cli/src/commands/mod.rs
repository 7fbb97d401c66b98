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
mod incomplete;
mod init;
mod log;
mod merge_check;
mod notes;
mod resolve;
mod schema_check;
mod status;
mod vanished;
mod verify;

use std::cell::OnceCell;

use fs_store::StoreOptions;

use self::incomplete::WhenIncomplete;
use crate::args::{Cli, Command, STORE_VARIABLE};
use crate::locate;
use crate::outcome::{Ending, Usage};
use crate::output::Output;
use crate::view::Extent;

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
    let (strict, answers) = (cli.strict, cli.command.answers_from_events());
    let (decides, follows) = (cli.command.decides(), cli.command.follows());
    let hint = match cli.command {
        Command::Status { .. } | Command::Verify { .. } => "",
        _ => incomplete::HINT,
    };
    let opened = OnceCell::new();
    let open = || {
        let options = StoreOptions::default();
        let options = match strict && decides {
            true => options.refuse_incomplete(),
            false => options,
        };
        let store = locate::open(cli.store.as_deref(), options)?;
        if answers {
            let _ = opened.set(store.clone());
        }
        // Only the process that wrote them again knows of it.
        let recovered = store.recovered();
        if !tells_of_it && !recovered.is_empty() {
            output.note(&format!(
                "{} transaction(s) that a power cut had taken were written again from the log",
                recovered.len()
            ));
        }
        anyhow::Ok(store)
    };
    if follows && !incomplete::tell(&open()?, hint, output)? && strict {
        return Ok(Ending::Incomplete);
    }
    let result = match cli.command {
        Command::Init { project } => init::run(project, cli.store, output),
        Command::Append(args) => append::run(&open()?, args, output),
        Command::Read { stream } => events::read(&open()?, &stream, output),
        Command::Events(args) => {
            let when_incomplete = if strict {
                WhenIncomplete::End
            } else {
                WhenIncomplete::GoOn
            };
            events::run(&open()?, args, when_incomplete, output)
        }
        Command::Streams => events::streams(&open()?, output),
        Command::Consume(args) => consume::run(&open()?, args, output),
        Command::Log { by_replica: true } => log::by_replica(&open()?, output),
        Command::Log { .. } => log::run(&open()?, output),
        Command::SchemaCheck(args) => schema_check::run(&open()?, &args, output),
        Command::Status { check, all } => {
            status::run(&open()?, check, Extent::of_flag(all), output)
        }
        Command::Forks { fork, all } => forks::run(&open()?, fork.as_deref(), all, output),
        Command::Resolve(args) => resolve::run(&open()?, args, output),
        Command::MergeCheck { revision } => {
            merge_check::run(cli.store.as_deref(), &revision, output)
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
        Command::Verify { all } => verify::run(&open()?, Extent::of_flag(all), output),
        Command::Digest { files } => {
            let files = if files {
                digest::Files::Compared
            } else {
                digest::Files::NotCompared
            };
            digest::run(&open()?, files, output)
        }
        Command::Demo { dir } => demo::run(&dir, output),
    };
    match opened.get().filter(|_| !follows) {
        Some(store) => match incomplete::tell(store, hint, output) {
            Ok(false) if strict => Ending::Incomplete.once_printed(result.map(|_| ()), output),
            Ok(_) => result,
            // The answer was given, and what was to be done is done.
            Err(error) => {
                let ending = result?;
                let lacks = "it is not known whether something is missing from this answer";
                output.failure(&error.context(lacks));
                Ok(if strict { Ending::Incomplete } else { ending })
            }
        },
        None => result,
    }
}
