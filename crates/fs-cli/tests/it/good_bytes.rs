//! Whatever stands in the place of a transaction: who has its good bytes is said, with what brings them back.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::Here;
use crate::incomplete::{chain, file, forget_kept_bytes, relative};

/// Who has the good bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The index, which keeps them when it looks.
    Index,
    /// The log alone: the index is deleted before anybody looks.
    Log,
    /// The present commit.
    Head,
    /// An earlier commit: what stands there now is committed.
    EarlierCommit,
    /// Nobody.
    Nobody,
}

/// What stands in the place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    Cut,
    Changed,
    Marked,
    Pointer,
    Newer,
    TooLarge,
    Directory,
    FullDirectory,
    #[cfg(unix)]
    Link,
}

const ALL: &[Found] = &[
    Found::Nothing,
    Found::Empty,
    Found::Cut,
    Found::Changed,
    Found::Marked,
    Found::Pointer,
    Found::Newer,
    Found::TooLarge,
    Found::Directory,
    Found::FullDirectory,
    #[cfg(unix)]
    Found::Link,
];

impl Found {
    fn put(self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        fs::remove_file(path).unwrap();
        let put = |bytes: String| fs::write(path, bytes).unwrap();
        match self {
            Found::Nothing => {}
            Found::Empty => put(String::new()),
            Found::Cut => put(text[..text.len() / 2].to_owned()),
            Found::Changed => put(text.replace("\"One\"", "\"Uno\"")),
            Found::Marked => put(format!(
                "<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> topic\n"
            )),
            Found::Pointer => {
                let hash = "0".repeat(64);
                put(format!(
                    "version https://git-lfs.github.com/spec/v1\noid sha256:{hash}\nsize 9\n"
                ));
            }
            Found::Newer => put(text.replace("\"format_version\":3", "\"format_version\":4")),
            Found::TooLarge => put(format!("{text}{}", " ".repeat(17 << 20))),
            Found::Directory => fs::create_dir(path).unwrap(),
            Found::FullDirectory => {
                fs::create_dir(path).unwrap();
                fs::write(path.join("notes"), "mine").unwrap();
            }
            #[cfg(unix)]
            Found::Link => std::os::unix::fs::symlink("/etc/hostname", path).unwrap(),
        }
    }

    /// Returns whether it is to be moved away by hand, before `trib restore` or git brings back the file.
    fn is_in_the_way(self, source: Source) -> bool {
        match self {
            Found::Nothing | Found::Empty | Found::Cut | Found::Changed | Found::Marked => false,
            // It is no transaction, so it may be replaced; its bytes are kept.
            Found::Pointer => matches!(source, Source::Head | Source::EarlierCommit),
            _ => true,
        }
    }
}

#[test]
fn what_the_index_keeps_is_restored() {
    check(Source::Index);
}

#[test]
fn what_only_the_log_has_is_restored() {
    check(Source::Log);
}

#[test]
fn what_the_present_commit_has_is_checked_out() {
    check(Source::Head);
}

#[test]
fn what_an_earlier_commit_has_is_checked_out_from_there() {
    check(Source::EarlierCommit);
}

#[test]
fn what_nobody_has_is_looked_for_elsewhere_and_never_checked_out() {
    check(Source::Nobody);
}

/// Returns a store with a transaction whose file is to be spoiled.
fn store(source: Source) -> (Here, String) {
    if source != Source::Nobody {
        return chain();
    }
    let here = Here::store();
    here.fine(&["append", "s", "One", "1"]);
    here.fine(&["append", "s", "Two", "1"]);
    let id = here.lines(&["log"])[0]["transaction_id"].clone();
    (here, id.as_str().unwrap().to_owned())
}

/// Puts each thing in the place of a file, and follows what is advised.
fn check(source: Source) {
    let (mut here, mut id) = store(source);
    for found in ALL {
        if source == Source::Log {
            // A record is dropped once its file was seen to be missing.
            (here, id) = store(source);
        }
        check_one(&here, &id, source, *found);
    }
}

