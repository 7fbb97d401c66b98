//! Files in `events/` that are not part of the history, each with its reason.

use std::fmt;

use fs_format::{DecodeError, NameError, TransactionId};
use fs_io::FileKind;

/// How the files begin that git LFS leaves in the place of others.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A file that is left where it is and out of the history.
#[derive(Clone, Debug)]
pub struct RejectedFile {
    /// Its path below `events/`, with `/` between the parts.
    pub path: String,
    /// Why it is left out.
    pub reason: Reason,
}

/// Why a file is left out of the history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The trace of a power cut, or of a checkout that is still running.
    Incomplete(String),
    /// The name is none that a transaction file has.
    Name(NameError),
    /// It is no regular file.
    NotAFile(FileKind),
    /// It does not decode, or says something else than its name.
    Content(String),
    /// It was written by a newer version of the format, as the text says.
    Newer(String),
    /// It is what git LFS leaves in the place of a file.
    LfsPointer,
    /// It is larger than any transaction file.
    TooLarge {
        /// Its length in bytes.
        len: u64,
    },
    /// The operating system refused to read it.
    Unreadable(String),
    /// The same transaction lies under another name as well.
    Duplicate {
        /// The path of the one that is read.
        other: String,
    },
    /// It is not what its children recorded: it was edited and sealed again.
    Altered {
        /// The children that recorded another hash.
        children: Vec<TransactionId>,
    },
    /// It is its own ancestor, or descends from one that is.
    Cycle,
}

/// What mends a fault of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The bytes that a file had. Who has them is to be found out: what the store keeps, version control, another clone.
    GoodBytes {
        /// The path of the file below `events/`.
        path: String,
    },
    /// The bytes that a file had, in the place of what stands there now, which is moved away first.
    InTheWay {
        /// The path below `events/`.
        path: String,
        /// What helps as well.
        steps: Option<&'static str>,
    },
    /// What the text says.
    Steps(String),
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::GoodBytes { path } => write!(
                f,
                "bring back the bytes that events/{path} had, from version control, a backup or another clone"
            ),
            Remedy::InTheWay { path, steps: None } => write!(
                f,
                "move it out of events/, and bring back the bytes that events/{path} had, from version control, a backup or another clone"
            ),
            Remedy::InTheWay {
                steps: Some(steps), ..
            } => f.write_str(steps),
            Remedy::Steps(steps) => f.write_str(steps),
        }
    }
}

impl Reason {
    /// Returns whether the file may become whole by itself or by a checkout.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Reason::Incomplete(_))
    }

    /// Returns what mends it; `path` is the file's below `events/`.
    pub fn remedy(&self, path: &str) -> Remedy {
        let in_the_way = |steps| Remedy::InTheWay {
            path: path.to_owned(),
            steps,
        };
        let steps = match self {
            Reason::Incomplete(_) | Reason::Content(_) | Reason::Altered { .. } => {
                return Remedy::GoodBytes {
                    path: path.to_owned(),
                };
            }
            Reason::Name(NameError::Misplaced { expected, .. }) => {
                return Remedy::Steps(format!("move it to events/{expected}, where it belongs"));
            }
            Reason::Name(_) => {
                "give it back the name it was written under, or move it out of events/"
            }
            Reason::NotAFile(_) if fs_format::check_name(path).is_err() => {
                "move it away; what is missing then is told with what to do"
            }
            Reason::NotAFile(_) | Reason::TooLarge { .. } => return in_the_way(None),
            Reason::LfsPointer => {
                return in_the_way(Some(
                    "get the file with `git lfs pull`, and let events/ be stored without git LFS",
                ));
            }
            Reason::Newer(_) => {
                return in_the_way(Some("read it with a newer version of this program"));
            }
            Reason::Unreadable(_) => "see that this user may read it",
            Reason::Duplicate { .. } => "delete this copy",
            Reason::Cycle => {
                return Remedy::Steps(format!(
                    "no program writes that: find the commit that brought it with `git log -- events/{path}` in the store's directory, and revert it"
                ));
            }
        };
        Remedy::Steps(steps.to_owned())
    }

    /// Returns whether other files have a say in it.
    pub(crate) fn is_about_others(&self) -> bool {
        matches!(
            self,
            Reason::Duplicate { .. } | Reason::Altered { .. } | Reason::Cycle
        )
    }

    /// Returns that bytes are what git LFS leaves in the place of a file, if they are.
    pub(crate) fn of_pointer(bytes: &[u8]) -> Option<Self> {
        bytes.starts_with(LFS_POINTER).then_some(Reason::LfsPointer)
    }

    pub(crate) fn of_content(error: &DecodeError) -> Self {
        if error.is_incomplete() {
            Reason::Incomplete(error.to_string())
        } else if error.is_newer() {
            Reason::Newer(error.to_string())
        } else {
            Reason::Content(error.to_string())
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Incomplete(what) => write!(f, "incomplete: {what}"),
            Reason::Name(error) => write!(f, "{error}"),
            Reason::NotAFile(FileKind::Symlink) => {
                f.write_str("a symbolic link, which is never followed")
            }
            Reason::NotAFile(FileKind::Directory) => {
                f.write_str("a directory where a transaction file is expected")
            }
            Reason::NotAFile(_) => f.write_str("not a regular file"),
            Reason::Content(what) => f.write_str(what),
            Reason::LfsPointer => f.write_str("a pointer of git lfs, and not the file itself"),
            Reason::Newer(what) => f.write_str(what),
            Reason::TooLarge { len } => write!(
                f,
                "{len} bytes, more than the {} of the largest transaction file",
                fs_format::limits::MAX_FILE_BYTES
            ),
            Reason::Unreadable(what) => write!(f, "cannot be read: {what}"),
            Reason::Duplicate { other } => {
                write!(f, "a copy: the same transaction is read from {other}")
            }
            Reason::Altered { children } => {
                let child = children
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                write!(
                    f,
                    "altered after it was written: its content is not what its child {child} recorded"
                )
            }
            Reason::Cycle => f.write_str("its own ancestor, or a descendant of such a transaction"),
        }
    }
}
