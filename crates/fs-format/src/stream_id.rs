//! The id of a stream.
//!
//! **Invariant**: 1 to 255 Unicode scalar values, none of them `*`, `?`, `[` or `]`, which globs need for themselves.
//! Everything else is allowed, `/`, `..`, NUL and newlines too, so an id is never made a part of a path.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_STREAM_ID_CHARS;

/// Why a text is not the id of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamIdError {
    /// The text is empty.
    #[error("a stream id must not be empty")]
    Empty,
    /// The text is longer than [`MAX_STREAM_ID_CHARS`].
    #[error("a stream id of {chars} characters is longer than {MAX_STREAM_ID_CHARS}")]
    TooLong {
        /// How long it is, in Unicode scalar values.
        chars: usize,
    },
    /// The text has one of the characters of a glob.
    #[error("a stream id must not contain `{character}`")]
    Forbidden {
        /// The first such character.
        character: char,
    },
}

/// The id of a stream, cheap to clone, ordered by the bytes of its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// Returns `text` as the id of a stream.
    ///
    /// # Errors
    /// As [`StreamIdError`] says.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, StreamIdError> {
        let text = text.into();
        check(&text).map(|()| Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), StreamIdError> {
    if text.is_empty() {
        return Err(StreamIdError::Empty);
    }
    let chars = text.chars().count();
    if chars > MAX_STREAM_ID_CHARS {
        return Err(StreamIdError::TooLong { chars });
    }
    match text
        .chars()
        .find(|character| matches!(character, '*' | '?' | '[' | ']'))
    {
        Some(character) => Err(StreamIdError::Forbidden { character }),
        None => Ok(()),
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({:?})", &*self.0)
    }
}

impl AsRef<str> for StreamId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for StreamId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for StreamId {
    type Error = StreamIdError;

    fn try_from(text: String) -> Result<Self, StreamIdError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(
            StreamId::new("ü".repeat(255)).is_ok(),
            "255 characters of two bytes each are allowed"
        );
        assert_eq!(
            StreamId::new("ü".repeat(256)),
            Err(StreamIdError::TooLong { chars: 256 })
        );
        assert_eq!(StreamId::new(""), Err(StreamIdError::Empty));
    }

    #[test]
    fn glob_characters_alone_are_forbidden() {
        for character in ['*', '?', '[', ']'] {
            let refused = StreamId::new(format!("a{character}b"));
            assert_eq!(refused, Err(StreamIdError::Forbidden { character }));
        }
        for text in [
            "/",
            "..",
            "../../etc/passwd",
            "\0",
            "a\nb",
            " ",
            "{}",
            "\u{2028}",
        ] {
            let id = StreamId::new(text).unwrap();
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(
                serde_json::from_str::<StreamId>(&json).unwrap(),
                id,
                "{text:?} survives JSON"
            );
        }
    }
}
