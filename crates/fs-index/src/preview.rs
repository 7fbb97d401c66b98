//! What the history would be if other files came, as by a `git merge`.
//!
//! **Invariant**: nothing is written, and no lock is taken.

use std::collections::BTreeSet;

use fs_io::System;

use crate::census::Census;
use crate::error::IndexError;
use crate::history::History;
use crate::layout::Layout;
use crate::progress::Progress;
use crate::trouble::{Reason, Trouble};

/// A file that may come to stand in `events/`.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its path below `events/`, with `/` between the parts.
    pub path: String,
    /// Its bytes, or why there are none.
    pub content: Result<Vec<u8>, Reason>,
}

/// A history as it is, and as it would be with other files too.
#[derive(Debug)]
pub struct Preview {
    /// The history of the files that are here.
    pub now: History,
    /// The history of these and the incoming ones. Numbers and epoch mean nothing in it.
    pub then: History,
    /// Files that would be left out and are not left out now, by path: incoming ones that cannot be used or contradict
    /// a file that is here, and files that an incoming one contradicts.
    pub troubles: Vec<Trouble>,
}

impl Preview {
    /// Works out what the history of the store at `layout` would be with `incoming` files. Of two contents of one
    /// transaction, the one that is here stays.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the journal cannot be read.
    ///
    /// # Complexity
    /// Reads the journal, and opens the files that it does not know.
    pub fn of(
        system: System,
        layout: Layout,
        incoming: Vec<Incoming>,
        progress: Progress,
    ) -> Result<Self, IndexError> {
        Census::new(system, layout, BTreeSet::new(), progress).preview(incoming)
    }
}
