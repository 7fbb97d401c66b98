//! What is on a simulated disk: what processes see, what a power cut would leave for certain, and what is on its way between the two.
//!
//! **Invariant:** what processes see is the durable state with all pending operations applied, unless a sync failed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};

pub(super) type Ino = u64;
pub(super) type Names = BTreeMap<OsString, Ino>;
pub(super) const ROOT: Ino = 1;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation is under way (a sync has not begun), and everything after it fails until
    /// [`SimDisk::crash`](super::SimDisk::crash).
    PowerCut,
    /// The first sync from there on fails, and the system forgets that anything was to be written: a second sync says that all is well, though
    /// the data is lost. Linux does that with ext4, XFS and btrfs.
    SyncFails,
    /// The first write from there on writes the first half of the bytes and finds the disk full.
    WriteFails,
}

/// What an operation does, as far as faults tell it apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Append,
    Sync,
    Other,
}

#[derive(Clone, Debug)]
pub(super) enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileData {
    pub(super) current: Vec<u8>,
    pub(super) synced: Vec<u8>,
    pub(super) pending: Vec<Write>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) current: Names,
    pub(super) synced: Names,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    File(FileData),
    Directory(Directory),
}

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) content: Content,
    pub(super) modified_nanos: i64,
    pub(super) born_nanos: i64,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) directory: Ino,
    pub(super) name: OsString,
}

/// A change of names that no sync has reached yet.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Added { at: Name, ino: Ino },
    Removed { at: Name },
    Renamed { from: Name, to: Name, ino: Ino },
}

impl NameChange {
    /// Returns whether syncing a directory makes the change durable: for a rename, the directory of the new name.
    pub(super) fn is_settled_by(&self, directory: Ino) -> bool {
        match self {
            Self::Added { at, .. } | Self::Removed { at } | Self::Renamed { to: at, .. } => {
                at.directory == directory
            }
        }
    }

    /// Returns the name that a change gave to a file.
    fn added(&self) -> Option<&Name> {
        match self {
            Self::Added { at, .. } | Self::Renamed { to: at, .. } => Some(at),
            Self::Removed { .. } => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) inodes: BTreeMap<Ino, Inode>,
    pub(super) next_ino: Ino,
    pub(super) pending: Vec<NameChange>,
    pub(super) locks: BTreeMap<Ino, String>,
    pub(super) operations: u64,
    pub(super) fault: Option<(u64, Fault)>,
    pub(super) without_power: bool,
    pub(super) crashes: u64,
    pub(super) granularity: i64,
    pub(super) device: u64,
    pub(super) tells_births: bool,
}

impl State {
    pub(super) fn new() -> Self {
        let root = Inode {
            content: Content::Directory(Directory::default()),
            modified_nanos: 0,
            born_nanos: 0,
        };
        Self {
            inodes: BTreeMap::from([(ROOT, root)]),
            next_ino: ROOT + 1,
            pending: Vec::new(),
            locks: BTreeMap::new(),
            operations: 0,
            fault: None,
            without_power: false,
            crashes: 0,
            granularity: 1,
            device: 1,
            tells_births: true,
        }
    }

    /// Refuses everything while the power is off.
    pub(super) fn powered(&self) -> io::Result<()> {
        if self.without_power {
            Err(no_power())
        } else {
            Ok(())
        }
    }

