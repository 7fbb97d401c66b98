//! What the tasks know of the workspace: where it lies, and its packages as cargo describes them.
//!
//! Dependencies are not resolved, so this needs neither a network nor a lock file.

use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace that the current directory is part of.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Returns the workspace of the current directory.
    pub(crate) fn locate() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo metadata: cannot read the manifests of the workspace")?;
        Ok(Self { metadata })
    }

    /// Returns the directory of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Returns the directory that cargo builds into.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Returns the members, with their dependencies as their manifests state them.
    pub(crate) fn packages(&self) -> &[cargo_metadata::Package] {
        &self.metadata.packages
    }
}
