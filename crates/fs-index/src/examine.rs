//! Looking at one file below `events/`: is it a transaction, and the one that its name says?
//!
//! **Invariant**: names are checked before anything is opened, sizes before anything is read, nothing is followed, and
//! whatever is not taken is reported with its reason.

use fs_format::{Location, limits};
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
    /// The file that the history knows, or nothing of interest.
    Unchanged,
    /// No file where this transaction would be.
    Gone(Location),
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
                Ok(location) => Examined::Gone(location),
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
        let id = location.transaction_id();
        let member = self
            .history
            .find(id)
            .filter(|it| !self.gone.contains(&it.id()));
        if Place::of(&location) == Place::Flat {
            let others = [member, self.candidates.get(&id)];
            let mut others = others.into_iter().flatten();
            if others.any(|it| it.place == Place::Sharded) {
                let other = id.relative_path();
                return trouble(path, Some(&stat), Reason::Duplicate { other });
            }
        }
        if member.is_some_and(|it| it.place == Place::of(&location)) {
            return Examined::Unchanged;
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
            Err(ReadError::NotFound { .. }) => return Examined::Gone(*location),
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

    /// Returns the files that are known and not in the history, and look otherwise than when they were looked at.
    pub(crate) fn restless(&self) -> Vec<String> {
        let seen_now = |path: &str| {
            let stat = self.system.disk.stat(&self.layout.event_file(path));
            stat.ok()
                .flatten()
                .map(|stat| (stat.len, stat.modified_nanos))
        };
        let troubles = self.troubles.values().filter(|watched| {
            let now = seen_now(&watched.trouble.path);
            now.is_none() || now != watched.seen
        });
        let candidates = self.candidates.values().filter(|stored| {
            seen_now(&stored.relative_path())
                != Some((stored.bytes.len() as u64, stored.modified_nanos))
        });
        troubles
            .map(|watched| watched.trouble.path.clone())
            .chain(candidates.map(Stored::relative_path))
            .collect()
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
