//! Subscriptions: what is there, then what comes, in ingestion order.
//!
//! ```text
//!   journal --(pages, pulled)--------------------------------------------> history --.
//!      |                                                                              > recv()
//!      '--(read once)--> follower thread --(bounded queue each)----------> live -----'
//!            ^
//!            '-- woken by appends of this handle and by file events; looks at intervals anyway
//! ```
//!
//! A subscription pulls the history itself, page by page, so it cannot fall behind however long that is. Once a pull comes
//! back empty it joins the follower: one thread for each opened store, from the first subscription that has caught up to the
//! end of the last. The thread answers with the position it stands at; what lies between is pulled, the rest comes by queue.
//! When the thread cannot go on (the journal cannot be read, the epoch is another), it dismisses its members, who pull again
//! from where they stand and so meet the error themselves.
//!
//! **Invariant**: within one epoch, each selected event after the given position is delivered once, in order, or lies in the
//! range of a [`Item::Lagged`] that stands in its place. A hole that is not named does not exist.
//!
//! *Not done here*: remembering how far a consumer has come (checkpoints), and starting it again in a new epoch.

mod changes;
mod follower;
mod item;
mod items;
mod missed;
mod options;
mod progress;
mod queue;
mod signal;
mod subscription;
mod tail;
mod watched_dirs;

pub use changes::Changes;
pub use item::{Item, SubscribeError};
pub use items::Items;
pub use missed::Missed;
pub use options::SubscribeOptions;
pub use subscription::Subscription;
