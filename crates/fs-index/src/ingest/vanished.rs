//! The bytes of transactions whose files went away, kept in `local/vanished/` until the user lets go of them.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use fs_format::TransactionId;
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
    let name = stored.id().file_name();
    let temp = layout.temp().join(format!("vanished-{name}"));
    let (bytes, sync) = (stored.file_bytes(), SyncPolicy::None);
    let failed = |path: &PathBuf, source: Box<dyn Error + Send + Sync>| IndexError::KeepVanished {
        path: path.clone(),
        source,
    };
    let first = layout.vanished().join(&name);
    match fs_io::publish(disk, &temp, &first, bytes, sync) {
        Ok(_) => return Ok(first),
        Err(PublishError::Occupied { .. }) => {}
        Err(source) => return Err(failed(&first, Box::new(source))),
    }
    let other = layout.vanished().join(other_name(stored));
    match fs_io::publish(disk, &temp, &other, bytes, sync) {
        Ok(_) => {}
        // This name holds the hash of the content, so what is there was torn by a power cut.
        Err(PublishError::Occupied { .. }) => {
            fs_io::replace(disk, &temp, &other, bytes, sync)
                .map_err(|source| failed(&other, Box::new(source)))?;
        }
        Err(source) => return Err(failed(&other, Box::new(source))),
    }
    Ok(other)
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

/// Removes the kept bytes of a transaction that is back with the same content; what cannot be removed stays.
pub(crate) fn release(disk: &dyn Disk, layout: &Layout, stored: &Stored) {
    for name in [stored.id().file_name(), other_name(stored)] {
        let path = layout.vanished().join(name);
        let same = disk
            .read(&path, fs_format::limits::MAX_FILE_BYTES)
            .is_ok_and(|kept| kept == stored.file_bytes());
        if same {
            let _ = disk.remove_file(&path);
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
