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
        tempfile::Builder::new()
            .prefix("tributary-")
            .tempdir()
            .map(Self)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
