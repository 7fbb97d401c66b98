//! JSON text that is kept as it was written.
//!
//! **Invariant**: the text is valid JSON, at most 127 deep. It is never parsed into a tree and printed again, so
//! numbers, escapes, the order of keys and duplicate keys stay byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::limits::MAX_JSON_DEPTH;

/// The deepest value: it stands in a record, whose own object counts too.
const MAX_VALUE_DEPTH: usize = MAX_JSON_DEPTH - 1;

/// Why a text cannot stand in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("not valid JSON")]
    Invalid(#[from] serde_json::Error),
    /// Arrays and objects are nested deeper than a record has room for.
    #[error("JSON nested deeper than {MAX_VALUE_DEPTH} levels")]
    TooDeep,
    /// The value is not an object, where one is needed.
    #[error("not a JSON object")]
    NotAnObject,
}

/// A JSON value as text, borrowed from where it was read or owned.
///
/// Equal when the texts are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json<'a>(Cow<'a, str>);

impl Json<'static> {
    /// Validates `text` and strips the white space between its tokens, nothing else.
    ///
    /// # Errors
    /// [`JsonError::Invalid`] and [`JsonError::TooDeep`].
    ///
    /// # Complexity
    /// O(n), without recursion.
    pub fn compact(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str::<IgnoredAny>(text)?;
        if is_deeper_than(text, MAX_VALUE_DEPTH) {
            return Err(JsonError::TooDeep);
        }
        let mut stripped = String::with_capacity(text.len());
        let mut kept = 0;
        for (at, byte, place) in Tokens::new(text) {
            if place == Place::Outside && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                stripped.push_str(&text[kept..at]);
                kept = at + 1;
            }
        }
        stripped.push_str(&text[kept..]);
        Ok(Self(Cow::Owned(stripped)))
    }

    /// As [`Json::compact`], for metadata, which is always an object.
    ///
    /// # Errors
    /// As [`Json::compact`], and [`JsonError::NotAnObject`].
    pub fn compact_object(text: &str) -> Result<Self, JsonError> {
        let json = Self::compact(text)?;
        if json.is_object() {
            Ok(json)
        } else {
            Err(JsonError::NotAnObject)
        }
    }

    /// Returns `{}`.
    pub fn empty_object() -> Self {
        Self(Cow::Borrowed("{}"))
    }
}

impl<'a> Json<'a> {
    /// Takes text that is part of a line which was found to be valid and not too deep.
    pub(crate) fn of_checked(raw: &'a RawValue) -> Self {
        Self(Cow::Borrowed(raw.get()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the value is not one of `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// Returns the same text, borrowed from nowhere.
    pub fn into_owned(self) -> Json<'static> {
        Json(Cow::Owned(self.0.into_owned()))
    }

    /// Returns whether it is an object without members.
    pub fn is_empty_object(&self) -> bool {
        let inner = self
            .0
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        inner.is_some_and(|inner| inner.trim_ascii().is_empty())
    }

    pub(crate) fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.0)
    }
}

/// Byte for byte with the serializers of `serde_json`; others see a private structure of it.
impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// Returns whether arrays and objects in `text` are nested deeper than `limit`.
pub(crate) fn is_deeper_than(text: &str, limit: usize) -> bool {
    // Most texts do not even have so many brackets; counting them is far cheaper than telling strings from structure.
    let opening = text
        .bytes()
        .filter(|byte| matches!(byte, b'{' | b'['))
        .count();
    if opening <= limit {
        return false;
    }
    let mut depth = 0_usize;
    for (_, byte, place) in Tokens::new(text) {
        match (place, byte) {
            (Place::Outside, b'{' | b'[') => depth += 1,
            (Place::Outside, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    String,
    Escape,
}

/// The bytes of a text, each with whether it lies in a string.
struct Tokens<'a> {
    bytes: std::iter::Enumerate<std::str::Bytes<'a>>,
    place: Place,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            bytes: text.bytes().enumerate(),
            place: Place::Outside,
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, u8, Place);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, byte) = self.bytes.next()?;
        let place = self.place;
        self.place = match (place, byte) {
            (Place::Outside, b'"') => Place::String,
            (Place::String, b'"') => Place::Outside,
            (Place::String, b'\\') => Place::Escape,
            (Place::Escape, _) => Place::String,
            (same, _) => same,
        };
        Some((at, byte, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn only_white_space_between_tokens_is_stripped() {
        let text = " { \"b\" : [ 1e400 , -0.10 ,12345678901234567890 ] ,\r\n\t\"a b\" : \" \\\" [ \\u0041\\/ \", \"b\":null } ";
        let compact = Json::compact(text).unwrap();
        let expected =
            r#"{"b":[1e400,-0.10,12345678901234567890],"a b":" \" [ \u0041\/ ","b":null}"#;
        assert_eq!(compact.as_str(), expected);
        assert_eq!(
            serde_json::to_string(&compact).unwrap(),
            expected,
            "serializing keeps every byte"
        );
    }

    #[test]
    fn invalid_text_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "01",
            "nul",
            "{} {}",
            "\"\n\"",
            "\u{feff}{}",
            "{a:1}",
            "NaN",
        ] {
            assert!(
                matches!(Json::compact(text), Err(JsonError::Invalid(_))),
                "{text:?} is not JSON"
            );
        }
        assert!(
            matches!(Json::compact_object("[]"), Err(JsonError::NotAnObject)),
            "metadata is an object"
        );
    }

    #[test]
    fn the_deepest_value_can_still_be_decoded() {
        let deepest = Json::compact(&nested(127)).unwrap();
        assert!(
            deepest.decode::<serde_json::Value>().is_ok(),
            "serde_json must be able to decode what is accepted"
        );
        assert!(
            matches!(Json::compact(&nested(128)), Err(JsonError::TooDeep)),
            "128 levels leave no room for the record"
        );
        assert!(
            matches!(Json::compact(&nested(1_000_000)), Err(JsonError::TooDeep)),
            "depth never costs stack"
        );
        let flat = format!("[{}\"{}\"]", "[],{},".repeat(500), "[".repeat(500));
        assert!(
            Json::compact(&flat).is_ok(),
            "brackets side by side or in strings are not depth"
        );
    }

    #[test]
    fn empty_objects_are_known() {
        assert!(
            Json::empty_object().is_empty_object()
                && Json::compact("{ }").unwrap().is_empty_object()
        );
        assert!(
            !Json::compact("{\"a\":1}").unwrap().is_empty_object()
                && !Json::compact("[]").unwrap().is_empty_object()
        );
    }
}
