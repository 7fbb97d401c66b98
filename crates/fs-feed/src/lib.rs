//! What follows the events of a store: subscriptions, named consumers, projections, recordings.
//!
//! All of it follows a working copy's ingestion order, in which what arrives comes last, so nothing is skipped or given twice whatever a
//! merge brings. [`Feed`] adds it to [`FileEventStore`](fs_store::FileEventStore):
//!
//! - [`subscribe`](Feed::subscribe): what is there, then what comes, for as long as the program runs;
//! - [`consumer`](Feed::consumer): a named place that survives restarts, for agents and notifiers;
//! - [`project`](Feed::project): a read model that holds each event once, whenever the process is killed;
//! - [`Recorder`] and [`recording`](Feed::recording): what an application broadcasts to itself, kept in a stream.
//!
//! **Invariant**: within an epoch each selected event is delivered once and in order, or named where it is not.

#![forbid(unsafe_code)]

mod consumer;
mod feed;
mod page;
pub mod projection;
mod recorder;
mod subscribe;

pub use consumer::{Batch, Consumer, ConsumerError, ConsumerOptions, ConsumerState};
pub use feed::Feed;
pub use recorder::{
    Drained, GAP_TYPE, Gap, LiveItem, LiveRecording, RecordError, Recorded, Recorder,
    RecorderError, Recording, RecordingError, Refusal, ReplayFrom, Unstored,
};
pub use subscribe::{Changes, Item, Items, Missed, SubscribeError, SubscribeOptions, Subscription};
