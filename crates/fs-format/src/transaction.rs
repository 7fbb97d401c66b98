//! A whole transaction as it was read, and what happened to its file on the way.

use crate::{ContentHash, DecodeError, Event, FormatVersion, Header, Location};

/// A transaction whose file was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// Its header.
    pub header: Header,
    /// Its events, in the order in which they were appended.
    pub events: Vec<Event<'a>>,
    /// The hash by which children refer to it: the seal's; for formats 1 and 2 the SHA-256 over all lines.
    pub content_hash: ContentHash,
    /// What the file's way here changed without touching its content.
    pub transit: Transit,
}

impl Transaction<'_> {
    /// Checks that the file lies where a transaction of this id and format belongs.
    ///
    /// # Errors
    /// [`DecodeError::WrongName`] when the name has another id, [`DecodeError::WrongPlace`] when a file of format 3 lies
    /// flat or an older one does not.
    pub fn check_location(&self, location: Location) -> Result<(), DecodeError> {
        let found = self.header.transaction_id;
        let expected = location.transaction_id();
        if found != expected {
            return Err(DecodeError::WrongName { expected, found });
        }
        match (location, self.header.format_version) {
            (Location::Sharded(_), FormatVersion::V3) => Ok(()),
            (Location::Flat(_), FormatVersion::V1 | FormatVersion::V2) => Ok(()),
            (Location::Flat(_), version) => Err(DecodeError::WrongPlace {
                version,
                expected: found.relative_path(),
            }),
            (Location::Sharded(_), version) => Err(DecodeError::WrongPlace {
                version,
                expected: found.file_name(),
            }),
        }
    }
}

/// What a checkout or an editor did to a file whose content still verifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transit {
    /// At least one line ends in CR LF.
    pub crlf: bool,
    /// The file begins with a byte order mark.
    pub bom: bool,
    /// The last line is not ended.
    pub missing_final_newline: bool,
}

impl Transit {
    /// Returns whether the file has the very bytes that were written.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}
