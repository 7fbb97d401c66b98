//! A gap in what one writer wrote.

use std::fs;

use scenarios::World;

use crate::middle::{DAMAGES, spoil};

#[test]
fn one_bad_file_is_no_conflict_of_identity() {
    let world = World::new();
    let clone = world.init("clone");
    let ids: Vec<_> = (1..=5)
        .map(|n| clone.append("issue", n).transaction_id)
        .collect();
    let path = clone.event_file(&ids[2].relative_path());
    for damage in DAMAGES {
        let bytes = fs::read(&path).unwrap();
        spoil(&path, &bytes, damage);
        assert_eq!(
            clone.store().status().unwrap().replica_conflicts,
            [],
            "a {damage} file does not make one writer look like two"
        );
        fs::write(&path, &bytes).unwrap();
    }
    let status = clone.store().status().unwrap();
    assert!(status.is_clean(), "{status:?}");
}
