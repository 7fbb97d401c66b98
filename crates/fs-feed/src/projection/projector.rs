//! What an application says of a projection.

use std::sync::Arc;

use eventcore_types::Event;
use fs_index::{All, Select};
use serde::{Deserialize, Serialize};

use fs_store::StoredEvent;

/// What events do to a state.
///
/// A function of the state and the event alone: whoever applies the same events in the same order gets the same state. What
/// it does elsewhere (a mail, another database) may be done again after a crash or a rebuild.
pub trait Projection {
    /// The events, as the application knows them.
    type Event: Event;
    /// What is changed, as its [`ReadModel`](crate::projection::ReadModel) lends it.
    type State;
    /// Why an event cannot be applied.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the name, which cursor and leadership belong to. Another name is another projection.
    fn name(&self) -> &str;

    /// Returns the version of what [`apply`](Self::apply) does; to be raised with each change of it or of the state.
    ///
    /// A read model that was built by another version is reset and built again.
    fn version(&self) -> u32 {
        1
    }

    /// Returns in which order events are applied.
    fn order(&self) -> Order {
        Order::Ingestion
    }

    /// Returns which events are applied; to be answered the same until the [`version`](Self::version) changes.
    fn select(&self) -> Arc<dyn Select + Send + Sync> {
        Arc::new(All)
    }

    /// Makes the state empty, whatever it holds: creates the tables, or deletes their rows.
    ///
    /// Called before the first event, and before the read model is built again.
    ///
    /// # Errors
    /// The projection's own; the runner ends, and the state is as before.
    fn reset(&mut self, state: &mut Self::State) -> Result<(), Self::Error>;

    /// Applies the next event.
    ///
    /// It may block; of a runner in async code it runs on a thread for that.
    ///
    /// # Errors
    /// The projection's own. What was changed by then is undone; whether the event is tried again, set aside or the end is
    /// up to the [`Runner`](crate::projection::Runner).
    fn apply(
        &mut self,
        state: &mut Self::State,
        event: &Delivered<Self::Event>,
    ) -> Result<(), Self::Error>;
}

/// The order in which a projection applies events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// As this working copy saw them: what a merge brings comes last, although it may sort before what was applied.
    ///
    /// For projections that compensate, whose state does not depend on the order of concurrent events, and for those
    /// that react. Nothing is ever built again for a merge.
    Ingestion,
    /// As every clone sorts them. When a merge brings events that sort before what was applied, the state is reset and
    /// built again.
    ///
    /// For projections whose state depends on the order. The whole history is held in memory while it is built.
    Canonical,
}

/// An event that is applied.
#[derive(Clone, Debug)]
pub struct Delivered<E> {
    /// The event, as the application knows it.
    pub event: E,
    /// The event as it is stored: its version, time, replica, metadata and position.
    pub stored: StoredEvent,
}
