//! Bytes into lines.
//!
//! **Invariant**: a line is the same whatever a checkout did to it: a byte order mark before the first, a CR before an
//! LF and a lost last LF are taken off here and remembered.

use crate::{DecodeError, Transit};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One line, without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// Whether an LF ends it.
    pub(super) ended: bool,
}

impl Line<'_> {
    /// Returns why the line is no record: it was cut, or it is not JSON of that shape.
    pub(super) fn invalid(&self, source: serde_json::Error) -> DecodeError {
        // A number that breaks off is a syntax error to the parser, not an early end.
        let at_the_end =
            source.is_eof() || (source.is_syntax() && source.column() >= self.text.len());
        if !self.ended && self.text.starts_with('{') && at_the_end {
            DecodeError::Truncated
        } else {
            DecodeError::InvalidJson {
                line: self.number,
                source,
            }
        }
    }
}

/// The lines of a file.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    transit: Transit,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let (rest, bom) = bytes
            .strip_prefix(BOM)
            .map_or((bytes, false), |rest| (rest, true));
        Self {
            rest,
            number: 0,
            transit: Transit {
                bom,
                ..Transit::default()
            },
        }
    }

    /// Returns the number of the line that was returned last.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Returns what was taken off so far.
    pub(super) fn transit(&self) -> Transit {
        self.transit
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (bytes, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.transit.missing_final_newline |= end.is_none();
        let bytes = match bytes.strip_suffix(b"\r") {
            Some(stripped) => {
                self.transit.crlf = true;
                stripped
            }
            None => bytes,
        };
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Line {
                number: self.number,
                text,
                ended: end.is_some(),
            }),
            Err(error) if error.error_len().is_none() && end.is_none() => {
                Err(DecodeError::Truncated)
            }
            Err(_) => Err(DecodeError::NotUtf8 { line: self.number }),
        })
    }
}
