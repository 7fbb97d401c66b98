//! What is found without reading a record: segments on disk, the tail behind them, and both as one.

pub(crate) mod catalog;
pub(crate) mod manifest;
pub(crate) mod segment;
pub(crate) mod stream_reader;
pub(crate) mod tail;
