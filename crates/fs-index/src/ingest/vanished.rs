//! The bytes of transactions whose files went away, kept in `local/vanished/` until the user lets go of them.
//!
//! ```text
//! <id>.jsonl               the content that this working copy saw first
//! <id>-<hash>.jsonl        another content that it saw since
//! ```
//!
//! **Invariant**: of a transaction, what is kept as `<id>.jsonl` was seen before everything else that is kept of it, and before what its
//! file holds now. So it stays when its content comes back, as long as another is kept; where there is none, what the file holds now
//! was seen first.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use fs_format::{TransactionId, limits};
use fs_io::{Disk, PublishError, SyncPolicy};

use crate::error::IndexError;
use crate::layout::Layout;
use crate::stored::Stored;

/// Keeps the bytes of `stored` and returns the file, which is not durable before [`make_durable`]. Another content under
/// the same id gets a name of its own.
///
/// # Errors
/// [`IndexError::KeepVanished`].
pub(crate) fn keep(
    disk: &dyn Disk,
    layout: &Layout,
    stored: &Stored,
) -> Result<PathBuf, IndexError> {
    let temp = layout
        .temp()
        .join(format!("vanished-{}", stored.id().file_name()));
    let (bytes, sync) = (stored.file_bytes(), SyncPolicy::None);
    let failed = |path: &PathBuf, source: Box<dyn Error + Send + Sync>| IndexError::KeepVanished {
        path: path.clone(),
        source,
    };
    let replace = |path: PathBuf| match fs_io::replace(disk, &temp, &path, bytes, sync) {
        Ok(()) => Ok(path),
        Err(source) => Err(failed(&path, Box::new(source))),
    };
    let first = layout.vanished_first(stored.id());
    match fs_io::publish(disk, &temp, &first, bytes, sync) {
        Ok(_) => return Ok(first),
        // A power cut tore it before what it keeps had left the history: this is it again.
        Err(PublishError::Occupied { .. }) if is_torn(disk, &first) => return replace(first),
        Err(PublishError::Occupied { .. }) => {}
        Err(source) => return Err(failed(&first, Box::new(source))),
    }
    let other = layout.vanished().join(other_name(stored));
    match fs_io::publish(disk, &temp, &other, bytes, sync) {
        Ok(_) => Ok(other),
        // This name holds the hash of the content, so what is there was torn by a power cut.
        Err(PublishError::Occupied { .. }) => replace(other),
        Err(source) => Err(failed(&other, Box::new(source))),
    }
}

fn is_torn(disk: &dyn Disk, path: &Path) -> bool {
    let read = disk.read(path, limits::MAX_FILE_BYTES);
    read.is_ok_and(|bytes| fs_format::decode(&bytes).is_err_and(|error| error.is_incomplete()))
}

/// Makes kept files durable; a checkout may have taken many away, and one sync is enough for all.
///
/// # Errors
/// [`IndexError::KeepVanished`].
pub(crate) fn make_durable(
    disk: &dyn Disk,
    layout: &Layout,
    kept: &[PathBuf],
) -> Result<(), IndexError> {
    fs_io::make_all_durable(disk, layout.own_root(), kept).map_err(|source| {
        IndexError::KeepVanished {
            path: layout.vanished(),
            source: Box::new(source),
        }
    })
}

/// Removes the kept bytes of transactions that are back with the same content, but for what was seen first of one that has others; what cannot
/// be removed stays.
///
/// # Complexity
/// Lists what is kept, and reads what is kept of these; nothing where there are none.
pub(crate) fn release<'a>(
    disk: &dyn Disk,
    layout: &Layout,
    returned: impl IntoIterator<Item = &'a Stored>,
) {
    let mut returned = returned.into_iter().peekable();
    if returned.peek().is_none() {
        return;
    }
    let mut kept: BTreeMap<TransactionId, Vec<PathBuf>> = BTreeMap::new();
    for file in kept_files(disk, layout).unwrap_or_default() {
        kept.entry(file.transaction_id).or_default().push(file.path);
    }
    for stored in returned {
        let paths = kept.remove(&stored.id()).unwrap_or_default();
        let holds_it = |path: &PathBuf| {
            let read = disk.read(path, limits::MAX_FILE_BYTES);
            read.is_ok_and(|kept| {
                let decoded = || fs_format::decode(&kept).ok();
                kept == stored.file_bytes()
                    || decoded().is_some_and(|it| it.content_hash == stored.content_hash)
            })
        };
        let (same, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(holds_it);
        let first = layout.vanished_first(stored.id());
        for path in same {
            if others.is_empty() || path != first {
                let _ = disk.remove_file(&path);
            }
        }
    }
}

/// Returns the transactions whose bytes are kept; none when that cannot be told.
pub(crate) fn kept(disk: &dyn Disk, layout: &Layout) -> BTreeSet<TransactionId> {
    let files = kept_files(disk, layout).unwrap_or_default();
    files.into_iter().map(|file| file.transaction_id).collect()
}

/// A file that keeps the bytes of a vanished transaction. What it holds has not been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// The transaction, by the name of the file. Several contents of one transaction are several files.
    pub transaction_id: TransactionId,
    /// The file.
    pub path: PathBuf,
}

/// Lists the files that keep the bytes of vanished transactions, by transaction.
///
/// # Errors
/// [`IndexError::Read`] when the directory cannot be listed; one that is missing is empty.
pub fn kept_files(disk: &dyn Disk, layout: &Layout) -> Result<Vec<KeptFile>, IndexError> {
    let directory = layout.vanished();
    let listed = match disk.list(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|source| IndexError::Read {
            path: directory.clone(),
            source,
        })?,
    };
    let kept = listed.iter().filter_map(|entry| {
        let name = entry.name.to_str()?.strip_suffix(".jsonl")?;
        Some(KeptFile {
            transaction_id: TransactionId::parse(name.get(..36)?).ok()?,
            path: directory.join(&entry.name),
        })
    });
    Ok(kept.collect())
}

fn other_name(stored: &Stored) -> String {
    let hash = stored.content_hash().to_string();
    format!("{}-{}.jsonl", stored.id(), &hash[..16])
}
