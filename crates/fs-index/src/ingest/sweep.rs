//! Clearing `local/` of what killed processes and commands that were printed have left.
//!
//! **Invariant**: only regular files go, and only those that nobody has written to for a day: whoever still wrote one
//! would be told that it is not there, and nothing of it would be seen under another name.
//!
//! *Not done here*: saying that a file could not be removed. The next sweep tries again.

use std::ffi::OsStr;
use std::path::Path;

use fs_io::{FileKind, System};

use crate::layout::Layout;

/// A temporary file that was written to longer ago is nobody's any more: a day.
const MAX_TEMP_NANOS: i64 = 86_400_000_000_000;

/// What the lists in `local/` are called that commands for git name, as they are printed to be typed.
pub const PATH_LIST_PREFIX: &str = "to-commit-";

/// Removes files of `local/tmp/`, and lists of paths in `local/`, that were last written to more than a day ago, as far as they can be
/// removed.
///
/// The caller holds the write lock.
///
/// # Complexity
/// Lists both directories, and looks at each such file: ordinarily none.
pub fn sweep_temp(system: &System, layout: &Layout) {
    sweep(system, &layout.temp(), |_| true);
    sweep(system, &layout.local(), |name| {
        name.to_str()
            .is_some_and(|name| name.starts_with(PATH_LIST_PREFIX))
    });
}

/// Removes the files of a directory that nobody has written to for a day, of those with such names.
fn sweep(system: &System, directory: &Path, is_litter: impl Fn(&OsStr) -> bool) {
    let disk = system.disk.as_ref();
    let now = system.clock.now_unix_nanos();
    for entry in disk.list(directory).unwrap_or_default() {
        if !is_litter(&entry.name) {
            continue;
        }
        let path = directory.join(&entry.name);
        let Ok(Some(stat)) = disk.stat(&path) else {
            continue;
        };
        if stat.kind == FileKind::File && now.saturating_sub(stat.modified_nanos) > MAX_TEMP_NANOS {
            let _ = disk.remove_file(&path);
        }
    }
}
