//! The caller's idempotency key.
//!
//! **Invariant**: 1 to 255 Unicode scalar values.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_COMMAND_ID_CHARS;

/// Why a text is not an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandIdError {
    /// The text is empty.
    #[error("a command id must not be empty")]
    Empty,
    /// The text is longer than [`MAX_COMMAND_ID_CHARS`].
    #[error("a command id of {chars} characters is longer than {MAX_COMMAND_ID_CHARS}")]
    TooLong {
        /// How long it is, in Unicode scalar values.
        chars: usize,
    },
}

/// The key by which a command that is sent again is known to be the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CommandId(String);

impl CommandId {
    /// Returns `text` as an idempotency key.
    ///
    /// # Errors
    /// As [`CommandIdError`] says.
    pub fn new(text: impl Into<String>) -> Result<Self, CommandIdError> {
        let text = text.into();
        match text.chars().count() {
            0 => Err(CommandIdError::Empty),
            chars if chars > MAX_COMMAND_ID_CHARS => Err(CommandIdError::TooLong { chars }),
            _ => Ok(Self(text)),
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for CommandId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for CommandId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<CommandId> for String {
    fn from(id: CommandId) -> Self {
        id.0
    }
}

impl TryFrom<String> for CommandId {
    type Error = CommandIdError;

    fn try_from(text: String) -> Result<Self, CommandIdError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(
            CommandId::new("é".repeat(255)).is_ok(),
            "255 characters of two bytes each are allowed"
        );
        assert_eq!(
            CommandId::new("é".repeat(256)),
            Err(CommandIdError::TooLong { chars: 256 })
        );
        assert_eq!(CommandId::new(""), Err(CommandIdError::Empty));
    }
}
