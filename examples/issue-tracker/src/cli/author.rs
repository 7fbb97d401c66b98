//! Who is at the keyboard.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Returns the name that was given, or the one that git would write into a commit.
pub(crate) fn name(given: Option<String>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name);
    }
    let output = Command::new("git")
        .args(["config", "user.name"])
        .output()
        .context("cannot ask git who you are; say it with --as NAME")?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if name.is_empty() {
        bail!("git does not know who you are; say it with --as NAME");
    }
    Ok(name)
}
