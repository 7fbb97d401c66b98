//! The bytes of transactions whose files went away, kept in `local/vanished/` until the user lets go of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fs_format::TransactionId;
use fs_io::{Disk, PublishError, SyncPolicy};

use crate::error::IndexError;
use crate::layout::Layout;
use crate::stored::Stored;

/// Keeps the bytes of `stored`. Another content under the same id gets a name of its own.
///
/// # Errors
/// [`IndexError::KeepVanished`].
pub(crate) fn keep(
    disk: &dyn Disk,
    layout: &Layout,
    stored: &Stored,
    sync: SyncPolicy,
) -> Result<(), IndexError> {
    let name = stored.id().file_name();
    let other = other_name(stored);
    let temp = layout.temp().join(format!("vanished-{name}"));
    let target = layout.vanished().join(&name);
    let failed = |path: PathBuf, source: PublishError| IndexError::KeepVanished {
        path,
        source: Box::new(source),
    };
    match fs_io::publish(disk, &temp, &target, stored.file_bytes(), sync) {
        Ok(_) => Ok(()),
        Err(PublishError::Occupied { .. }) => {
            let target = layout.vanished().join(&other);
            match fs_io::publish(disk, &temp, &target, stored.file_bytes(), sync) {
                Ok(_) => Ok(()),
                // This name holds the hash of the content, so what is there was torn by a power cut.
                Err(PublishError::Occupied { .. }) => {
                    fs_io::replace(disk, &temp, &target, stored.file_bytes(), sync).map_err(
                        |source| IndexError::KeepVanished {
                            path: target,
                            source: Box::new(source),
                        },
                    )
                }
                Err(source) => Err(failed(target, source)),
            }
        }
        Err(source) => Err(failed(target, source)),
    }
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
    let listed = disk.list(&layout.vanished()).unwrap_or_default();
    listed
        .iter()
        .filter_map(|entry| TransactionId::parse(entry.name.to_str()?.get(..36)?).ok())
        .collect()
}

fn other_name(stored: &Stored) -> String {
    let hash = stored.content_hash().to_string();
    format!("{}-{}.jsonl", stored.id(), &hash[..16])
}
