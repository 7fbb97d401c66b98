//! Clearing `local/tmp/` of what killed processes have left.
//!
//! **Invariant**: only regular files go, and only those that nobody has written to for a day: whoever still wrote one
//! would be told that it is not there, and nothing of it would be seen under another name.
//!
//! *Not done here*: saying that a file could not be removed. The next sweep tries again.

use fs_io::{FileKind, System};

use crate::layout::Layout;

/// A temporary file that was written to longer ago is nobody's any more: a day.
const MAX_TEMP_NANOS: i64 = 86_400_000_000_000;

/// Removes files of `local/tmp/` that were last written to more than a day ago, as far as they can be removed.
///
/// The caller holds the write lock.
///
/// # Complexity
/// Lists the directory, and looks at each file in it: ordinarily none.
pub fn sweep_temp(system: &System, layout: &Layout) {
    let disk = system.disk.as_ref();
    let now = system.clock.now_unix_nanos();
    for entry in disk.list(&layout.temp()).unwrap_or_default() {
        let path = layout.temp().join(&entry.name);
        let Ok(Some(stat)) = disk.stat(&path) else {
            continue;
        };
        if stat.kind == FileKind::File && now.saturating_sub(stat.modified_nanos) > MAX_TEMP_NANOS {
            let _ = disk.remove_file(&path);
        }
    }
}
