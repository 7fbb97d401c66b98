//! The events of a file whose seal was verified before.

use std::iter::FusedIterator;

use super::lines::Lines;
use super::record::{self, Declared, Kind};
use crate::{DecodeError, Event, FormatVersion, Header, StreamId};

/// Decodes events one by one, without verifying the seal again.
///
/// Ends after the last event, or after the first error.
#[derive(Clone, Debug)]
pub struct Events<'h, 'a> {
    declared: Declared<'h>,
    lines: Lines<'a>,
    /// How many have come.
    count: u64,
    ended: bool,
}

impl<'h, 'a> Events<'h, 'a> {
    /// Begins below the first line of `bytes`, whose header is `header`.
    pub fn new(header: &'h Header, bytes: &'a [u8]) -> Self {
        Self::below(Declared::Header(header), bytes)
    }

    /// Begins below the first line of `bytes`, for who has the streams that the events are of, and need not decode the header.
    ///
    /// The streams are in byte order, each with the number of its events, as the header says.
    pub fn of_streams(streams: &'h [(StreamId, u64)], bytes: &'a [u8]) -> Self {
        Self::below(Declared::Streams(streams), bytes)
    }

    /// As [`Events::of_streams`], from the event at place `count` on, whose line begins at byte `begin`.
    pub fn of_streams_from(
        streams: &'h [(StreamId, u64)],
        bytes: &'a [u8],
        begin: usize,
        count: u64,
    ) -> Self {
        Self {
            declared: Declared::Streams(streams),
            lines: Lines::new(bytes.get(begin..).unwrap_or_default()),
            count,
            ended: false,
        }
    }

    fn below(declared: Declared<'h>, bytes: &'a [u8]) -> Self {
        let mut lines = Lines::new(bytes);
        let ended = lines.next().is_none();
        Self {
            declared,
            lines,
            count: 0,
            ended,
        }
    }

    fn read(&mut self) -> Result<Option<Event<'a>>, DecodeError> {
        let Some(line) = self.lines.next() else {
            return match self.declared {
                Declared::Header(header) if header.format_version == FormatVersion::V3 => {
                    Err(DecodeError::Truncated)
                }
                Declared::Streams(streams) if self.count < count_of(streams) => {
                    Err(DecodeError::Truncated)
                }
                // Older formats have no seal.
                Declared::Header(_) | Declared::Streams(_) => Ok(None),
            };
        };
        let line = line?;
        match record::kind(&line)? {
            Kind::Event => {
                self.count += 1;
                record::event(&line, self.declared).map(Some)
            }
            Kind::Seal => Ok(None),
        }
    }
}

fn count_of(streams: &[(StreamId, u64)]) -> u64 {
    let counts = streams.iter().map(|(_, count)| *count);
    counts.fold(0, u64::saturating_add)
}

impl<'a> Iterator for Events<'_, 'a> {
    type Item = Result<Event<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.read().transpose();
        self.ended = !matches!(event, Some(Ok(_)));
        event
    }
}

impl FusedIterator for Events<'_, '_> {}
