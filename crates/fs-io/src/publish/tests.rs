//! Every protocol, stopped at every operation, with every loss that a disk may have; and protocols that are wrong, which the same check must find.

use std::fmt::Debug;
use std::path::Path;

use super::*;
use crate::sim::{Fault, Simulation, explore};

const ROOT: &str = "/store";
const TEMP: &str = "/store/tmp/t";
const TARGET: &str = "/store/events/0199/a";
const BYTES: &[u8] = b"whole";

type Protocol = fn(&dyn Disk) -> Result<Published, PublishError>;

/// Makes a machine with the directories that opening a store makes.
fn machine() -> Simulation {
    let simulation = Simulation::new(1);
    for directory in ["store", "store/tmp", "store/events"] {
        create_dirs(
            &simulation.disk,
            Path::new("/"),
            Path::new(directory),
            SyncPolicy::Durable,
        )
        .unwrap();
    }
    simulation
}

/// Runs a protocol with the fault at every operation, then cuts the power with every loss; returns the first broken promise.
fn first_broken_promise(protocol: Protocol, fault: Fault) -> Option<String> {
    let operations = {
        let simulation = machine();
        let before = simulation.disk.operations();
        protocol(&simulation.disk).unwrap();
        simulation.disk.operations() - before
    };
    let mut broken = None;
    for n in 1..=operations + 1 {
        explore(|choice| {
            let Simulation { disk, .. } = machine();
            disk.fail_at(n, fault);
            let answer = protocol(&disk);
            disk.crash(choice);
            let left = disk.read(Path::new(TARGET), 100);
            let promise = match (&answer, &left) {
                (Ok(_), Ok(bytes)) if bytes == BYTES => None,
                (Ok(_), _) => Some("an acknowledged file is there and whole"),
                (Err(PublishError::NotPublished { .. }), Ok(_)) => {
                    Some("what was not published never appears")
                }
                (Err(_), Ok(bytes)) if bytes != BYTES => Some("what appears is whole"),
                (Err(_), _) => None,
            };
            if let Some(promise) = promise {
                broken.get_or_insert_with(|| {
                    format!("{promise}: {fault:?} at {n}, {answer:?}, {left:?}")
                });
            }
        });
    }
    broken
}

fn right(disk: &dyn Disk) -> Result<Published, PublishError> {
    publish(
        disk,
        Path::new(TEMP),
        Path::new(TARGET),
        BYTES,
        SyncPolicy::Durable,
    )
}

#[test]
fn publish_keeps_its_promises_at_every_crash_point() {
    for fault in [Fault::PowerCut, Fault::SyncFails, Fault::WriteFails] {
        assert_eq!(
            first_broken_promise(right, fault),
            None,
            "publish is atomic and an acknowledged file survives, under {fault:?}"
        );
    }
}

fn unknown(step: Step) -> impl Fn(io::Error) -> PublishError {
    move |source| PublishError::Unknown {
        step,
        path: TARGET.into(),
        source,
    }
}

/// The steps of publishing, in a wrong order or without some.
fn wrong(disk: &dyn Disk, steps: &[&str]) -> Result<Published, PublishError> {
    let (temp, target) = (Path::new(TEMP), Path::new(TARGET));
    for step in steps {
        match *step {
            "directories" => {
                let made = create_dirs(
                    disk,
                    Path::new(ROOT),
                    Path::new("events/0199"),
                    SyncPolicy::Durable,
                );
                made.map_err(|error| unknown(Step::CreateDirectory)(error.into_parts().1))?;
            }
            "directories unsynced" => {
                let made = create_dirs(
                    disk,
                    Path::new(ROOT),
                    Path::new("events/0199"),
                    SyncPolicy::None,
                );
                made.map_err(|error| unknown(Step::CreateDirectory)(error.into_parts().1))?;
            }
            "write" => disk
                .create_new(temp)
                .and_then(|mut file| file.append(BYTES))
                .map_err(unknown(Step::WriteTemp))?,
            "sync temp" => disk.sync_file(temp).map_err(unknown(Step::SyncFile))?,
            "sync target" => disk.sync_file(target).map_err(unknown(Step::SyncFile))?,
            "sync target, again when it fails" => {
                disk.sync_file(target)
                    .or_else(|_| disk.sync_file(target))
                    .map_err(unknown(Step::SyncFile))?;
            }
            "rename" => disk
                .rename_new(temp, target)
                .map_err(|error| unknown(Step::Rename)(io::Error::other(error)))?,
            "sync directory" => disk
                .sync_dir(target.parent().unwrap())
                .map_err(unknown(Step::SyncDirectory))?,
            other => panic!("no step {other}"),
        }
    }
    Ok(Published::New)
}

#[test]
fn the_steps_in_the_right_order_pass_the_check() {
    let steps: Protocol = |disk| {
        wrong(
            disk,
            &[
                "directories",
                "write",
                "sync temp",
                "rename",
                "sync directory",
            ],
        )
    };
    assert_eq!(
        first_broken_promise(steps, Fault::PowerCut),
        None,
        "the check finds fault with what is wrong only"
    );
}

