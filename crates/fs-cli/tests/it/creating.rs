//! Where a store is created, and that nothing of the user's becomes part of it.

use std::fs;

use crate::Here;

fn names(here: &Here, below: &str) -> Vec<String> {
    let entries = fs::read_dir(here.path().join(below)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn put(here: &Here, path: &str) {
    let path = here.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

#[test]
fn the_store_of_a_project_is_in_its_own_directory() {
    let here = Here::empty();
    put(&here, "p/events/mine.txt");
    put(&here, "p/local/mine.txt");
    let root = here.json(&["init", "p"])["root"].clone();
    assert!(root.as_str().unwrap().ends_with("p/.tributary"), "{root}");
    assert_eq!(names(&here, "p"), [".tributary", "events", "local"]);
    assert_eq!(names(&here, "p/events"), ["mine.txt"]);
    here.fine(&["init", "not/there/yet"]);
    assert_eq!(names(&here, "not/there/yet"), [".tributary"]);
    let message = here.refused(&["init", "p/.tributary"], 2);
    assert!(message.contains("trib init p"), "{message}");
}

#[test]
fn a_store_elsewhere_is_by_option() {
    let here = Here::empty();
    here.fine(&["--store", "shelf", "init"]);
    assert!(names(&here, "shelf").contains(&"events".to_owned()));
    assert_eq!(names(&here, ""), ["shelf"]);
    let message = here.refused(&["--store", "shelf", "init", "p"], 2);
    assert!(message.contains("--store DIR"), "{message}");
    let mut set = here.command(&["init", "p"]);
    let set = set.env("TRIB_STORE", "shelf").output().unwrap();
    assert!(
        set.status.success() && here.path().join("p/.tributary").is_dir(),
        "{set:?}"
    );
}

#[test]
fn a_directory_with_something_else_in_it_is_not_taken_over() {
    for of_somebody in [
        "readme",
        "events/mine.txt",
        "local/mine.txt",
        "index/mine.txt",
    ] {
        let here = Here::empty();
        put(&here, &format!("d/{of_somebody}"));
        let message = here.refused(&["--store", "d", "init"], 1);
        assert!(
            message.contains(of_somebody),
            "what is there is named: {message}"
        );
        assert_eq!(
            names(&here, "d").len(),
            1,
            "nothing is created beside {of_somebody}"
        );
        here.refused(&["--store", "d", "status"], 1);
        assert_eq!(names(&here, "d").len(), 1, "nor by a look");
    }
    let here = Here::empty();
    put(&here, "d/.DS_Store");
    fs::create_dir_all(here.path().join("d/events")).unwrap();
    here.fine(&["--store", "d", "init"]);
    here.fine(&["--store", "d", "append", "s", "T", "1"]);
}

#[test]
fn a_store_beside_the_one_that_was_named_is_told() {
    let here = Here::store();
    for args in [&["--store", ".", "status"], &["--store", ".", "streams"]] {
        let message = here.refused(args, 1);
        assert!(
            message.contains("the store of this project is ") && message.contains("/.tributary"),
            "{message}"
        );
    }
    put(&here, "events/mine.txt");
    let message = here.refused(&["--store", ".", "append", "s", "T", "1"], 1);
    assert!(
        message.contains("holds nothing of a store") && message.contains(".tributary"),
        "{message}"
    );
    assert_eq!(names(&here, "events"), ["mine.txt"]);
}

#[test]
fn a_store_that_another_branch_has_is_told_and_a_new_one_is_not_proposed() {
    let here = Here::empty();
    here.git(&["init", "--quiet"]);
    put(&here, "deep/er/readme");
    here.commit();
    here.git(&["switch", "--quiet", "--create", "topic"]);
    here.fine(&["init"]);
    here.work("s", "Opened");
    here.git(&["switch", "--quiet", "main"]);
    for (directory, args) in [
        ("", &["read", "s"][..]),
        ("", &["append", "s", "T", "1"]),
        ("", &["merge-check", "topic"]),
        ("deep/er", &["status"]),
        ("deep", &["--store", "../.tributary", "log"]),
        ("", &["--store", ".tributary", "log"]),
    ] {
        let mut command = here.command(args);
        command.current_dir(here.path().join(directory));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        let is_told = said.contains("branch topic has one") && said.contains("git merge topic");
        let is_outer = args.contains(&"../.tributary");
        assert!(
            is_outer || (is_told && !said.contains("trib init")),
            "{args:?}: {said}"
        );
    }
    let clone = here.cloned();
    let said = clone.refused(&["streams"], 1);
    assert!(said.contains("git merge origin/topic"), "{said}");
    let (_, note) = here.noted(&["init"]);
    assert!(
        note.contains("a new one") && note.contains("branch topic has one"),
        "{note}"
    );
    here.fine(&["init"]);
}

#[test]
fn a_store_that_was_deleted_from_the_work_tree_is_told_as_that() {
    let here = Here::repository();
    here.work("s", "Opened");
    fs::remove_dir_all(here.path().join(".tributary")).unwrap();
    let said = here.refused(&["read", "s"], 1);
    assert!(
        said.contains("`git checkout HEAD -- ':/.tributary'`"),
        "{said}"
    );
    here.git(&["checkout", "--quiet", "HEAD", "--", ":/.tributary"]);
    assert_eq!(here.lines(&["read", "s"]).len(), 1);
}
