//! The immutable on-disk schema of a Tributary store: ids, header, event, seal, and the names of files.
//!
//! One transaction is one file of JSON lines: a header, its events, a seal. This crate turns a transaction into bytes
//! ([`encode`], [`encode_merge`]), bytes into a transaction ([`decode`]), and knows where its file lies
//! ([`check_name`], [`TransactionId::relative_path`]). The normative text is `docs/format.md`.
//!
//! **Invariant**: no I/O, no clock, no randomness. What is encoded decodes to itself, what is decoded was verified, and
//! no input panics or recurses.
#![forbid(unsafe_code)]

mod command_id;
mod decode;
mod encode;
mod event;
mod fence;
mod git_rules;
mod hash;
mod header;
mod id;
mod json;
pub mod limits;
mod litter;
mod merge;
mod name;
mod requires;
mod stream_id;
mod timestamp;
mod transaction;
mod write;

pub use command_id::{CommandId, CommandIdError};
pub use decode::{DecodeError, Events, decode, decode_header};
pub use encode::{EncodeError, Encoded, encode};
pub use event::Event;
pub use fence::{FENCE, FENCE_NAME};
pub use git_rules::{
    GIT_ATTRIBUTES, GIT_ATTRIBUTES_NAME, GIT_IGNORE_LINES, PRIVATE_GIT_IGNORE, complete_git_ignore,
    is_former_git_attributes,
};
pub use hash::{ContentHash, HashError};
pub use header::{FormatVersion, Header, Parent, StreamBase};
pub use id::{EventId, IdError, ReplicaId, TransactionId};
pub use json::{Json, JsonError};
pub use litter::is_litter;
pub use merge::{MergeFlaw, check_merge, encode_merge};
pub use name::{Location, NameError, check_name};
pub use requires::{MAX_REQUIRES_BYTES, UnknownFeature, check_requires};
pub use stream_id::{StreamId, StreamIdError};
pub use timestamp::{Timestamp, TimestampError};
pub use transaction::{Transaction, Transit};