#[track_caller]
fn assert_caught(protocol: Protocol, fault: Fault, promise: &str) {
    let broken = first_broken_promise(protocol, fault);
    let broken = broken.expect("the simulated disk shows the loss that this protocol risks");
    assert!(
        broken.starts_with(promise),
        "the loss is of the expected kind: {broken}"
    );
}

#[test]
fn a_protocol_without_the_file_sync_is_caught() {
    let steps: Protocol = |disk| wrong(disk, &["directories", "write", "rename", "sync directory"]);
    assert_caught(steps, Fault::PowerCut, "what appears is whole");
}

#[test]
fn a_protocol_without_the_directory_sync_is_caught() {
    let steps: Protocol = |disk| wrong(disk, &["directories", "write", "sync temp", "rename"]);
    assert_caught(
        steps,
        Fault::PowerCut,
        "an acknowledged file is there and whole",
    );
}

#[test]
fn a_protocol_that_renames_before_it_syncs_is_caught() {
    let steps: Protocol = |disk| {
        wrong(
            disk,
            &[
                "directories",
                "write",
                "rename",
                "sync target",
                "sync directory",
            ],
        )
    };
    assert_caught(steps, Fault::PowerCut, "what appears is whole");
}

#[test]
fn a_protocol_that_does_not_sync_new_directories_is_caught() {
    let steps: Protocol = |disk| {
        wrong(
            disk,
            &[
                "directories unsynced",
                "write",
                "sync temp",
                "rename",
                "sync directory",
            ],
        )
    };
    assert_caught(
        steps,
        Fault::PowerCut,
        "an acknowledged file is there and whole",
    );
}

#[test]
fn a_protocol_that_repeats_a_failed_sync_is_caught() {
    let steps: Protocol = |disk| {
        wrong(
            disk,
            &[
                "directories",
                "write",
                "rename",
                "sync target, again when it fails",
                "sync directory",
            ],
        )
    };
    assert_caught(
        steps,
        Fault::SyncFails,
        "an acknowledged file is there and whole",
    );
}

#[test]
fn a_file_published_without_syncs_can_be_made_durable() {
    let durable: [fn(&dyn Disk); 2] = [
        |disk| make_durable(disk, Path::new(ROOT), Path::new(TARGET)).unwrap(),
        |disk| {
            assert_eq!(
                right(disk).unwrap(),
                Published::AlreadyThere,
                "the same bytes again are the same file"
            )
        },
    ];
    for make in durable {
        explore(|choice| {
            let Simulation { disk, .. } = machine();
            publish(
                &disk,
                Path::new(TEMP),
                Path::new(TARGET),
                BYTES,
                SyncPolicy::None,
            )
            .unwrap();
            make(&disk);
            disk.crash(choice);
            assert_eq!(
                disk.read(Path::new(TARGET), 100).unwrap(),
                BYTES,
                "after the syncs nothing of it is lost"
            );
        });
    }
}

#[test]
fn a_failure_leaves_no_temporary_file() {
    for fault in [Fault::WriteFails, Fault::SyncFails] {
        let Simulation { disk, .. } = machine();
        create_dirs(
            &disk,
            Path::new(ROOT),
            Path::new("events/0199"),
            SyncPolicy::Durable,
        )
        .unwrap();
        disk.fail_at(1, fault);
        let answer = right(&disk);
        assert!(
            matches!(answer, Err(PublishError::NotPublished { .. })),
            "nothing was published: {answer:?}"
        );
        assert_eq!(
            disk.list(Path::new("/store/tmp")).unwrap(),
            [],
            "the temporary file is gone after {fault:?}"
        );
        assert_eq!(
            right(&disk).unwrap(),
            Published::New,
            "another attempt writes everything anew"
        );
    }
}

fn replace_with(disk: &dyn Disk, bytes: &[u8]) -> Result<(), impl Debug + use<>> {
    replace(
        disk,
        Path::new("/store/tmp/r"),
        Path::new("/store/state"),
        bytes,
        SyncPolicy::Durable,
    )
}

#[test]
fn replace_leaves_the_old_or_the_new_content_at_every_crash_point() {
    for fault in [Fault::PowerCut, Fault::SyncFails, Fault::WriteFails] {
        for n in 1..=6 {
            explore(|choice| {
                let Simulation { disk, .. } = machine();
                replace_with(&disk, b"old").unwrap();
                disk.fail_at(n, fault);
                let answer = replace_with(&disk, b"new");
                disk.crash(choice);
                let left = disk.read(Path::new("/store/state"), 100).unwrap();
                assert!(
                    left == b"new" || (answer.is_err() && left == b"old"),
                    "{fault:?} at {n}: {answer:?} left {left:?}"
                );
            });
        }
    }
}

#[test]
fn a_path_out_of_the_root_is_refused() {
    let Simulation { disk, .. } = machine();
    let answer = create_dirs(
        &disk,
        Path::new(ROOT),
        Path::new("a/../../b"),
        SyncPolicy::None,
    );
    assert!(
        matches!(answer, Err(CreateDirsError::NotBelow { .. })),
        "no level leads upwards: {answer:?}"
    );
}
