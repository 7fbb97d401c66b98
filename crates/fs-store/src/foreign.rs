//! Telling a store from a directory of somebody else's.
//!
//! **Invariant**: nothing is created in a directory that holds what is no part of a store, and an `events/` that is not a store's is
//! not read as one. Looks alone, and changes nothing.

use std::io;
use std::path::Path;

use fs_format::{FENCE_NAME, GIT_ATTRIBUTES_NAME, check_name, is_litter};
use fs_index::Layout;
use fs_io::{DirEntry, Disk, FileKind};

/// What may stand in the root of a store before there is one.
const BESIDE_STORE: [&str; 2] = [".gitignore", "requires"];

/// Returns whether there is an `events/` that is a store's, or that holds nothing at all.
pub(crate) fn holds_store(disk: &dyn Disk, layout: &Layout) -> io::Result<bool> {
    if is_used(disk, layout)? {
        return Ok(true);
    }
    let entries = entries(disk, &layout.events())?;
    Ok(entries.is_empty() || entries.iter().any(is_of_events))
}

/// Returns what in the root of a store that is to be created belongs to somebody else, by its path below the root.
pub(crate) fn first_foreign(disk: &dyn Disk, layout: &Layout) -> io::Result<Option<String>> {
    if is_used(disk, layout)? {
        return Ok(None);
    }
    let in_events = entries(disk, &layout.events())?;
    if in_events.iter().any(is_of_events) {
        return Ok(None);
    }
    for entry in entries(disk, layout.root())? {
        let name = entry.name.to_string_lossy().into_owned();
        let within = match name.as_str() {
            "events" => in_events.first().cloned(),
            "index" => entries(disk, &layout.indexes())?
                .into_iter()
                .find(|entry| !is_of_index(entry)),
            "local" => entries(disk, &layout.local())?
                .into_iter()
                .find(|entry| !is_of_local(entry)),
            _ if BESIDE_STORE.contains(&name.as_str()) => None,
            _ => return Ok(Some(name)),
        };
        if let Some(within) = within {
            return Ok(Some(format!("{name}/{}", within.name.to_string_lossy())));
        }
    }
    Ok(None)
}

/// Returns whether a store was opened here before.
fn is_used(disk: &dyn Disk, layout: &Layout) -> io::Result<bool> {
    for path in [
        layout.journal(),
        layout.local_item("replicas"),
        layout.local_item("identity"),
    ] {
        if disk.stat(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether only stores have such an entry in `events/`.
fn is_of_events(entry: &DirEntry) -> bool {
    let Some(name) = entry.name.to_str() else {
        return false;
    };
    if entry.kind == FileKind::Directory {
        return name.len() == 4
            && name
                .bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    }
    name == GIT_ATTRIBUTES_NAME || name == FENCE_NAME || check_name(name).is_ok()
}

/// Returns whether a store has such an entry in `index/`: a directory for each format.
fn is_of_index(entry: &DirEntry) -> bool {
    let name = entry.name.to_string_lossy();
    name == ".gitignore" || name.bytes().all(|it| it.is_ascii_digit())
}

/// Returns whether a store has such an entry in `local/` before it has an identity.
fn is_of_local(entry: &DirEntry) -> bool {
    [".gitignore", "lock", "tmp", "vanished"]
        .iter()
        .any(|name| entry.name == *name)
}

/// Returns what is in a directory besides the litter of systems; nothing where there is none.
fn entries(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<DirEntry>> {
    let listed = match disk.list(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Vec::new()
        }
        listed => listed?,
    };
    let is_of_somebody = |entry: &DirEntry| match entry.name.to_str() {
        Some(GIT_ATTRIBUTES_NAME) => true,
        Some(name) => !is_litter(name),
        None => true,
    };
    Ok(listed.into_iter().filter(is_of_somebody).collect())
}
