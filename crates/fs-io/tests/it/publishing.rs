//! Publishing and replacing real files.

use std::path::Path;
use std::{fs, thread};

use fs_io::{
    Disk, PublishError, Published, SyncPolicy, System, make_all_durable, make_durable, publish,
    replace,
};

fn names(disk: &dyn Disk, dir: &Path) -> Vec<String> {
    disk.list(dir)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name.into_string().unwrap())
        .collect()
}

#[test]
fn a_file_is_published_once() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    disk.create_dir(&dir.path().join("tmp")).unwrap();
    let (temp, target) = (
        dir.path().join("tmp/t"),
        dir.path().join("events/0199/ab/x"),
    );
    for sync in [SyncPolicy::Durable, SyncPolicy::None] {
        let again = publish(disk.as_ref(), &temp, &target, b"bytes", sync).unwrap();
        let expected = if sync == SyncPolicy::Durable {
            Published::New
        } else {
            Published::AlreadyThere
        };
        assert_eq!(again, expected, "the second time, the file is there");
    }
    for other in [&b"bytez"[..], b"byte", b"bytes and more", b""] {
        let answer = publish(disk.as_ref(), &temp, &target, other, SyncPolicy::Durable);
        assert!(
            matches!(answer, Err(PublishError::Occupied { .. })),
            "other bytes do not replace a file: {answer:?}"
        );
    }
    assert_eq!(
        disk.read(&target, 100).unwrap(),
        b"bytes",
        "the file is as it was first published"
    );
    assert_eq!(
        names(disk.as_ref(), &dir.path().join("tmp")),
        [""; 0],
        "no temporary file is left"
    );
    make_durable(disk.as_ref(), dir.path(), &target).unwrap();
}

#[test]
fn a_temporary_file_left_by_another_is_stepped_over() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let (temp, target) = (dir.path().join("t"), dir.path().join("x"));
    fs::write(&temp, b"half").unwrap();
    assert_eq!(
        publish(disk.as_ref(), &temp, &target, b"new", SyncPolicy::Durable).unwrap(),
        Published::New,
        "the name is no obstacle"
    );
    replace(disk.as_ref(), &temp, &target, b"newer", SyncPolicy::Durable).unwrap();
    assert_eq!(
        fs::read(&temp).unwrap(),
        b"half",
        "it may be in use elsewhere"
    );
    assert_eq!(
        fs::read(&target).unwrap(),
        b"newer",
        "the content was replaced"
    );
    assert_eq!(
        names(disk.as_ref(), dir.path()),
        ["t", "x"],
        "nothing else is left"
    );
}

#[test]
fn of_many_at_once_exactly_one_publishes() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("x");
    let answers: Vec<_> = thread::scope(|scope| {
        let start = |number: usize| {
            let (disk, temp, target) = (
                disk.as_ref(),
                dir.path().join(format!("t{number}")),
                &target,
            );
            scope.spawn(move || {
                publish(
                    disk,
                    &temp,
                    target,
                    format!("from {number}").as_bytes(),
                    SyncPolicy::None,
                )
            })
        };
        let threads: Vec<_> = (0..8).map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let winners: Vec<_> = (0..8)
        .filter(|number| matches!(answers[*number], Ok(Published::New)))
        .collect();
    assert_eq!(winners.len(), 1, "a name is given once: {answers:?}");
    assert_eq!(
        fs::read(&target).unwrap(),
        format!("from {}", winners[0]).into_bytes(),
        "the one who was told so is the one"
    );
}

#[test]
fn names_with_odd_characters_work() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let odd = if cfg!(windows) {
        "a b\u{e9}\u{1f980}#%&"
    } else {
        "a b\n\u{e9}\u{1f980}\\:*?\"<>|"
    };
    let target = dir.path().join(odd);
    publish(
        disk.as_ref(),
        &dir.path().join("t"),
        &target,
        b"x",
        SyncPolicy::Durable,
    )
    .unwrap();
    assert_eq!(
        names(disk.as_ref(), dir.path()),
        [odd],
        "the name is what was asked for"
    );
    assert_eq!(disk.read(&target, 1).unwrap(), b"x", "and reads back");
}

#[test]
fn a_bare_name_is_in_the_current_directory() {
    let disk = System::real().disk;
    assert!(
        disk.stat(Path::new("")).unwrap().is_some(),
        "the empty path is here"
    );
    assert!(
        !disk.list(Path::new("")).unwrap().is_empty(),
        "and can be listed"
    );
    disk.sync_dir(Path::new("")).unwrap();
}

#[cfg(unix)]
#[test]
fn links_on_the_way_are_refused() {
    use fs_io::{Step, create_dirs};

    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("events")).unwrap();
    let answer = publish(
        disk.as_ref(),
        &dir.path().join("t"),
        &dir.path().join("events/x"),
        b"x",
        SyncPolicy::None,
    );
    let refused = matches!(
        answer,
        Err(PublishError::NotPublished {
            step: Step::CreateDirectory,
            ..
        })
    );
    assert!(
        refused,
        "a linked directory is not written through: {answer:?}"
    );
    create_dirs(
        disk.as_ref(),
        dir.path(),
        Path::new("events/below"),
        SyncPolicy::None,
    )
    .unwrap_err();
    assert_eq!(
        names(disk.as_ref(), elsewhere.path()),
        [""; 0],
        "nothing was written elsewhere"
    );
}

#[test]
fn what_is_no_file_or_directory_by_now_is_passed_over_when_files_are_made_durable() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["a/file", "b/directory", "c/gone", "d/blocked", "e/link"] {
        publish(
            disk.as_ref(),
            &path("t"),
            &path(name),
            b"bytes",
            SyncPolicy::None,
        )
        .unwrap();
    }
    for name in ["b/directory", "c/gone", "d/blocked", "e/link"] {
        fs::remove_file(path(name)).unwrap();
    }
    fs::create_dir(path("b/directory")).unwrap();
    fs::remove_dir(path("d")).unwrap();
    fs::write(path("d"), "in the way").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", path("e/link")).unwrap();
    let files = ["a/file", "b/directory", "c/gone", "d/blocked", "e/link"].map(path);
    make_all_durable(disk.as_ref(), dir.path(), &files).unwrap();
}
