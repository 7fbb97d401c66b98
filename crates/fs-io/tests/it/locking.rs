//! Locks between handles and between processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_io::{LockError, System, Wait};

const LONG: Wait = Wait::UpTo(Duration::from_secs(60));
const CHILD: &str = "FS_IO_TEST_LOCK";

#[test]
fn a_second_handle_is_excluded_until_the_first_is_dropped() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let held = disk.lock(&path, Wait::Never).unwrap();
    for wait in [Wait::Never, Wait::UpTo(Duration::from_millis(5))] {
        let second = disk.lock(&path, wait);
        assert!(
            matches!(second, Err(LockError::Busy { .. })),
            "one holder at a time: {second:?}"
        );
    }
    drop(held);
    assert!(
        disk.lock(&path, Wait::Never).is_ok(),
        "a dropped guard has released the lock"
    );
}

#[test]
fn whoever_waits_gets_the_lock() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut count = 0;
    let shared = std::sync::Mutex::new(&mut count);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let _held = disk.lock(&path, LONG).unwrap();
                    let mut alone = shared
                        .try_lock()
                        .expect("the lock on the file excludes the other threads");
                    **alone += 1;
                }
            });
        }
    });
    assert_eq!(count, 100, "everyone had every turn");
}

#[test]
fn a_deleted_lock_file_is_left_for_the_new_one() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let first = disk.lock(&path, Wait::Never).unwrap();
    if fs::remove_file(&path).is_err() {
        return; // Windows does not delete what is open.
    }
    let second = disk.lock(&path, Wait::Never).unwrap();
    drop(first);
    let third = disk.lock(&path, Wait::Never);
    assert!(
        matches!(third, Err(LockError::Busy { .. })),
        "the lock is on the file that the name names: {third:?}"
    );
    drop(second);
    let waiting = disk.lock(&path, Wait::Never).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| disk.lock(&path, LONG));
        fs::remove_file(&path).unwrap();
        let guard = waiter.join().unwrap().unwrap();
        assert!(
            path.exists(),
            "the one who waited for the deleted file holds the new one"
        );
        drop(guard);
    });
    drop(waiting);
}

/// The second process of the next test; started by hand, it does nothing.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let _held = System::real().disk.lock(&path, Wait::Never).unwrap();
    println!("\nheld");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_second_process_is_excluded_and_its_death_releases_the_lock() {
    let disk = System::real().disk;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "locking::child", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line == "held"),
        "the child takes the lock"
    );
    match disk.lock(&path, Wait::Never) {
        Err(LockError::Busy { holder, .. }) if cfg!(unix) => {
            let holder = holder.expect("the holder has signed");
            assert!(
                holder.starts_with(&format!("pid {} since 20", child.id())),
                "the message names who holds it: {holder}"
            );
        }
        answer => assert!(
            matches!(answer, Err(LockError::Busy { .. })),
            "the lock holds between processes: {answer:?}"
        ),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        disk.lock(&path, LONG).is_ok(),
        "the system releases the locks of the dead"
    );
}
