//! The layers: which crate may depend on which, who may touch files, and which files may use which.
//!
//! ```text
//! fs-cli -+-> fs-merge -+-> fs-store -> fs-index -> fs-dag -> fs-format
//!         '-> fs-feed --'        \___________\-> fs-io
//! fs-testing -> fs-merge
//! ```
//!
//! **Invariant**: a crate that breaks this picture does not pass, whatever its clippy attributes say. Only what a manifest and
//! a source file state is judged; what a dependency does inside is not.

mod circles;
mod edges;
mod paths;
mod sources;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// A library or program of the product, and the members it may depend on, in any way.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    below: &'static [&'static str],
}

/// The layers, lowest first.
pub(crate) const LAYERS: [Layer; 9] = [
    Layer {
        name: "fs-format",
        below: &[],
    },
    Layer {
        name: "fs-io",
        below: &[],
    },
    Layer {
        name: "fs-dag",
        below: &["fs-format"],
    },
    Layer {
        name: "fs-index",
        below: &["fs-dag", "fs-format", "fs-io"],
    },
    Layer {
        name: "fs-store",
        below: &["fs-index", "fs-dag", "fs-format", "fs-io"],
    },
    Layer {
        name: "fs-feed",
        below: &["fs-store", "fs-index", "fs-format", "fs-io"],
    },
    Layer {
        name: "fs-merge",
        below: &["fs-store", "fs-index", "fs-dag", "fs-format", "fs-io"],
    },
    Layer {
        name: "fs-cli",
        below: &[
            "fs-merge",
            "fs-feed",
            "fs-store",
            "fs-index",
            "fs-dag",
            "fs-format",
            "fs-io",
        ],
    },
    Layer {
        name: KIT,
        below: &["fs-merge", "fs-store", "fs-format", "fs-io"],
    },
];

/// What tests are written with; only the tests of other members depend on it.
const KIT: &str = "fs-testing";

/// The only layer that touches files, clocks and randomness.
const SEAM: &str = "fs-io";

/// Checks the dependencies of every member and the sources of every layer.
///
/// # Errors
/// A rule is broken; every violation has been printed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    eprintln!(
        "checking dependencies and sources of {} layers",
        LAYERS.len()
    );
    let mut violations = edges::check(&edges::members(workspace.packages()));
    violations.extend(sources::check(workspace)?);
    violations.extend(circles::check(workspace)?);
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("1 violation of the layers"),
        count => bail!("{count} violations of the layers"),
    }
}
