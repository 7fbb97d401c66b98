//! The directory of the index deleted under open handles, with everything in it.

use std::fs;

use fs_store::FileEventStore;
use scenarios::answers::assert_true_to_its_files;
use scenarios::{World, append, ingested, numbers};

#[test]
fn an_index_deleted_by_another_process_during_appends_changes_no_answer() {
    crate::indexless::check("delete");
}

#[test]
fn an_index_deleted_between_two_appends_of_one_handle_is_made_anew() {
    let world = World::new();
    let clone = world.init("clone");
    let (one, other) = (clone.store(), clone.store());
    for n in 0..6 {
        append(if n % 2 == 0 { &one } else { &other }, "issue", n);
        fs::remove_dir_all(clone.root().join("index")).unwrap();
        if n % 3 == 0 {
            assert_eq!(ingested(&other, None).len() as u64, n + 1);
        }
    }
    for store in [one, other, FileEventStore::open(clone.root()).unwrap()] {
        assert_eq!(numbers(&store, "issue"), [0, 1, 2, 3, 4, 5]);
        let (answers, _) = assert_true_to_its_files(&store);
        assert_eq!(answers.digest.heads.len(), 1, "one line");
    }
}
