//! Searching a section of names.
//!
//! **Invariant**: the answer is that of a binary search of the whole section, whatever was asked for before.

use super::pages::Nearby;
use super::reader::Segment;
use super::table::{Named, Section, WIDEST};
use super::{Posting, SegmentError, StreamRun};

/// Searches one section of names; a name that sorts behind the one before it is searched from there on.
pub(crate) struct NameSearch<'a> {
    segment: &'a Segment,
    section: Section,
    entries: Nearby<'a>,
    names: Nearby<'a>,
    postings: Nearby<'a>,
    /// The name that was read last.
    name: Vec<u8>,
    /// The name that was asked for last.
    asked: String,
    /// The place of the first name that is `asked` or greater; `None` before the first search.
    found: Option<u64>,
}

impl<'a> NameSearch<'a> {
    pub(super) fn new(segment: &'a Segment, section: Section) -> Self {
        Self {
            segment,
            section,
            entries: segment.nearby(),
            names: segment.nearby(),
            postings: segment.nearby(),
            name: Vec::new(),
            asked: String::new(),
            found: None,
        }
    }

    /// Returns what belongs to a name.
    ///
    /// # Complexity
    /// O(log n) for n names; for one that lies d places behind the one before it O(log d).
    pub(super) fn find(&mut self, name: &str) -> Result<Option<Named>, SegmentError> {
        let at = self.first(name)?;
        let found = self.read(at)?;
        Ok(found.filter(|_| self.name == name.as_bytes()))
    }

    /// Returns where the postings of a stream lie.
    pub(crate) fn stream(&mut self, stream_id: &str) -> Result<Option<StreamRun>, SegmentError> {
        Ok(self.find(stream_id)?.map(StreamRun::new))
    }

    /// Returns who writes a stream, in order of the canonical key.
    pub(crate) fn postings(&mut self, run: &StreamRun) -> Result<Vec<Posting>, SegmentError> {
        self.segment.postings_in(&mut self.postings, run)
    }

    /// Returns the place of the first name that is `name` or greater.
    pub(super) fn first(&mut self, name: &str) -> Result<u64, SegmentError> {
        let count = self.segment.count(self.section);
        let (mut low, mut high) = match self.found {
            Some(found) if self.asked.as_str() <= name => self.surround(found, name)?,
            _ => (0, count),
        };
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_below(middle, name)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.asked.clear();
        self.asked.push_str(name);
        self.found = Some(low);
        Ok(low)
    }

    /// Returns bounds of the first name from `low` on that is `name` or greater, found in steps that double.
    fn surround(&mut self, mut low: u64, name: &str) -> Result<(u64, u64), SegmentError> {
        let count = self.segment.count(self.section);
        let mut step = 0;
        while low.saturating_add(step) < count {
            let at = low + step;
            if !self.is_below(at, name)? {
                return Ok((low, at));
            }
            low = at + 1;
            step = step * 2 + 1;
        }
        Ok((low, count))
    }

    fn is_below(&mut self, at: u64, name: &str) -> Result<bool, SegmentError> {
        // Names sort as their bytes do.
        Ok(self.read(at)?.is_some() && self.name.as_slice() < name.as_bytes())
    }

    /// Reads the name at a place, and returns what belongs to it; `None` at the end.
    fn read(&mut self, at: u64) -> Result<Option<Named>, SegmentError> {
        let Some(place) = self.segment.place_in(self.section, at) else {
            return Ok(None);
        };
        let mut entry = [0; WIDEST];
        let entry = &mut entry[..self.section.width()];
        self.entries.read(place, entry)?;
        let (named, (begin, len)) = self.segment.name_in(entry)?;
        self.name.resize(len, 0);
        self.names.read(begin, &mut self.name)?;
        Ok(Some(named))
    }
}