    /// Counts a changing operation, and returns the fault that strikes it.
    pub(super) fn count(&mut self, class: Class) -> Option<Fault> {
        self.operations += 1;
        let (at, fault) = self.fault?;
        let fits = match fault {
            Fault::PowerCut => true,
            Fault::SyncFails => class == Class::Sync,
            Fault::WriteFails => class == Class::Append,
        };
        if self.operations < at || !fits {
            return None;
        }
        self.fault = None;
        self.without_power = fault == Fault::PowerCut;
        Some(fault)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Option<Ino>> {
        let mut ino = ROOT;
        for component in path.components() {
            let name = match component {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name,
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
            };
            match &self.inodes[&ino].content {
                Content::Directory(directory) => match directory.current.get(name) {
                    Some(below) => ino = *below,
                    None => return Ok(None),
                },
                Content::File(_) => return Ok(None),
            }
        }
        Ok(Some(ino))
    }

    pub(super) fn must_find(&self, path: &Path) -> io::Result<Ino> {
        self.find(path)?
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Returns the directory and the name in it that a path stands for.
    pub(super) fn name(&self, path: &Path) -> io::Result<Name> {
        let name = path
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_owned();
        let directory = self.must_find(path.parent().unwrap_or(Path::new("")))?;
        match self.inodes[&directory].content {
            Content::Directory(_) => Ok(Name { directory, name }),
            Content::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn at(&self, name: &Name) -> Option<Ino> {
        match &self.inodes[&name.directory].content {
            Content::Directory(directory) => directory.current.get(&name.name).copied(),
            Content::File(_) => None,
        }
    }

    pub(super) fn file(&self, ino: Ino) -> io::Result<&FileData> {
        match self.inodes.get(&ino).map(|inode| &inode.content) {
            Some(Content::File(file)) => Ok(file),
            Some(Content::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, ino: Ino) -> io::Result<&mut FileData> {
        match self.inodes.get_mut(&ino).map(|inode| &mut inode.content) {
            Some(Content::File(file)) => Ok(file),
            Some(Content::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Gives a new file or directory a name.
    pub(super) fn add(&mut self, at: Name, content: Content, now: i64) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        self.inodes.insert(
            ino,
            Inode {
                content,
                modified_nanos: 0,
                born_nanos: now,
            },
        );
        self.touch(ino, now);
        self.change_names(NameChange::Added { at, ino }, now);
        ino
    }

    /// Applies a change of names to what processes see, and notes it as not durable.
    pub(super) fn change_names(&mut self, change: NameChange, now: i64) {
        self.apply(&change, |directory| &mut directory.current);
        match &change {
            NameChange::Added { at, .. } | NameChange::Removed { at } => {
                self.touch(at.directory, now)
            }
            NameChange::Renamed { from, to, .. } => {
                self.touch(from.directory, now);
                self.touch(to.directory, now);
            }
        }
        self.pending.push(change);
    }

    pub(super) fn touch(&mut self, ino: Ino, now: i64) {
        let granularity = self.granularity.max(1);
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.modified_nanos = now - now.rem_euclid(granularity);
        }
    }

    pub(super) fn write(&mut self, ino: Ino, write: Write, now: i64) -> io::Result<()> {
        let file = self.file_mut(ino)?;
        write.apply(&mut file.current);
        file.pending.push(write);
        self.touch(ino, now);
        Ok(())
    }

    /// Makes the bytes of a file durable; a sync that fails forgets them.
    pub(super) fn sync_file(&mut self, ino: Ino, keep: bool) -> io::Result<()> {
        let file = self.file_mut(ino)?;
        for write in std::mem::take(&mut file.pending) {
            if keep {
                write.apply(&mut file.synced);
            }
        }
        Ok(())
    }

    /// Makes the names in a directory durable; a sync that fails forgets them.
    pub(super) fn sync_dir(&mut self, directory: Ino, keep: bool) {
        let (settled, mut waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.is_settled_by(directory));
        for change in settled.iter().filter(|_| keep) {
            self.settle(change);
            // The journal cannot bring back the old name of a file whose new name it holds.
            if let NameChange::Renamed { from, .. } = change {
                waiting.retain(|earlier| earlier.added() != Some(from));
            }
        }
        self.pending = waiting;
    }

    /// Applies a change of names to what survives a power cut.
    pub(super) fn settle(&mut self, change: &NameChange) {
        self.apply(change, |directory| &mut directory.synced);
    }

    fn apply(&mut self, change: &NameChange, side: fn(&mut Directory) -> &mut Names) {
        let mut with = |directory: Ino, edit: &dyn Fn(&mut Names)| {
            if let Some(Inode {
                content: Content::Directory(directory),
                ..
            }) = self.inodes.get_mut(&directory)
            {
                edit(side(directory));
            }
        };
        let insert =
            |names: &mut Names, at: &Name, ino: Ino| _ = names.insert(at.name.clone(), ino);
        match change {
            NameChange::Added { at, ino } => with(at.directory, &|names| insert(names, at, *ino)),
            NameChange::Removed { at } => with(at.directory, &|names| _ = names.remove(&at.name)),
            NameChange::Renamed { from, to, ino } => {
                // The old name may be another file's by now.
                with(from.directory, &|names| {
                    names.retain(|name, named| *name != from.name || named != ino)
                });
                with(to.directory, &|names| insert(names, to, *ino));
            }
        }
    }
}

impl Write {
    pub(super) fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => {
                // Bytes before the offset whose sync failed are read back as zeros.
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { len } => to.resize(*len, 0),
        }
    }
}

pub(super) fn no_power() -> io::Error {
    io::Error::other("the simulated machine has no power")
}
