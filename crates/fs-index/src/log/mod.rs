//! The ingestion journal: frames, records, and the bytes that they share.

pub(crate) mod bytes;
pub(crate) mod frame;
pub(crate) mod journal;
pub(crate) mod record;
