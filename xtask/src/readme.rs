//! The two commands that the README promises a newcomer, and the check that it does.
//!
//! The tasks run these constants, so what the README says is what CI proves.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// Runs all tests.
pub(crate) const TEST_COMMAND: &str = "cargo test --workspace";

/// Shows the story of the product.
pub(crate) const DEMO_COMMAND: &str = "cargo run --release --bin trib -- demo";

/// Checks that the README names `command`, alone on a line of a code block.
///
/// # Errors
/// The README cannot be read, or does not name the command.
pub(crate) fn check(workspace: &Workspace, command: &str) -> Result<()> {
    let path = workspace.root().join("README.md");
    let text = fs::read_to_string(&path).context("cannot read README.md")?;
    if !names(&text, command) {
        bail!("README.md does not name the command `{command}` on a line of a code block");
    }
    Ok(())
}

/// Returns whether a fenced code block of `text` has a line that is this command and nothing else, save for a prompt.
fn names(text: &str, command: &str) -> bool {
    let mut in_block = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block && line.strip_prefix("$ ").unwrap_or(line) == command {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_code_block_is_found() {
        assert!(names(
            "Run\n\n```sh\ncargo test --workspace\n```\n",
            TEST_COMMAND
        ));
        assert!(names("```\n$ cargo test --workspace\n```", TEST_COMMAND));
    }

    #[test]
    fn only_the_exact_command_counts() {
        for text in [
            "",
            "cargo test --workspace",
            "```\n```\ncargo test --workspace\n",
            "```\ncargo test --workspace --release\n```",
            "```\ncargo test\n```",
        ] {
            assert!(
                !names(text, TEST_COMMAND),
                "{text:?} does not name the command"
            );
        }
    }
}
