//! The directory where generated stores are kept from one run to the next.
//!
//! Beside each finished store lies `<name>.made`: what is in it. A store without that was left half-made and is made anew
//! under another name. Stores that are appended to keep growing; one that got too large for its size is left alone and the
//! next is made beside it.
//!
//! **Invariant**: no store is ever deleted, and what is measured has the size that the table says, or up to twice that where it
//! is appended to. To get the space back, delete the directory long before the next run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fs_format::{ContentHash, TransactionId};

use crate::generate::Chain;
use crate::stores::Kind;
use crate::workload::Shape;
use crate::{Fallible, child, measure};

/// Raised when stores that an earlier version generated are of no use any more.
const GENERATION: u32 = 2;

/// What a store is filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    pub(crate) shape: Shape,
    pub(crate) size: u64,
}

pub(crate) struct Scratch {
    root: PathBuf,
}

/// A store that may be appended to.
pub(crate) struct Growing {
    pub(crate) path: PathBuf,
    made: Made,
}

/// What is known of a finished store.
#[derive(Default)]
struct Made {
    chain: Chain,
    appended: u64,
}

impl Scratch {
    pub(crate) fn new(path: &Path) -> Fallible<Self> {
        let root = path.join(format!("generation-{GENERATION}"));
        std::fs::create_dir_all(&root)?;
        let root = root.canonicalize()?;
        Ok(Self { root })
    }

    /// Returns a store that is only read.
    pub(crate) fn store(&self, kind: Kind, shape: Shape, size: u64) -> Fallible<PathBuf> {
        let history = History { shape, size };
        let name = format!("{}-{}-{size}", kind.name(), shape.name());
        Ok(self.find_or_make(&name, kind, history, |_| true)?.path)
    }

    /// Returns a store for one row alone, that will be appended to as often as `planned` says.
    pub(crate) fn growing(
        &self,
        row: &str,
        kind: Kind,
        size: u64,
        planned: usize,
    ) -> Fallible<Growing> {
        let history = History {
            shape: Shape::Tenants,
            size,
        };
        let (name, planned) = (format!("{}-{row}-{size}", kind.name()), planned as u64);
        let has_room = |made: &Made| made.appended == 0 || made.appended + planned <= size;
        let mut store = self.find_or_make(&name, kind, history, has_room)?;
        store.made.appended += planned;
        store.made.save(&store.path)?;
        Ok(store)
    }

    /// Returns the path of a directory that does not exist yet.
    pub(crate) fn fresh(&self, name: &str) -> Fallible<PathBuf> {
        let fresh = self.root.join("fresh");
        std::fs::create_dir_all(&fresh)?;
        let process = std::process::id();
        let mut paths = (0..).map(|at| fresh.join(format!("{name}-{process}-{at}")));
        Ok(paths
            .find(|path| !path.exists())
            .ok_or("there are no more names")?)
    }

    fn find_or_make(
        &self,
        name: &str,
        kind: Kind,
        history: History,
        is_fit: impl Fn(&Made) -> bool,
    ) -> Fallible<Growing> {
        for copy in 1.. {
            let path = self.root.join(format!("{name}.{copy}"));
            match Made::load(&path)? {
                Some(made) if is_fit(&made) => return Ok(Growing { path, made }),
                None if !path.exists() => {
                    eprintln!("  making {}", path.display());
                    let chain = kind.generate(&path, history)?;
                    let made = Made { chain, appended: 0 };
                    if kind == Kind::Ours {
                        // Builds the index.
                        let (stream, version) = history.shape.stream(history.size, 0);
                        child::open(kind, &path, &stream, events_of(history, &stream, version))?;
                    }
                    measure::settle();
                    made.save(&path)?;
                    return Ok(Growing { path, made });
                }
                _ => {}
            }
        }
        Err("there are no more names".into())
    }
}

/// Returns how many events the stream has in the end.
fn events_of(history: History, stream: &str, first: u64) -> usize {
    let streams = (0..history.size).map(|place| history.shape.stream(history.size, place));
    let versions = streams.filter(|(name, _)| name == stream);
    versions
        .map(|(_, version)| version + 1)
        .max()
        .unwrap_or(first) as usize
}

impl Growing {
    /// Returns where the history that was generated ends, for more to arrive from elsewhere.
    pub(crate) fn chain(&mut self) -> &mut Chain {
        &mut self.made.chain
    }

    /// Records how far the chain got.
    pub(crate) fn save(&self) -> Fallible<()> {
        self.made.save(&self.path)
    }
}

impl Made {
    fn file(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".made");
        name.into()
    }

    fn load(store: &Path) -> Fallible<Option<Self>> {
        let text = match std::fs::read_to_string(Self::file(store)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut made = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("length"), Some(length), None) => made.chain.length = length.parse()?,
                (Some("appended"), Some(appended), None) => made.appended = appended.parse()?,
                (Some("tip"), Some(id), Some(hash)) => {
                    made.chain.tip = Some((TransactionId::parse(id)?, ContentHash::parse(hash)?));
                }
                _ => return Err(format!("{line:?} in the description of a store").into()),
            }
        }
        Ok(Some(made))
    }

    fn save(&self, store: &Path) -> Fallible<()> {
        let mut text = format!("length {}\nappended {}\n", self.chain.length, self.appended);
        if let Some((id, hash)) = self.chain.tip {
            writeln!(text, "tip {id} {hash}")?;
        }
        Ok(std::fs::write(Self::file(store), text)?)
    }
}
