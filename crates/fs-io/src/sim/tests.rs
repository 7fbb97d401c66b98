//! The model itself: what syncs promise, what power cuts may take, and that locks and stamps behave.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::{Disk, LockError, Random, ReadError, Wait};

/// Returns every content, or absence, of `/f` that a power cut can leave.
fn fates(prepare: impl Fn(&SimDisk)) -> BTreeSet<Option<Vec<u8>>> {
    let mut fates = BTreeSet::new();
    explore(|choice| {
        let Simulation { disk, .. } = Simulation::new(1);
        prepare(&disk);
        disk.crash(choice);
        fates.insert(disk.read(Path::new("/f"), 100).ok());
    });
    fates
}

fn some(fates: &[&[u8]]) -> BTreeSet<Option<Vec<u8>>> {
    fates.iter().map(|bytes| Some(bytes.to_vec())).collect()
}

#[test]
fn an_unsynced_file_may_be_absent_empty_torn_zeroed_or_whole() {
    let left = fates(|disk| {
        disk.create_new(Path::new("/f"))
            .unwrap()
            .append(b"ab")
            .unwrap()
    });
    let mut expected = some(&[b"", b"a", b"ab", b"\0\0", b"a\0", b"\0b"]);
    expected.insert(None);
    assert_eq!(left, expected, "every legal loss is drawn, and no other");
}

#[test]
fn a_file_sync_keeps_the_bytes_but_not_the_name() {
    let left = fates(|disk| {
        let mut file = disk.create_new(Path::new("/f")).unwrap();
        file.append(b"ab").unwrap();
        file.sync().unwrap();
    });
    let mut expected = some(&[b"ab"]);
    expected.insert(None);
    assert_eq!(left, expected, "the name is the directory's");
}

#[test]
fn synced_bytes_survive_what_is_written_after_them() {
    let left = fates(|disk| {
        let mut file = disk.create_new(Path::new("/f")).unwrap();
        file.append(b"ab").unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.append(b"c").unwrap();
    });
    assert_eq!(
        left,
        some(&[b"ab", b"abc", b"ab\0"]),
        "an append cannot harm what was synced"
    );
}

#[test]
fn a_rename_is_kept_or_lost_as_a_whole() {
    let mut seen = BTreeSet::new();
    explore(|choice| {
        let Simulation { disk, .. } = Simulation::new(1);
        let mut file = disk.create_new(Path::new("/a")).unwrap();
        file.append(b"x").unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.rename_new(Path::new("/a"), Path::new("/b")).unwrap();
        disk.crash(choice);
        seen.insert(["/a", "/b"].map(|path| disk.stat(Path::new(path)).unwrap().is_some()));
    });
    assert_eq!(
        seen,
        BTreeSet::from([[true, false], [false, true]]),
        "exactly one of the names is there"
    );
}

