//! What Linux and macOS have in common.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{kind_of, says_nothing_is_there};
use crate::disk::{FileId, FileKind, Stat};
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

/// Looks names up from the open directory: the way there is gone once, not once for each name.
pub(super) fn stat_all(dir: &Path, names: &[&str]) -> Vec<io::Result<Option<Stat>>> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(dir, flags, Mode::empty());
    let stat = |name: &&str| {
        let name = if name.is_empty() { "." } else { name };
        let opened = opened.as_ref().map_err(|errno| *errno)?;
        let found = rustix::fs::statat(opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(stat_from(&found)))
    };
    let stats = names.iter().map(stat);
    stats
        .map(|stat: io::Result<_>| match stat {
            Err(error) if says_nothing_is_there(&error) => Ok(None),
            stat => stat,
        })
        .collect()
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the systems differ in the widths of these fields"
)]
fn stat_from(found: &rustix::fs::Stat) -> Stat {
    let nanos_of = |seconds, fraction: u64| nanos(seconds, fraction as i64);
    Stat {
        kind: match rustix::fs::FileType::from_raw_mode(found.st_mode) {
            rustix::fs::FileType::RegularFile => FileKind::File,
            rustix::fs::FileType::Directory => FileKind::Directory,
            rustix::fs::FileType::Symlink => FileKind::Symlink,
            _ => FileKind::Other,
        },
        len: found.st_size as u64,
        modified_nanos: nanos_of(found.st_mtime as i64, found.st_mtime_nsec as u64),
        changed_nanos: Some(nanos_of(found.st_ctime as i64, found.st_ctime_nsec as u64)),
        born_nanos: None,
        file_id: Some(FileId {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
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

pub(super) fn check_stdout() -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(io::stdout())?;
    match flags & OFlags::ACCMODE == OFlags::RDONLY {
        true => Err(rustix::io::Errno::BADF.into()),
        false => Ok(()),
    }
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

/// File systems that make inodes up when they are mounted: FAT and exFAT, layers, what runs in user space, shares of Windows and of
/// virtual machines.
#[cfg(target_os = "linux")]
const WITHOUT_LASTING_INODES: [u32; 7] = [
    0x0000_4d44, // msdos, vfat
    0x2011_bab0, // exfat
    0x794c_7630, // overlayfs
    0x6573_5546, // FUSE
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x786f_4256, // vboxsf
];

#[cfg(target_os = "linux")]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "the width and the sign of this field differ; the numbers have 32 bits"
)]
pub(super) fn keeps_inodes(path: &Path) -> bool {
    let found = rustix::fs::statfs(path);
    found.is_ok_and(|found| !WITHOUT_LASTING_INODES.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn keeps_inodes(_path: &Path) -> bool {
    true
}
