//! Reading, listing and logs; nothing is followed.

use std::fs;
use std::path::Path;

use fs_io::{FileKind, ReadError, Stat, System};

#[test]
fn only_whole_regular_files_within_the_limit_are_read() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    fs::write(&file, b"12345").unwrap();
    assert_eq!(
        disk.read(&file, 5).unwrap(),
        b"12345",
        "the limit is inclusive"
    );
    let error = disk.read(&file, 4).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::TooLarge {
                len: 5,
                limit: 4,
                ..
            }
        ),
        "the size is checked: {error}"
    );
    let error = disk.read(dir.path(), 4).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::NotAFile {
                kind: FileKind::Directory,
                ..
            }
        ),
        "a directory is none: {error}"
    );
    for missing in [dir.path().join("g"), file.join("below")] {
        let error = disk.read(&missing, 4).unwrap_err();
        assert!(
            matches!(error, ReadError::NotFound { .. }),
            "nothing is there: {error}"
        );
        assert_eq!(disk.stat(&missing).unwrap(), None, "nor to be seen");
    }
    assert_eq!(
        disk.read_range(&file, 3, 10).unwrap(),
        b"45",
        "a range ends with the file"
    );
    assert_eq!(
        disk.read_range(&file, 9, usize::MAX).unwrap(),
        b"",
        "beyond it is nothing"
    );
}

#[test]
fn a_file_open_for_reading_is_read_anywhere_by_several_threads() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let content: Vec<u8> = (0..1 << 16).map(|at: u32| (at >> 8) as u8).collect();
    fs::write(&path, &content).unwrap();
    let file = disk.open_read(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (file, content) = (&file, &content);
            scope.spawn(move || {
                for at in (thread * 7..content.len()).step_by(997) {
                    let end = content.len().min(at + 300);
                    let read = file.read_at(at as u64, 300).unwrap();
                    assert!(read == content[at..end], "a read moves nobody else's place");
                }
            });
        }
    });
    fs::remove_file(&path).unwrap();
    #[cfg(unix)]
    assert_eq!(
        file.read_at(0, 2).unwrap(),
        [0, 0],
        "what is open outlives its name"
    );
    for (what, path) in [("nothing", &path), ("a directory", &dir.path().to_owned())] {
        let error = disk.open_read(path).unwrap_err();
        let refused = matches!(
            error,
            ReadError::NotFound { .. } | ReadError::NotAFile { .. }
        );
        assert!(refused, "{what} is not opened: {error}");
    }
    assert!(!path.exists(), "opening for reading makes nothing");
    #[cfg(unix)]
    {
        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        fs::write(&target, b"x").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = disk.open_read(&link).unwrap_err();
        assert!(
            matches!(
                error,
                ReadError::NotAFile {
                    kind: FileKind::Symlink,
                    ..
                }
            ),
            "a link is not followed: {error}"
        );
    }
}

#[test]
fn a_directory_is_listed_by_name_with_kinds() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a", "C"] {
        fs::write(dir.path().join(name), b"").unwrap();
    }
    fs::create_dir(dir.path().join("d")).unwrap();
    let listed = disk.list(dir.path()).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|entry| (entry.name.to_str().unwrap(), entry.kind))
        .collect();
    let expected = [
        ("C", FileKind::File),
        ("a", FileKind::File),
        ("b", FileKind::File),
        ("d", FileKind::Directory),
    ];
    assert_eq!(
        listed, expected,
        "the order is the names', not the system's"
    );
}

#[test]
fn a_log_is_appended_read_and_cut() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = disk.open_log(&path).unwrap();
    log.append(b"one").unwrap();
    let mut second = disk.open_log(&path).unwrap();
    second.append(b"two").unwrap();
    log.append(b"three").unwrap();
    assert_eq!(
        log.read_at(0, 100).unwrap(),
        b"onetwothree",
        "an append goes to the end, whoever wrote last"
    );
    log.truncate(4).unwrap();
    second.append(b"!").unwrap();
    second.sync().unwrap();
    assert_eq!(
        (log.len().unwrap(), log.read_at(2, 3).unwrap()),
        (5, b"et!".to_vec()),
        "the cut is everybody's"
    );
    let (open, named) = (log.stat().unwrap(), disk.stat(&path).unwrap().unwrap());
    assert_eq!(open, named, "the open file is the named one");
    assert!(
        disk.create_new(&path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists),
        "it is there"
    );
}