#[test]
fn a_failed_sync_loses_the_data_although_the_next_one_succeeds() {
    let left = fates(|disk| {
        let mut file = disk.create_new(Path::new("/f")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.append(b"ab").unwrap();
        disk.fail_at(1, Fault::SyncFails);
        file.sync().unwrap_err();
        assert_eq!(
            file.read_at(0, 9).unwrap(),
            b"ab",
            "the bytes can still be read"
        );
        file.append(b"c").unwrap();
        file.sync().unwrap();
    });
    assert_eq!(
        left,
        some(&[b"\0\0c"]),
        "what the failed sync was to write is gone"
    );
}

#[test]
fn what_is_written_over_synced_bytes_may_arrive_sector_by_sector() {
    let (old, new) = (vec![b'a'; 1536], vec![b'b'; 1024]);
    let mut left = BTreeSet::new();
    explore(|choice| {
        let Simulation { disk, .. } = Simulation::new(1);
        let mut file = disk.create_new(Path::new("/f")).unwrap();
        file.append(&old).unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(256, &new).unwrap();
        // One place of each sector is enough.
        disk.crash(&mut |options| {
            if options > 8 {
                options - 1
            } else {
                choice(options)
            }
        });
        let bytes = disk.read(Path::new("/f"), 2000).unwrap();
        assert_eq!(bytes.len(), 1536, "writing over changes no length");
        assert_eq!(
            (bytes[0], bytes[1535]),
            (b'a', b'a'),
            "what was not written stays"
        );
        left.insert([bytes[300], bytes[600], bytes[1100]].map(|byte| byte == b'b'));
    });
    let any: BTreeSet<_> = (0..8).map(|n| [n & 1 > 0, n & 2 > 0, n & 4 > 0]).collect();
    assert_eq!(left, any, "each sector by itself");
}

#[test]
fn a_copy_has_the_same_and_shares_nothing() {
    let machine = Simulation::new(1);
    machine
        .disk
        .create_new(Path::new("/f"))
        .unwrap()
        .append(b"ab")
        .unwrap();
    let copy = machine.copy(2);
    assert_eq!(
        copy.disk.fingerprint(),
        machine.disk.fingerprint(),
        "the same files"
    );
    copy.disk.crash(&mut |_| 1);
    assert_ne!(
        copy.disk.fingerprint(),
        machine.disk.fingerprint(),
        "what was not durable is not durable there"
    );
    assert!(
        machine.disk.read(Path::new("/f"), 9).is_ok(),
        "the original knows nothing of it"
    );
}

#[test]
fn a_directory_is_removed_when_it_is_empty() {
    let Simulation { disk, .. } = Simulation::new(1);
    disk.create_dir(Path::new("/d")).unwrap();
    drop(disk.create_new(Path::new("/d/f")).unwrap());
    assert!(
        disk.remove_dir(Path::new("/d")).is_err(),
        "it holds something"
    );
    disk.remove_file(Path::new("/d/f")).unwrap();
    disk.remove_dir(Path::new("/d")).unwrap();
    assert_eq!(disk.stat(Path::new("/d")).unwrap(), None, "it is gone");
}

#[test]
fn without_power_nothing_works_and_after_it_old_handles_are_dead() {
    let Simulation { disk, random, .. } = Simulation::new(7);
    let mut file = disk.create_new(Path::new("/f")).unwrap();
    disk.fail_at(1, Fault::PowerCut);
    file.append(b"x").unwrap_err();
    let read = disk.read(Path::new("/f"), 9);
    assert!(
        matches!(read, Err(ReadError::Io { .. })),
        "there is no power: {read:?}"
    );
    disk.crash(&mut |options| random.choose(options));
    file.append(b"x").unwrap_err();
    assert!(
        disk.create_dir(Path::new("/d")).is_ok(),
        "the machine is up again"
    );
}

#[test]
fn a_file_open_for_reading_outlives_its_name_but_no_power_cut() {
    let Simulation { disk, .. } = Simulation::new(1);
    let path = Path::new("/f");
    let error = disk.open_read(path).unwrap_err();
    assert!(
        matches!(error, ReadError::NotFound { .. }),
        "reading makes nothing: {error}"
    );
    disk.create_new(path).unwrap().append(b"abc").unwrap();
    let file = disk.open_read(path).unwrap();
    disk.remove_file(path).unwrap();
    assert_eq!(
        file.read_at(1, 9).unwrap(),
        b"bc",
        "what is open can be read"
    );
    disk.crash(&mut |_| 0);
    file.read_at(0, 1).unwrap_err();
    disk.create_dir(Path::new("/d")).unwrap();
    let error = disk.open_read(Path::new("/d")).unwrap_err();
    assert!(
        matches!(error, ReadError::NotAFile { .. }),
        "a directory is no file: {error}"
    );
}

#[test]
fn a_lock_excludes_until_it_is_dropped_or_the_power_is_cut() {
    let Simulation { disk, .. } = Simulation::new(1);
    let path = Path::new("/lock");
    let held = disk.lock(path, Wait::Never).unwrap();
    let second = disk.lock(path, Wait::Never);
    assert!(
        matches!(
            second,
            Err(LockError::Busy {
                holder: Some(_),
                ..
            })
        ),
        "one holder at a time: {second:?}"
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            disk.lock(path, Wait::UpTo(Duration::from_secs(60)))
                .map(drop)
        });
        drop(held);
        assert!(waiting.join().unwrap().is_ok(), "the one who waits gets it");
    });
    let before = disk.lock(path, Wait::Never).unwrap();
    disk.crash(&mut |_| 0);
    let after = disk.lock(path, Wait::Never).unwrap();
    drop(before);
    let third = disk.lock(path, Wait::Never);
    assert!(
        matches!(third, Err(LockError::Busy { .. })),
        "a guard from before the crash releases nothing: {third:?}"
    );
    drop(after);
}

#[test]
fn stamps_are_as_coarse_as_they_are_set() {
    let Simulation { disk, clock, .. } = Simulation::new(1);
    disk.set_stamp_granularity(Duration::from_secs(2));
    clock.set(5_500_000_000);
    disk.create_new(Path::new("/f")).unwrap();
    let stamp = |path: &str| disk.stat(Path::new(path)).unwrap().unwrap().modified_nanos;
    assert_eq!(
        (stamp("/f"), stamp("/")),
        (4_000_000_000, 4_000_000_000),
        "the file and its directory bear the stamp"
    );
    clock.advance(Duration::from_secs(2));
    disk.open_log(Path::new("/f"))
        .unwrap()
        .append(b"x")
        .unwrap();
    assert_eq!(
        (stamp("/f"), stamp("/")),
        (6_000_000_000, 4_000_000_000),
        "writing a file leaves its directory alone"
    );
}

#[test]
fn a_seed_gives_one_sequence() {
    let draw = |seed| {
        let mut bytes = [0; 20];
        SimRandom::new(seed).fill(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(draw(3), draw(3), "the same seed, the same bytes");
    assert_ne!(draw(3), draw(4), "another seed, other bytes");
}

#[test]
fn explore_visits_every_leaf_once() {
    let mut seen = Vec::new();
    let runs = explore(|choice| {
        let first = choice(2);
        seen.push((first, if first == 0 { choice(3) } else { 9 }));
    });
    assert_eq!(
        seen,
        [(0, 0), (0, 1), (0, 2), (1, 9)],
        "the tree is walked depth first"
    );
    assert_eq!(runs, 4, "each run is counted");
}
