//! One module a command.

mod append;
mod demo;
mod digest;
mod events;
mod forks;
mod init;
mod log;
mod resolve;
mod status;
mod verify;

use crate::args::{Cli, Command};
use crate::locate;
use crate::outcome::Ending;
use crate::output::Output;

/// Carries out what was typed.
pub(crate) fn run(cli: Cli, output: &mut Output) -> anyhow::Result<Ending> {
    let open = || locate::open(cli.store.as_deref());
    match cli.command {
        Command::Init { dir } => init::run(dir.or(cli.store), output),
        Command::Append(args) => append::run(&open()?, args, output),
        Command::Read { stream } => events::read(&open()?, &stream, output),
        Command::Events(args) => events::run(&open()?, args, output),
        Command::Streams => events::streams(&open()?, output),
        Command::Log => log::run(&open()?, output),
        Command::Status { check } => status::run(&open()?, check, output),
        Command::Forks => forks::run(&open()?, output),
        Command::Resolve(args) => resolve::run(&open()?, args, output),
        Command::Verify => verify::run(&open()?, output),
        Command::Digest => digest::run(&open()?, output),
        Command::Demo { dir } => demo::run(&dir, output),
    }
}