#[test]
fn identity_follows_the_file_not_the_name() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    fs::write(&one, b"x").unwrap();
    let id = |path: &Path| disk.stat(path).unwrap().unwrap().file_id.unwrap();
    let before = id(&one);
    disk.rename_new(&one, &two).unwrap();
    fs::write(&one, b"y").unwrap();
    assert_eq!(id(&two), before, "a renamed file is the same");
    assert_ne!(id(&one), before, "a new file of the old name is another");
    assert!(
        disk.rename_new(&one, &two).is_err(),
        "a taken name stays taken"
    );
    assert_eq!(
        (fs::read(&one).unwrap(), fs::read(&two).unwrap()),
        (b"y".to_vec(), b"x".to_vec()),
        "and both files stay"
    );
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_named_and_never_opened() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), b"x").unwrap();
    fs::create_dir(at("dir")).unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    std::os::unix::fs::symlink("dir", at("linked-dir")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let refused = [
        ("link", FileKind::Symlink),
        ("dangling", FileKind::Symlink),
        ("linked-dir", FileKind::Symlink),
        ("socket", FileKind::Other),
    ];
    for (name, kind) in refused {
        let error = disk.read(&at(name), 9).unwrap_err();
        assert!(
            matches!(error, ReadError::NotAFile { kind: found, .. } if found == kind),
            "{name} is refused by its kind: {error}"
        );
        disk.open_log(&at(name)).unwrap_err();
        disk.sync_file(&at(name)).unwrap_err();
        disk.create_dir(&at(name)).unwrap_err();
        disk.list(&at(name)).unwrap_err();
        assert_eq!(
            disk.stat(&at(name)).unwrap().unwrap().kind,
            kind,
            "{name} is seen itself"
        );
    }
    assert!(
        !at("nowhere").exists(),
        "nothing was made through a dangling link"
    );
    let kinds: Vec<_> = disk
        .list(dir.path())
        .unwrap()
        .into_iter()
        .map(|entry| entry.kind)
        .collect();
    use FileKind::{Directory, File, Other, Symlink};
    assert_eq!(
        kinds,
        [Symlink, Directory, File, Symlink, Symlink, Other],
        "a listing follows nothing either"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_holds_for_a_file_that_grows_while_it_is_read() {
    // Files of the kernel say that they are empty, and are not.
    let error = System::real()
        .disk
        .read(Path::new("/proc/self/status"), 10)
        .unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::TooLarge {
                len: 11,
                limit: 10,
                ..
            }
        ),
        "no more than one byte beyond the limit is read: {error}"
    );
}

#[test]
fn many_names_are_looked_up_as_each_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("01a1/ff")).unwrap();
    fs::write(at("01a1/file"), "four").unwrap();
    let names = [
        "",
        "01a1",
        "01a1/ff",
        "01a1/file",
        "01a1/file/below",
        "none",
    ];
    let disk = System::real().disk;
    let told = |stat: &Stat| {
        (
            stat.kind,
            stat.modified_nanos,
            stat.changed_nanos,
            stat.file_id,
        )
    };
    let together: Vec<_> = disk
        .stat_all(dir.path(), &names)
        .into_iter()
        .map(|stat| stat.unwrap().as_ref().map(told))
        .collect();
    let alone: Vec<_> = names
        .iter()
        .map(|name| disk.stat(&at(name)).unwrap().as_ref().map(told))
        .collect();
    assert_eq!(together, alone, "what stands there is the same");
    assert_eq!(
        together.iter().filter(|stat| stat.is_none()).count(),
        2,
        "nothing stands below a file, or under a name that is free"
    );
    let nowhere = disk.stat_all(&at("none"), &names);
    assert!(
        nowhere.iter().all(|stat| matches!(stat, Ok(None))),
        "nothing stands below a directory that is not there"
    );
}
