//! Looking at one file below `events/`: is it a transaction, and the one that its name says?
//!
//! **Invariant**: names are checked before anything is opened, sizes before anything is read, nothing is followed, and
//! whatever is not taken is reported with its reason.

use fs_format::{Location, TransactionId, limits};
use fs_io::{FileKind, ReadError, Stat};

use crate::index::Index;
use crate::record::{Origin, Place};
use crate::stored::Stored;
use crate::trouble::{Reason, Trouble};

/// A reported file and what it looked like then, so that it is looked at again only when it changes.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) trouble: Trouble,
    seen: Option<(u64, i64)>,
}

impl Watched {
    pub(crate) fn of(stored: &Stored, trouble: Trouble) -> Self {
        Self {
            trouble,
            seen: Some((stored.bytes.len() as u64, stored.modified_nanos)),
        }
    }
}

/// What was found.
pub(crate) enum Examined {
    /// The file that the history knows, or no file where none was known.
    Unchanged,
    /// No file where this transaction was.
    Gone(TransactionId),
    /// A transaction that the history does not know.
    Whole(Box<Stored>),
    /// A file that cannot be used.
    Trouble(Watched),
}

impl Index {
    /// Looks at the file of this path; what the history knows already is not opened again.
    pub(crate) fn examine(&self, path: &str) -> Examined {
        let stat = match self.system.disk.stat(&self.layout.event_file(path)) {
            Ok(stat) => stat,
            Err(error) => return trouble(path, None, Reason::Unreadable(error.to_string())),
        };
        let location = fs_format::check_name(path);
        let Some(stat) = stat else {
            return match location {
                Ok(location) if self.is_known_at(&location) => {
                    Examined::Gone(location.transaction_id())
                }
                // A name that is listed and not found is not UTF-8.
                Err(error) if self.scanner.contains(path) => {
                    trouble(path, None, Reason::Name(error))
                }
                _ => Examined::Unchanged,
            };
        };
        if stat.kind != FileKind::File {
            return trouble(path, Some(&stat), Reason::NotAFile(stat.kind));
        }
        let location = match location {
            Ok(location) => location,
            Err(error) => return trouble(path, Some(&stat), Reason::Name(error)),
        };
        if let Some(known) = self.history.find(location.transaction_id()) {
            if known.place != Place::of(&location) {
                return trouble(
                    path,
                    Some(&stat),
                    Reason::Duplicate {
                        other: known.relative_path(),
                    },
                );
            }
            if !self.gone.contains(&known.id()) {
                return Examined::Unchanged;
            }
        }
        self.decode(path, &location, &stat)
    }

    fn decode(&self, path: &str, location: &Location, stat: &Stat) -> Examined {
        let bytes = match self
            .system
            .disk
            .read(&self.layout.event_file(path), limits::MAX_FILE_BYTES)
        {
            Ok(bytes) => bytes,
            Err(ReadError::NotFound { .. }) => return Examined::Unchanged,
            Err(ReadError::TooLarge { len, .. }) => {
                return trouble(path, Some(stat), Reason::TooLarge { len });
            }
            Err(error) => return trouble(path, Some(stat), Reason::Unreadable(error.to_string())),
        };
        let checked = fs_format::decode(&bytes)
            .and_then(|transaction| transaction.check_location(*location).map(|()| transaction));
        let (header, content_hash, event_count) = match checked {
            Ok(transaction) => (
                transaction.header,
                transaction.content_hash,
                transaction.events.len() as u64,
            ),
            Err(error) => return trouble(path, Some(stat), Reason::of_content(&error)),
        };
        Examined::Whole(Box::new(Stored {
            header,
            content_hash,
            number: 0,
            origin: Origin::Arrived,
            place: Place::of(location),
            modified_nanos: stat.modified_nanos,
            bytes: bytes.into(),
            event_count,
        }))
    }

    fn is_known_at(&self, location: &Location) -> bool {
        let id = location.transaction_id();
        let known = self.history.find(id).or_else(|| self.candidates.get(&id));
        known.is_some_and(|stored| stored.place == Place::of(location))
    }

    /// Returns the reported files that look otherwise than when they were reported.
    pub(crate) fn restless(&self) -> Vec<String> {
        let changed = |watched: &&Watched| {
            let path = self.layout.event_file(&watched.trouble.path);
            let now = self
                .system
                .disk
                .stat(&path)
                .ok()
                .flatten()
                .map(|stat| (stat.len, stat.modified_nanos));
            now.is_none() || now != watched.seen
        };
        self.troubles
            .values()
            .filter(changed)
            .map(|watched| watched.trouble.path.clone())
            .collect()
    }

    /// Compares every known file's length and time with what was recorded, and its content where they differ.
    pub(crate) fn compare_files(&mut self) {
        let mut changed = Vec::new();
        for stored in self.history.shared() {
            let path = self.layout.event_file(&stored.relative_path());
            let same = match self.system.disk.stat(&path) {
                Ok(Some(stat)) if stat.kind == FileKind::File => {
                    stat.len == stored.bytes.len() as u64
                        && stat.modified_nanos == stored.modified_nanos
                }
                _ => false,
            };
            let same = same
                || self
                    .system
                    .disk
                    .read(&path, limits::MAX_FILE_BYTES)
                    .is_ok_and(|bytes| bytes == stored.file_bytes());
            if !same {
                changed.push((stored.id(), stored.relative_path()));
            }
        }
        for (id, path) in changed {
            self.gone.insert(id);
            match self.examine(&path) {
                Examined::Trouble(watched) => {
                    self.troubles.insert(path, watched);
                }
                Examined::Whole(stored) => {
                    self.claims.add(&stored.header);
                    self.candidates.insert(id, *stored);
                }
                Examined::Unchanged | Examined::Gone(_) => {}
            }
        }
    }
}

fn trouble(path: &str, stat: Option<&Stat>, reason: Reason) -> Examined {
    let trouble = Trouble {
        path: path.to_owned(),
        reason,
    };
    Examined::Trouble(Watched {
        trouble,
        seen: stat.map(|stat| (stat.len, stat.modified_nanos)),
    })
}
