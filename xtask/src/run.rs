//! Running commands: printed before they run, without standard input, judged by their exit status.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Returns `cargo` with these arguments, to be run in `directory`.
pub(crate) fn cargo<'a>(directory: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(directory).args(arguments);
    command
}

/// Returns the command that a line of documentation names, words separated by blanks, to be run in `directory`.
pub(crate) fn words(directory: &Path, line: &str) -> Result<Command> {
    let mut words = line.split_ascii_whitespace();
    let program = words.next().context("an empty command line")?;
    let mut command = Command::new(program);
    command.current_dir(directory).args(words);
    Ok(command)
}

/// Prints the command and runs it to its end.
///
/// # Errors
/// The command could not be started, or ended with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = display(command);
    eprintln!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs the command to its end and returns what it wrote to standard output.
///
/// # Errors
/// The command could not be started, or ended with anything but success.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = display(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote no UTF-8"))
}

/// Returns the command as it would be typed.
fn display(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = quoted(value?);
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = variables.chain(words.map(quoted)).collect();
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = cargo(Path::new("."), ["doc", "--workspace", "two words"]);
        command.env("RUSTDOCFLAGS", "-Dwarnings");
        assert_eq!(
            display(&command),
            "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace 'two words'"
        );
    }

    #[test]
    fn a_documented_line_becomes_that_very_command() {
        let line = "cargo run --release --bin trib -- demo";
        let command = words(Path::new("."), line).unwrap();
        assert_eq!(display(&command), line, "no word may be added or lost");
        assert!(words(Path::new("."), "  ").is_err());
    }

    #[test]
    fn a_failing_command_is_named() {
        let error = run(&mut cargo(Path::new("."), ["no-such-subcommand"])).unwrap_err();
        assert!(
            error.to_string().contains("`cargo no-such-subcommand`"),
            "{error}"
        );
    }
}
