//! A directory of this process's own.

use std::io;
use std::path::Path;

/// A directory that nobody else uses and that goes away with this value.
#[derive(Debug)]
pub struct PrivateDir(tempfile::TempDir);

impl PrivateDir {
    /// Creates it among the system's temporary files, for this user alone.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn new() -> io::Result<Self> {
        Self::builder(|builder| builder.tempdir())
    }

    /// Creates it in another directory.
    ///
    /// # Errors
    /// As [`PrivateDir::new`].
    pub fn within(directory: &Path) -> io::Result<Self> {
        Self::builder(|builder| builder.tempdir_in(directory))
    }

    fn builder(
        create: impl FnOnce(&tempfile::Builder<'_, '_>) -> io::Result<tempfile::TempDir>,
    ) -> io::Result<Self> {
        create(tempfile::Builder::new().prefix("tributary-")).map(Self)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
