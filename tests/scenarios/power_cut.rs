//! A power cut on a real file system: an ext4 image that is shut down under running writers and mounted again.
//!
//! `FS_IOC_SHUTDOWN` without a flush of the log stops the file system where it is: what was not synced is lost as it
//! is by a power cut. The boot of the machine stays the same, so every process is told in which boot it is.
//!
//! Needs root, loop devices, mkfs.ext4 and python3 (for the ioctl, which safe Rust cannot call); where they are
//! missing it says so and passes.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_io::System;
use fs_store::{FileEventStore, StoreOptions};
use scenarios::answers::{Answers, Follower, Ingestion};
use scenarios::dice::Dice;
use scenarios::worker::{Ack, BOOT_ID, Worker};
use tempfile::TempDir;

use crate::WORKER;
use crate::killed::assert_acknowledged;

const ROUNDS: u64 = 6;
const WRITERS: u64 = 2;
/// How many appends each writer is told to do.
const APPENDS: u64 = 80;
/// How many of them one has acknowledged at most before the power goes.
const ACKS: u64 = 30;
/// How long after that at most.
const DELAY_MICROS: u64 = 3_000;

/// Opens the directory it is given, waits for a line, and shuts the file system down.
const CUTTER: &str = r#"
import fcntl, os, struct, sys
directory = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
fcntl.ioctl(directory, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
print("cut", flush=True)
"#;

#[test]
fn a_power_cut_loses_no_append_that_was_acknowledged_with_files_synced() {
    cut_power("files");
}

#[test]
fn a_power_cut_loses_no_append_that_was_acknowledged_with_the_log_synced() {
    cut_power("log");
}

fn cut_power(durability: &str) {
    let Some(mut image) = Image::new() else {
        return;
    };
    let mut dice = Dice::new(11);
    let mut follower = Follower::default();
    let mut acks = Vec::new();
    for round in 0..ROUNDS {
        acks.extend(round_of(
            &image,
            durability,
            round,
            &mut dice,
            &mut follower,
        ));
        if !image.remount() {
            eprintln!("skipped the rest: the image cannot be mounted again");
            return;
        }
        assert_survived(&image.store(), round + 1, &acks, &mut follower);
    }
    assert!(acks.len() as u64 >= ROUNDS, "something was acknowledged");
}

/// Appends until the power goes; returns what was acknowledged.
fn round_of(
    image: &Image,
    durability: &str,
    round: u64,
    dice: &mut Dice,
    follower: &mut Follower,
) -> Vec<Ack> {
    let mut cutter = Worker::run(
        Command::new("python3")
            .args(["-c", CUTTER])
            .arg(&image.mount),
    );
    assert_eq!(cutter.next_text().as_deref(), Some("ready"));
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut command = Command::new(WORKER);
            command
                .arg(image.store())
                .args([format!("w{writer}-{round}").as_str(), durability])
                .env(BOOT_ID, boot(round));
            Worker::run(&mut command)
        })
        .collect();
    let reader = open(&image.store(), round);
    for writer in &mut writers {
        writer.order(&format!("append {APPENDS}"));
    }
    let mut acks = Vec::new();
    acks.extend(writers[0].acks(1 + dice.below(ACKS)));
    // A projection has read what may be lost.
    follower.see(&Ingestion::of(&reader).unwrap());
    let end = Instant::now() + Duration::from_micros(dice.below(DELAY_MICROS));
    while Instant::now() < end {
        std::thread::yield_now();
    }
    cutter.order("now");
    assert_eq!(
        cutter.next_text().as_deref(),
        Some("cut"),
        "the file system was shut down"
    );
    acks.extend(writers.into_iter().flat_map(Worker::kill));
    acks
}

/// Checks the store as it is after the machine was started again.
fn assert_survived(root: &Path, boot: u64, acks: &[Ack], follower: &mut Follower) {
    let store = open(root, boot);
    let answers = Answers::of(&store).unwrap();
    answers.assert_consistent();
    assert_acknowledged(acks, &answers);
    answers.assert_same(
        &Answers::of_files(root),
        "a store answers as a new clone of its files does",
    );
    let ingestion = Ingestion::of(&store).unwrap();
    ingestion.assert_covers(&answers);
    follower.see(&ingestion);
    let status = store.status().unwrap();
    assert_eq!(
        (status.quarantined.len(), status.replica_conflicts.len()),
        (0, 0),
        "a power cut damages nothing and confuses nobody: {status:?}"
    );
    let incomplete: BTreeSet<_> = status
        .incomplete
        .iter()
        .map(|trouble| trouble.path.clone())
        .collect();
    let acknowledged: BTreeSet<_> = acks
        .iter()
        .map(|ack| ack.transaction_id.relative_path())
        .collect();
    for problem in store.verify().unwrap().problems {
        assert!(
            incomplete.contains(&problem.path) && !acknowledged.contains(&problem.path),
            "only what was never acknowledged is incomplete: {problem:?}"
        );
    }
}

fn open(root: &Path, boot_number: u64) -> FileEventStore {
    let mut system = System::real();
    system.machine.boot_id = Some(boot(boot_number));
    StoreOptions::default().system(system).create(root).unwrap()
}

fn boot(number: u64) -> String {
    format!("boot-{number}")
}

/// An ext4 file system in a file, mounted; unmounted when it is dropped.
struct Image {
    dir: TempDir,
    mount: PathBuf,
}

impl Image {
    fn new() -> Option<Self> {
        // The image lies in memory where that can be: what counts is what ext4 wrote into it.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let file = dir.path().join("image");
        fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
        let mount = dir.path().join("mount");
        fs::create_dir(&mount).unwrap();
        let mut make = Command::new("mkfs.ext4");
        let image = Self { dir, mount };
        let ready = run(make.args(["-q", "-F"]).arg(&file))
            && run(Command::new("python3").args(["-c", "import fcntl"]))
            && image.mount();
        if !ready {
            eprintln!("skipped: a power cut needs root, loop devices, mkfs.ext4 and python3");
            return None;
        }
        Some(image)
    }

    fn store(&self) -> PathBuf {
        self.mount.join("store")
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]);
        run(mount.arg(self.dir.path().join("image")).arg(&self.mount))
    }

    /// Starts the machine again: the journal of the file system is replayed.
    fn remount(&mut self) -> bool {
        run(Command::new("umount").arg(&self.mount)) && self.mount()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Lazily, since a failed test may still have files open there.
        run(Command::new("umount").arg("--lazy").arg(&self.mount));
    }
}

/// Runs a command in silence; returns whether it succeeded.
fn run(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
