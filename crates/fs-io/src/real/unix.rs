//! What Linux and macOS have in common.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::kind_of;
use crate::disk::{FileId, Stat};
use crate::system::nanos_since_1970;

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
        born_nanos: metadata.created().ok().map(nanos_since_1970),
        file_id: Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }),
    }
}

pub(super) fn stat_of(file: &File) -> io::Result<Stat> {
    Ok(stat(Path::new(""), &file.metadata()?))
}

pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

pub(super) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, offset)
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

/// Syncs the file system that a file or directory lies on, where one call can do that and tells of errors (Linux from 5.8 on).
pub(super) fn sync_file_system(place: &Path) -> Option<io::Result<()>> {
    #[cfg(target_os = "linux")]
    return Some(fs::File::open(place).and_then(|opened| Ok(rustix::fs::syncfs(opened)?)));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = place;
        None
    }
}
