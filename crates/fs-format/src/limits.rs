//! The limits of a transaction file, checked when it is written and before it is read.
//!
//! They bound what a file that arrived from elsewhere can cost; none of them is a target.

/// The largest transaction file, in bytes.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The most events of one transaction.
pub const MAX_EVENTS: usize = 65_536;

/// The most parents of one transaction.
pub const MAX_PARENTS: usize = 4_096;

/// The deepest nesting of arrays and objects in one line, the record's own object counted.
pub const MAX_JSON_DEPTH: usize = 128;

/// The longest stream id, in Unicode scalar values.
pub const MAX_STREAM_ID_CHARS: usize = 255;

/// The highest place in a replica's chain: below the highest number, so that there is always a next one.
pub const MAX_REPLICA_SEQ: u64 = u64::MAX - 1;

/// The longest command id, in Unicode scalar values.
pub const MAX_COMMAND_ID_CHARS: usize = 255;
