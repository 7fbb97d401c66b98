//! Which events are wanted, and the transactions that may hold them.

use std::sync::{Arc, Mutex};

use crate::position::Epoch;

/// Which events of the ingestion order are wanted.
///
/// Everything here is applied before a limit, so a page is short only at the end of the journal.
pub trait Select {
    /// Returns whether events of the stream with this id are wanted.
    fn stream(&self, stream_id: &str) -> bool;

    /// Returns whether events of this type are wanted.
    fn event_type(&self, event_type: &str) -> bool;

    /// Returns what the wanted streams have in common; `None` when all are wanted.
    ///
    /// Where these are few, no others are read.
    fn streams(&self) -> Option<Streams<'_>> {
        None
    }

    /// Returns the types of the wanted events, where they can be listed; transactions without one are not read.
    fn event_types(&self) -> Option<Vec<&str>> {
        None
    }
}

/// What wanted streams have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams<'a> {
    /// What their ids start with; the others are not even looked at.
    pub prefix: &'a str,
    /// A text that stands for the selection: two that have the same prefix and text want the same streams.
    pub selection: &'a str,
}

/// Every event.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Select for All {
    fn stream(&self, _: &str) -> bool {
        true
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }
}

/// As what it points to.
impl<S: Select + ?Sized> Select for Arc<S> {
    fn stream(&self, stream_id: &str) -> bool {
        S::stream(self, stream_id)
    }

    fn event_type(&self, event_type: &str) -> bool {
        S::event_type(self, event_type)
    }

    fn streams(&self) -> Option<Streams<'_>> {
        S::streams(self)
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        S::event_types(self)
    }
}

/// The transactions that may hold wanted events.
pub(crate) enum Wanted {
    All,
    /// By number, ascending.
    These(Arc<Vec<u64>>),
}

/// The numbers of those who write the selected streams, kept from page to page.
#[derive(Debug, Default)]
pub(crate) struct Narrowed(pub(super) Mutex<Option<Selected>>);

#[derive(Debug)]
pub(super) struct Selected {
    pub(super) epoch: Epoch,
    pub(super) next_number: u64,
    pub(super) prefix: String,
    pub(super) selection: String,
    /// Ascending; `None` for so many that reading all transactions is less work.
    pub(super) writers: Option<Arc<Vec<u64>>>,
}
