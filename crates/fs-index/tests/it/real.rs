//! What only a real disk has: links, and directories that go away.

use std::fs;

use fs_index::{Index, Layout, PollOutcome, Reason, Scan};
use fs_io::{FileKind, System, Wait};

use crate::build::{id, tx};
use crate::world::{Shown, epoch, ingested, look, rejected_files, take_in};

struct Real {
    _directory: tempfile::TempDir,
    layout: Layout,
}

impl Real {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        for path in [
            layout.events(),
            layout.indexes(),
            layout.index(),
            layout.temp(),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        Self {
            _directory: directory,
            layout,
        }
    }

    fn open(&self) -> Index {
        let mut index = Index::new(System::real(), self.layout.clone(), [].into());
        self.refresh(&mut index);
        index
    }

    fn refresh(&self, index: &mut Index) {
        if look(index, Scan::Names) == PollOutcome::Changed {
            let system = System::real();
            let lock = system.disk.lock(&self.layout.lock(), Wait::Never).unwrap();
            take_in(system.clock.as_ref(), index, Scan::Names, &lock);
        }
    }

    fn put(&self, n: u64) -> std::path::PathBuf {
        let encoded = tx(n).encode();
        let path = self
            .layout
            .event_file(&encoded.transaction_id.relative_path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &encoded.bytes).unwrap();
        path
    }
}

#[test]
fn a_file_that_is_replaced_by_a_directory_leaves_and_comes_back() {
    let real = Real::new();
    let path = real.put(1);
    real.put(2);
    let mut index = real.open();
    let before = epoch(&index);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), b"x").unwrap();
    real.refresh(&mut index);
    assert_eq!(
        ingested(&index.shown()),
        [id(2)],
        "the file is not there any more"
    );
    assert_ne!(epoch(&index), before, "something went away");
    let reason = &rejected_files(&index)[&id(1).relative_path()];
    assert!(
        matches!(reason, Reason::NotAFile(FileKind::Directory)),
        "{reason}"
    );
    fs::remove_dir_all(&path).unwrap();
    real.put(1);
    real.refresh(&mut index);
    assert_eq!(ingested(&index.shown()), [id(2), id(1)], "it is back");
    assert!(
        rejected_files(&index).is_empty(),
        "{:?}",
        rejected_files(&index)
    );
}

#[test]
fn a_directory_of_transactions_that_goes_away_takes_them_along() {
    let real = Real::new();
    let path = real.put(1);
    real.put(1001);
    let mut index = real.open();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    real.refresh(&mut index);
    assert_eq!(ingested(&index.shown()), [id(1001)], "its files are gone");
    fs::write(
        path.parent().unwrap(),
        b"a file in the place of a directory",
    )
    .unwrap();
    real.refresh(&mut index);
    assert_eq!(ingested(&index.shown()), [id(1001)], "the rest works");
    let directory = id(1).relative_path();
    let directory = directory.rsplit_once('/').unwrap().0;
    assert!(
        matches!(rejected_files(&index)[directory], Reason::Name(_)),
        "{:?}",
        rejected_files(&index)
    );
    fs::remove_dir_all(real.layout.events()).unwrap();
    real.refresh(&mut index);
    assert!(index.shown().is_empty(), "all is gone");
    assert_eq!(
        fs::read_dir(real.layout.vanished()).unwrap().count(),
        2,
        "and kept"
    );
}

#[cfg(unix)]
#[test]
fn links_are_reported_and_never_followed() {
    use std::os::unix::fs::symlink;

    let real = Real::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs::write(&target, tx(1).encode().bytes).unwrap();
    let linked = real.layout.event_file(&id(1).relative_path());
    let known = real.put(2);
    symlink(&target, &linked).unwrap();
    symlink(elsewhere.path(), real.layout.events().join("0000")).unwrap();
    symlink(real.layout.root(), known.parent().unwrap().join("loop")).unwrap();
    symlink("nowhere", real.layout.events().join("dangling")).unwrap();
    let mut index = real.open();
    assert_eq!(
        ingested(&index.shown()),
        [id(2)],
        "a link is no transaction"
    );
    let found = rejected_files(&index);
    let directory = id(1).relative_path();
    let directory = directory.rsplit_once('/').unwrap().0;
    let links = [
        id(1).relative_path(),
        "0000".to_owned(),
        format!("{directory}/loop"),
        "dangling".to_owned(),
    ];
    for path in &links {
        assert!(
            matches!(found[path], Reason::NotAFile(FileKind::Symlink)),
            "{path}: {}",
            found[path]
        );
    }
    assert_eq!(
        found.len(),
        links.len(),
        "nothing behind a link is looked at: {found:?}"
    );
    fs::write(&target, tx(2).encode().bytes).unwrap();
    fs::remove_file(&known).unwrap();
    symlink(&target, &known).unwrap();
    real.refresh(&mut index);
    assert!(
        index.shown().is_empty(),
        "a link in the place of a file is not that file"
    );
}

#[cfg(all(unix, not(target_vendor = "apple")))]
#[test]
fn a_name_that_is_no_text_is_reported() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let real = Real::new();
    fs::write(
        real.layout.events().join(OsStr::from_bytes(b"\xff.jsonl")),
        b"x",
    )
    .unwrap();
    let index = real.open();
    let found = rejected_files(&index);
    assert!(
        found
            .values()
            .all(|reason| matches!(reason, Reason::Name(_)))
            && found.len() == 1,
        "{found:?}"
    );
}
