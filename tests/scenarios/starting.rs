//! Processes that start while another holds the lock.

use fs_store::{FileEventStore, StoreOptions};
use scenarios::answers::Answers;
use scenarios::numbers;

use crate::readers::{PATIENCE, locked, within};

#[test]
fn a_process_that_starts_reads_while_another_holds_the_lock() {
    let (world, holder, clone, _) = locked();
    let root = clone.root();
    within(PATIENCE, "a process that starts reads", move || {
        let options = StoreOptions::default().lock_timeout(PATIENCE * 2);
        let store = FileEventStore::open_existing_with(&root, options).unwrap();
        assert_eq!(numbers(&store, "issue"), [1, 2]);
        Answers::of(&store).unwrap().assert_consistent();
    });
    drop((world, holder));
}
