//! What Linux and macOS have in common.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::kind_of;
use crate::disk::{FileId, Stat};

/// Refuses links, and does not wait for the other end of a pipe.
pub(super) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    options.custom_flags(i32::try_from(flags).expect("the flags of open are an int"))
}

pub(super) fn stat(_path: &Path, metadata: &Metadata) -> Stat {
    Stat {
        kind: kind_of(metadata.file_type()),
        len: metadata.len(),
        modified_nanos: nanos(metadata.mtime(), metadata.mtime_nsec()),
        changed_nanos: Some(nanos(metadata.ctime(), metadata.ctime_nsec())),
        file_id: Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }),
    }
}

pub(super) fn stat_of(file: &File) -> io::Result<Stat> {
    Ok(stat(Path::new(""), &file.metadata()?))
}

fn nanos(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    match fs::File::open(path)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
