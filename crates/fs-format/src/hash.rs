//! The hash by which a file is sealed and by which children refer to it.
//!
//! **Invariant**: it is taken over lines, each ended by one LF, not over bytes, so that a checkout that converts line
//! endings does not change it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A text is not a hash: 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 of 64 lower-case hex digits")]
#[non_exhaustive]
pub struct HashError;

/// A SHA-256, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Returns the hash over `lines`, each ended by one LF.
    pub fn of_lines<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Self {
        let mut hasher = LineHasher::default();
        lines
            .into_iter()
            .for_each(|line| hasher.line(line.as_ref()));
        hasher.finish()
    }

    /// Returns the hash of these bytes as they are.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 32 bytes as a hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the canonical text.
    ///
    /// # Errors
    /// [`HashError`] for anything but 64 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| HashError)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, HashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(HashError),
    }
}

/// A hash over lines as they come.
#[derive(Clone, Default)]
pub(crate) struct LineHasher(Sha256);

impl LineHasher {
    pub(crate) fn line(&mut self, line: &[u8]) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    pub(crate) fn finish(self) -> ContentHash {
        ContentHash(self.0.finalize().into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits
            .map(|digit| char::from(DIGITS[usize::from(digit)]))
            .collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, HashError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC_LF: &str = "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb";

    #[test]
    fn the_hash_is_sha_256_over_lines_ended_by_lf() {
        assert_eq!(ContentHash::of_lines(["abc"]).to_string(), ABC_LF);
        assert_eq!(
            ContentHash::of_lines(["abc"]),
            ContentHash::of_bytes(b"abc\n")
        );
        assert_eq!(
            ContentHash::of_lines(["a", "b"]),
            ContentHash::of_bytes(b"a\nb\n")
        );
    }

    #[test]
    fn only_lower_case_hex_parses() {
        assert_eq!(ContentHash::parse(ABC_LF).unwrap().to_string(), ABC_LF);
        for other in [
            "",
            &ABC_LF[1..],
            &ABC_LF.to_uppercase(),
            &format!("{ABC_LF}0"),
            &ABC_LF.replace('e', "g"),
        ] {
            assert_eq!(
                ContentHash::parse(other),
                Err(HashError),
                "{other:?} is not canonical"
            );
        }
    }
}
