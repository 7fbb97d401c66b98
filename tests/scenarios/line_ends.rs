//! Checkouts that change line ends.

use std::fs;

use scenarios::{World, numbers};

#[test]
fn a_clone_with_autocrlf_reads_everything() {
    let world = World::new();
    let origin = world.init("origin");
    origin.work("issue", &[1, 2]);
    let clone = world.clone_with(&origin, "clone", &["core.autocrlf=true"]);
    assert_eq!(numbers(&clone.store(), "issue"), [1, 2]);
    clone.work("issue", &[3]);
    origin.merge(&clone);
    assert_eq!(numbers(&origin.store(), "issue"), [1, 2, 3]);
    assert_eq!(
        origin.store().digest().unwrap(),
        clone.store().digest().unwrap()
    );
    let verification = clone.store().verify().unwrap();
    assert!(verification.is_ok(), "{verification:?}");
    assert_eq!(
        verification.altered_in_transit,
        Vec::<String>::new(),
        "the store's .gitattributes keep git from converting"
    );
}

#[test]
fn files_that_were_converted_all_the_same_are_read_and_reported() {
    let world = World::new();
    let clone = world.init("clone");
    let appended = clone.work("issue", &[1, 2]);
    let before = clone.store().digest().unwrap();
    for appended in &appended {
        let path = clone.event_file(&appended.transaction_id.relative_path());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    }
    fs::remove_dir_all(clone.root().join("index")).unwrap();

    assert_eq!(
        numbers(&clone.store(), "issue"),
        [1, 2],
        "line ends are no content"
    );
    assert_eq!(
        clone.store().digest().unwrap(),
        before,
        "hashes are over lines"
    );
    let verification = clone.store().verify().unwrap();
    assert!(verification.is_ok(), "{verification:?}");
    assert_eq!(
        verification.altered_in_transit.len(),
        2,
        "but verify says that they were altered in transit"
    );
    clone.append("issue", 3);
    assert!(
        clone.store().verify().unwrap().is_ok(),
        "and children link to the same hashes"
    );
}
