//! A transaction whose file was rewritten, and what stands where it does not belong.

use std::fs;
use std::path::PathBuf;

use fs_store::{AppendError, Appended, FileEventStore, OpenError};

use crate::support::{count, counted, new_store, numbers};

fn file_of(store: &FileEventStore, appended: &Appended) -> PathBuf {
    let events = store.root().join("events");
    events.join(appended.transaction_id.relative_path())
}

/// Seals a transaction anew that says something else.
fn rewrite(store: &FileEventStore, appended: &Appended, from: &str, to: &str) -> Vec<u8> {
    let path = file_of(store, appended);
    let text = fs::read_to_string(&path).unwrap().replace(from, to);
    let transaction = fs_format::decode(text.as_bytes());
    assert!(transaction.is_err(), "its seal is not right any more");
    let lines: Vec<&str> = text.lines().collect();
    let (_, body) = lines.split_last().unwrap();
    let body: String = body.iter().map(|line| format!("{line}\n")).collect();
    let hash = fs_format::ContentHash::from_bytes(sha2_of(body.as_bytes()));
    let seal = format!(
        "{{\"record\":\"seal\",\"events\":{},\"sha256\":\"{hash}\"}}\n",
        lines.len() - 2
    );
    let bytes = format!("{body}{seal}").into_bytes();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    bytes
}

fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn a_rewritten_transaction_is_reported_until_somebody_takes_it_as_it_is() {
    let store = new_store();
    count(&store, "s", 1);
    let newest = count(&store, "s", 2);
    let old = store.digest().unwrap();
    let bytes = rewrite(&store, &newest, "\"event_data\":2", "\"event_data\":9");
    assert_eq!(numbers(&store, "s"), [1, 9], "the next read sees it");
    let digest = store.digest().unwrap();
    assert_ne!(digest, old, "so does the digest");
    let status = store.status().unwrap();
    let rewritten = &status.rewritten[0];
    let now = fs_format::decode(&bytes).unwrap().content_hash;
    assert_eq!(
        rewritten.transaction_id, newest.transaction_id,
        "it is named"
    );
    assert_eq!(rewritten.new_hash, now, "with the hash of now");
    assert_ne!(rewritten.old_hash, now, "and that of before");
    assert!(!status.is_clean(), "somebody has to know");
    let verified = store.verify().unwrap();
    assert_eq!(verified.rewritten, status.rewritten, "verification says so");
    assert!(verified.problems.is_empty() && !verified.is_ok(), "as well");
    let next = count(&store, "s", 3);
    let text = fs::read_to_string(file_of(&store, &next)).unwrap();
    assert!(
        text.contains(&now.to_string()),
        "a child names what is there"
    );
    fs::remove_dir_all(store.root().join("index")).unwrap();
    let store = FileEventStore::open(store.root()).unwrap();
    assert_eq!(
        store.status().unwrap().rewritten,
        status.rewritten,
        "it is not forgotten with the index"
    );
    store.forget(&[newest.transaction_id]).unwrap();
    let status = store.status().unwrap();
    assert!(status.is_clean(), "it was taken as it is: {status:?}");
}

#[test]
fn what_was_written_into_a_file_is_found_by_comparing_files() {
    let store = new_store();
    let appended = count(&store, "s", 1);
    numbers(&store, "s");
    let path = file_of(&store, &appended);
    let before = store.digest_of_files().unwrap();
    let times = fs::metadata(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let spoiled: Vec<u8> = bytes
        .iter()
        .map(|byte| byte ^ u8::from(*byte == b'1'))
        .collect();
    fs::write(&path, spoiled).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(times.modified().unwrap()).unwrap();
    assert_ne!(
        store.digest_of_files().unwrap(),
        before,
        "also where its length and time are what they were"
    );
    assert!(!store.status().unwrap().is_clean(), "the status says so");
}

#[test]
fn a_file_where_a_directory_belongs_stops_nobody_but_who_needs_the_directory() {
    for level in [1, 2] {
        let store = new_store();
        let first = count(&store, "s", 1);
        let in_the_way = file_of(&store, &first);
        let in_the_way = in_the_way.ancestors().nth(3 - level).unwrap();
        fs::remove_dir_all(in_the_way).unwrap();
        fs::write(in_the_way, "not a directory").unwrap();
        for store in [store.clone(), FileEventStore::open(store.root()).unwrap()] {
            assert!(numbers(&store, "s").is_empty(), "{level}: it went away");
            let status = store.status().unwrap();
            let path = &status.quarantined[0].path;
            assert!(in_the_way.ends_with(path), "{level}: it is named: {path}");
            match store.append(counted("s", 2)) {
                Err(AppendError::Blocked { path }) => {
                    assert_eq!(path, in_the_way, "{level}: so it is where it blocks");
                }
                // The directories of another moment.
                Ok(_) => {}
                Err(other) => panic!("{level}: {other:?}"),
            }
        }
        fs::remove_file(in_the_way).unwrap();
        count(&store, "t", 3);
    }
}

#[test]
fn a_directory_that_is_called_like_a_transaction_is_left_out() {
    let store = new_store();
    let first = count(&store, "s", 1);
    let path = file_of(&store, &first);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(numbers(&store, "s").is_empty(), "it is no transaction");
    assert_eq!(store.status().unwrap().quarantined.len(), 1, "it is listed");
    count(&store, "s", 2);
    assert_eq!(numbers(&store, "s"), [2], "others are stored beside it");
}

#[cfg(unix)]
#[test]
fn a_store_is_not_looked_for_behind_a_link() {
    let store = new_store();
    count(&store, "s", 1);
    let link = store.root().with_extension("link");
    std::os::unix::fs::symlink(store.root(), &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        for opened in [FileEventStore::open(&path), FileEventStore::create(&path)] {
            match opened {
                Err(OpenError::Link { root }) => assert_eq!(root, link, "it is named"),
                other => panic!("{}: {other:?}", path.display()),
            }
        }
    }
}
