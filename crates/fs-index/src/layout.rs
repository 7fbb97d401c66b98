//! Where things lie below the root of a store.
//!
//! ```text
//! <root>/
//!   events/       committed, the only truth       (fs-format names the files in it)
//!   requires      committed, where there is one   what a program has to know to read the store
//!   index/<n>/    rebuildable                     journal, manifest, *.segment, in format n
//!   local/        this working copy's own         replicas, lock, log, tmp/, vanished/, checkpoints/, ...
//! ```

use std::path::{Path, PathBuf};

use fs_format::TransactionId;

/// The format of the index: counted up whenever a file of it is written otherwise. Programs of other formats have directories of their own
/// and leave this one alone, as this one does theirs; so none builds its index anew because the other ran.
const INDEX_FORMAT: u32 = 6;

/// The directories and files of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    /// What `index/` and `local/` are below.
    own: PathBuf,
}

impl Layout {
    /// Returns the layout of the store whose root is `root`; touches nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            own: root.clone(),
            root,
        }
    }

    /// Returns the layout of a store that is not written to: `index/` and `local/` are below `own` instead.
    pub fn apart(root: impl Into<PathBuf>, own: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            own: own.into(),
        }
    }

    /// Returns the directory of `index/` and `local/`, the root of the store by default.
    pub fn own_root(&self) -> &Path {
        &self.own
    }

    /// Returns the root of the store, `.tributary/` by default.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of the transaction files.
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// Returns the path of the file that `relative`, a name below `events/` with `/` between its parts, stands for.
    pub fn event_file(&self, relative: &str) -> PathBuf {
        let mut path = self.events();
        path.extend(relative.split('/'));
        path
    }

    /// Returns the file that names what a program has to know to read the store.
    pub fn requires(&self) -> PathBuf {
        self.root.join("requires")
    }

    /// Returns the directory of everything that can be rebuilt from `events/`, in every format.
    pub fn indexes(&self) -> PathBuf {
        self.own.join("index")
    }

    /// Returns the directory of the index in the format of this program.
    pub fn index(&self) -> PathBuf {
        self.indexes().join(INDEX_FORMAT.to_string())
    }

    /// Returns the ingestion journal.
    pub fn journal(&self) -> PathBuf {
        self.index().join("journal")
    }

    /// Returns the file that names the segments.
    pub fn manifest(&self) -> PathBuf {
        self.index().join("manifest")
    }

    /// Returns the segment of this id.
    pub fn segment(&self, id: [u8; 16]) -> PathBuf {
        let name = uuid::Uuid::from_bytes(id).simple().to_string();
        self.index().join(format!("{name}.segment"))
    }

    /// Returns the directory of what belongs to this working copy alone.
    pub fn local(&self) -> PathBuf {
        self.own.join("local")
    }

    /// Returns a directory or file below `local/`.
    pub fn local_item(&self, name: &str) -> PathBuf {
        self.local().join(name)
    }

    /// Returns the write lock, held for one append.
    pub fn lock(&self) -> PathBuf {
        self.local_item("lock")
    }

    /// Returns the directory in which files are written before they are published.
    pub fn temp(&self) -> PathBuf {
        self.local_item("tmp")
    }

    /// Returns the directory that keeps the bytes of vanished transactions.
    pub fn vanished(&self) -> PathBuf {
        self.local_item("vanished")
    }

    /// Returns the file that keeps the content of a transaction that this working copy saw first, where that is not what its file holds now.
    pub fn vanished_first(&self, id: TransactionId) -> PathBuf {
        self.vanished().join(id.file_name())
    }
}
