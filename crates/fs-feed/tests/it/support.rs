//! Stores for the tests of this crate.

use fs_store::FileEventStore;

pub(crate) use fs_testing::bank::account;
pub(crate) use fs_testing::stores::{count, counted, merge, stream_id as stream};

/// Opens a new store in the directory that cargo keeps for the files of tests.
pub(crate) fn new_store() -> FileEventStore {
    fs_testing::stores::new_store_in(env!("CARGO_TARGET_TMPDIR"))
}
