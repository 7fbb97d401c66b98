//! A shared slice of a buffer read in one go.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that lie in a larger buffer; cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bytes {
    /// Returns the part `range` of `buffer`, which it must lie in.
    pub(crate) fn new(buffer: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        debug_assert!(range.end <= buffer.len());
        Self { buffer, range }
    }

    /// Returns the part `range` of these bytes.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self::new(
            Arc::clone(&self.buffer),
            self.range.start + range.start..self.range.start + range.end,
        )
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self::new(Arc::new(bytes), range)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}
