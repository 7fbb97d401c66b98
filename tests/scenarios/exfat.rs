//! A store on exFAT, which knows neither hard links, nor a rename that replaces nothing, nor times of birth, nor inodes that last.
//!
//! Runs where root may mount exFAT through FUSE, and says so where it may not.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_merge::{ForkContext, Outcome, Resolution, reconcile};
use scenarios::{World, numbers};
use tempfile::TempDir;

/// An exFAT file system in a file, mounted as long as this lives.
struct Exfat {
    dir: TempDir,
    device: String,
}

impl Exfat {
    /// Makes and mounts one; `Err` says why that is not possible here.
    fn mount() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(64 << 20).unwrap();
        std::fs::create_dir(dir.path().join("at")).unwrap();
        run("mkfs.exfat", &[&image])?;
        let device = run("losetup", &[Path::new("-f"), Path::new("--show"), &image])?;
        let mounted = Self {
            device: device.trim().to_owned(),
            dir,
        };
        mounted.remount()?;
        Ok(mounted)
    }

    /// Mounts it, as after the medium was plugged in again.
    fn remount(&self) -> Result<(), String> {
        let _ = run("umount", &[&self.path()]);
        run("mount.exfat-fuse", &[Path::new(&self.device), &self.path()]).map(|_| ())
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("at")
    }
}

impl Drop for Exfat {
    fn drop(&mut self) {
        let _ = run("umount", &[Path::new("-l"), &self.path()]);
        let _ = run("losetup", &[Path::new("-d"), Path::new(&self.device)]);
    }
}

fn run(program: &str, args: &[&Path]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(args);
    let done = command.output();
    let done = done.map_err(|error| format!("{program}: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(format!("{program}: {said}"));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn a_store_on_exfat_goes_from_its_creation_to_a_settlement() {
    let disk = match Exfat::mount() {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("skipped: exFAT cannot be mounted here: {why}");
            return;
        }
    };
    let world = World::within(&disk.path());
    let alice = world.init("alice");
    alice.work("issue", &[0]);
    let bob = world.clone(&alice, "bob");
    alice.work("issue", &[1, 2]);
    bob.work("issue", &[11]);
    alice.merge(&bob);
    bob.merge(&alice);
    let keep_the_latest = |fork: &ForkContext| {
        let latest = fork.latest().unwrap().head;
        Resolution::Resolve(Outcome::keep(fork, latest).unwrap())
    };
    for clone in [&alice, &bob] {
        let report = reconcile(&clone.store(), &keep_the_latest).unwrap();
        assert_eq!(report.settled.len(), 1, "the fork is settled");
    }
    assert_eq!(
        alice.store().digest().unwrap(),
        bob.store().digest().unwrap(),
        "both wrote the same file"
    );

    disk.remount().unwrap();
    let store = alice.store();
    assert_eq!(numbers(&store, "issue").len(), 5, "all is there");
    drop(store);
    alice.append("issue", 3);
    let store = alice.store();
    let status = store.status().unwrap();
    assert!(
        status.is_clean() && status.replica_conflicts.is_empty(),
        "{status:?}"
    );
    assert!(store.verify().unwrap().problems.is_empty());
}
