//! Where transaction files lie below `events/`.
//!
//! **Invariant**: a name is matched against the two patterns here before anything is opened, and the path is a function
//! of the id, so it is never searched for.

use crate::TransactionId;

/// The place of a transaction file, by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `<hex 1-4>/<hex 5-6>/<id>.jsonl`: format 3.
    Sharded(TransactionId),
    /// `<id>.jsonl`: formats 1 and 2.
    Flat(TransactionId),
}

impl Location {
    /// Returns the id in the name.
    pub fn transaction_id(&self) -> TransactionId {
        match self {
            Self::Sharded(id) | Self::Flat(id) => *id,
        }
    }
}

/// Why a path is not that of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is not the id of a transaction with the suffix `.jsonl`.
    #[error("not the name of a transaction file")]
    NotATransaction,
    /// The name is that of a transaction, but the directories are not.
    #[error("transaction {id} belongs at {expected}")]
    Misplaced {
        /// The id in the name.
        id: TransactionId,
        /// Where its file belongs, below `events/`.
        expected: String,
    },
}

/// Tells from a path below `events/`, with `/` between its parts, which transaction the file should hold.
///
/// # Errors
/// As [`NameError`] says.
pub fn check_name(relative: &str) -> Result<Location, NameError> {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    let id = name
        .strip_suffix(".jsonl")
        .ok_or(NameError::NotATransaction)?;
    let id = TransactionId::parse(id).map_err(|_| NameError::NotATransaction)?;
    let expected = id.relative_path();
    if relative == expected {
        Ok(Location::Sharded(id))
    } else if relative == name {
        Ok(Location::Flat(id))
    } else {
        Err(NameError::Misplaced { id, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a1fd21-d4f8-70bd-9977-306ff692b65f";

    #[test]
    fn both_places_are_known() {
        let id = TransactionId::parse(ID).unwrap();
        assert_eq!(check_name(&id.relative_path()), Ok(Location::Sharded(id)));
        assert_eq!(check_name(&id.file_name()), Ok(Location::Flat(id)));
    }

    #[test]
    fn other_directories_are_misplaced() {
        let id = TransactionId::parse(ID).unwrap();
        for directory in [
            "01a1/fe",
            "01a1",
            "fd",
            "01A1/fd",
            "01a1/fd/x",
            "./01a1/fd",
            "../01a1/fd",
            "",
            "01a1//fd",
        ] {
            let found = check_name(&format!("{directory}/{ID}.jsonl"));
            assert_eq!(
                found,
                Err(NameError::Misplaced {
                    id,
                    expected: id.relative_path()
                }),
                "{directory:?}"
            );
        }
    }

    #[test]
    fn other_names_are_no_transactions() {
        let upper = format!("{}.jsonl", ID.to_uppercase());
        let v4 = "01a1fd21-d4f8-40bd-9977-306ff692b65f.jsonl";
        let names = [
            "",
            "/",
            ".jsonl",
            ".gitattributes",
            "notes.jsonl",
            ID,
            &format!("{ID}.json"),
            &format!("{ID}.jsonl/"),
            &upper,
            v4,
        ];
        for name in names {
            assert_eq!(
                check_name(name),
                Err(NameError::NotATransaction),
                "{name:?}"
            );
        }
        assert_eq!(
            check_name(&format!("01a1/fd/{ID}.jsonl~")),
            Err(NameError::NotATransaction)
        );
    }
}