fn check_one(here: &Here, id: &str, source: Source, found: Found) {
    let path = file(here, id);
    let store = here.path().join(".tributary");
    let good = fs::read(&path).unwrap();
    let what = format!("{found:?}, {source:?}");
    if !matches!(source, Source::Index | Source::Log) {
        let _ = fs::remove_file(store.join("local/log"));
    }
    found.put(&path);
    match source {
        Source::Index => {}
        Source::Log => fs::remove_dir_all(store.join("index")).unwrap(),
        _ => forget_kept_bytes(here),
    }
    let command = match source {
        Source::Index | Source::Log => format!("trib restore {id}"),
        Source::Head => format!("git checkout -- {}", relative(id)),
        Source::EarlierCommit => {
            here.commit();
            // Which of the commits that have it is told, when several are of one second, is git's affair.
            let said = here.run(&["status"]).stdout;
            let said = String::from_utf8(said).unwrap();
            let from = said.find("git checkout ").expect(&said);
            let command = said[from..].split('`').next().unwrap().to_owned();
            let end = format!(" -- {}", relative(id));
            assert!(
                command.ends_with(&end) && command.len() > end.len() + 40,
                "{what}: not from the present commit: {command}"
            );
            command
        }
        Source::Nobody => String::new(),
    };
    here.refused(&["append", "s", "Four", "1", "--expect", "2"], 5);
    for args in [&["status"][..], &["--json", "status"], &["verify"]] {
        let said = String::from_utf8(here.run(args).stdout).unwrap();
        if source == Source::Nobody {
            assert!(
                !said.contains("checkout") && !said.contains("trib restore"),
                "{what}, {args:?}: nobody here has it: {said}"
            );
            continue;
        }
        assert!(
            said.contains(&format!("`{command}`")),
            "{what}, {args:?}: {command} is told: {said}"
        );
        assert_eq!(
            said.contains("move it out of events/"),
            found.is_in_the_way(source),
            "{what}, {args:?}: {said}"
        );
    }
    if source == Source::Nobody {
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        }
        let _ = fs::remove_file(&path);
        fs::write(&path, &good).unwrap();
    } else {
        follow(here, &path, found, source, &command);
    }
    let status = here.json(&["status"]);
    assert_eq!(status["clean"], json!(true), "{what}: it is back: {status}");
    assert_eq!(fs::read(&path).unwrap(), good, "{what}");
    if source == Source::EarlierCommit {
        here.commit();
    }
}

/// Does what is advised.
fn follow(here: &Here, path: &Path, found: Found, source: Source, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    if found.is_in_the_way(source) {
        if words[0] == "trib" {
            let refused = here.refused(&words[1..], 1);
            let named = path.display().to_string();
            assert!(
                refused.contains(&named) && refused.contains("move that out of events/"),
                "{found:?}: what is in the way is named: {refused}"
            );
            let kind = match found {
                Found::Directory | Found::FullDirectory => "a directory",
                Found::Newer => "newer version",
                Found::TooLarge => "too large",
                _ => "link",
            };
            assert!(refused.contains(kind), "{found:?}: {kind}: {refused}");
        }
        let away = here.path().join(format!("away-{found:?}"));
        fs::rename(path, &away).unwrap();
    }
    match words[0] {
        "trib" => _ = here.fine(&words[1..]),
        _ => {
            let store = here.path().join(".tributary");
            let args = [&["-C", store.to_str().unwrap()], &words[1..]].concat();
            here.git(&args);
        }
    }
}

#[test]
fn a_file_in_the_place_of_a_directory_is_named_where_it_blocks_a_restore() {
    let (here, id) = chain();
    let directory = file(&here, &id);
    let directory = directory.parent().unwrap();
    fs::remove_dir_all(directory).unwrap();
    fs::write(directory, "in the way").unwrap();
    here.run(&["status"]);
    let refused = here.refused(&["restore", &id], 1);
    assert!(
        refused.contains("move that out of events/")
            && refused.contains(&format!("{};", directory.display())),
        "what blocks is named: {refused}"
    );
    let listed = here.run(&["restore"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("cannot be restored"), "{listed}");
    fs::remove_file(directory).unwrap();
    here.fine(&["restore", "--all"]);
    assert_eq!(here.json(&["status"])["clean"], json!(true));
}
