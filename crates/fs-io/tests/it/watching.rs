//! File events of the real disk.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use fs_io::System;

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_watch_tells_of_changes_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let disk = System::real().disk;
    let (sender, hints) = channel();
    let changed = Arc::new(move || {
        let _ = sender.send(());
    });
    let mut watch = match disk.watch(changed) {
        Ok(watch) => watch,
        Err(error) => return println!("skipped: this system gives no watches ({error})"),
    };
    let missing = watch.add(&dir.path().join("missing"));
    assert!(
        missing.is_err(),
        "a missing directory is refused: {missing:?}"
    );
    watch.add(dir.path()).unwrap();
    watch.add(dir.path()).unwrap();

    let mut file = disk.open_log(&dir.path().join("journal")).unwrap();
    hints.recv_timeout(PATIENCE).expect("a new name is told");
    while hints.try_recv().is_ok() {}
    file.append(b"one").unwrap();
    hints.recv_timeout(PATIENCE).expect("an append is told");

    watch.remove(dir.path());
    watch.remove(dir.path());
    drop(watch);
    while hints.try_recv().is_ok() {}
    assert_eq!(
        hints.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected),
        "with the watch goes its callback"
    );
}
