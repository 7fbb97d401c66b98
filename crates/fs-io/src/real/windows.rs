//! What Windows does otherwise.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use winapi_util::{Handle, file};

use super::kind_of;
use crate::disk::{FileId, Stat};
use crate::system::nanos_since_1970;

/// Opens a link itself instead of what it points to, which the look at the open file then refuses.
pub(super) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
}

pub(super) fn stat(path: &Path, metadata: &Metadata) -> Stat {
    // The identity of a link would be that of its target.
    let information =
        (!metadata.is_symlink()).then(|| Handle::from_path_any(path).and_then(file::information));
    let file_id = information.and_then(Result::ok).map(|found| FileId {
        device: found.volume_serial_number(),
        inode: found.file_index(),
    });
    with_id(metadata, file_id)
}

pub(super) fn stat_of(file: &File) -> io::Result<Stat> {
    let found = file::information(file)?;
    let file_id = FileId {
        device: found.volume_serial_number(),
        inode: found.file_index(),
    };
    Ok(with_id(&file.metadata()?, Some(file_id)))
}

pub(super) fn check_stdout() -> io::Result<()> {
    Ok(())
}

fn with_id(metadata: &Metadata, file_id: Option<FileId>) -> Stat {
    Stat {
        kind: kind_of(metadata.file_type()),
        len: metadata.len(),
        modified_nanos: metadata.modified().map_or(0, nanos_since_1970),
        changed_nanos: None,
        // A file that takes the name of one just deleted is given its time of creation.
        born_nanos: None,
        file_id,
    }
}

pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(bytes, offset)
}

pub(super) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn sync_file_system(_place: &Path) -> Option<io::Result<()>> {
    None
}

pub(super) fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn keeps_inodes(_path: &Path) -> bool {
    true
}
