//! The rules come to one end: people change issues apart, exchange some of it and settle, in any order, and finally all have the same.

use std::fs;
use std::path::Path;

use eventcore::{RetryPolicy, StreamId, execute};
use fs_merge::{Reconcile, Report, reconcile};
use fs_store::{Durability, FileEventStore, StoreOptions};
use issue_tracker::{Change, ChangeIssue, Issue, IssueEvent, OpenIssue, Rules};
use scenarios::World;
use scenarios::dice::Dice;

use crate::kept::Kept;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const LABELS: [&str; 3] = ["roof", "urgent", "weather"];

pub(crate) fn issues() -> Vec<StreamId> {
    let names = ["issue-1", "issue-2"];
    names.map(|name| StreamId::try_new(name).unwrap()).to_vec()
}

fn native(issue: &StreamId) -> fs_format::StreamId {
    let name: &str = issue.as_ref();
    fs_format::StreamId::new(name).unwrap()
}

fn label(dice: &mut Dice) -> String {
    LABELS[dice.below(3) as usize].to_owned()
}

fn change(dice: &mut Dice, step: u64) -> Change {
    match dice.below(16) {
        0..4 => Change::Labelled { label: label(dice) },
        4..8 => Change::Unlabelled { label: label(dice) },
        8 => Change::Closed,
        9 => Change::Reopened,
        10 => Change::Assigned { to: None },
        11..13 => Change::Assigned {
            to: Some(PEOPLE[dice.below(3) as usize].to_owned()),
        },
        13 => Change::Retitled {
            title: format!("title {}", dice.below(3)),
        },
        _ => Change::Commented {
            text: format!("comment {step}"),
        },
    }
}

/// Returns the names of the transaction files below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Copies what `to` lacks, as a git merge does.
fn pull(to: &FileEventStore, from: &FileEventStore) {
    let events = from.root().join("events");
    for path in files(&events) {
        let target = to
            .root()
            .join("events")
            .join(path.strip_prefix(&events).unwrap());
        if target.exists() {
            let (here, there) = (fs::read(&target).unwrap(), fs::read(&path).unwrap());
            assert_eq!(
                here,
                there,
                "files of one name are equal: {}",
                target.display()
            );
        } else {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&path, target).unwrap();
        }
    }
    to.refresh().unwrap();
}

/// Settles until there is nothing that the rules can settle; returns what is left and how much was settled.
fn settle(store: &FileEventStore) -> (Report, usize) {
    let mut settled = 0;
    for _ in 0..20 {
        let report = reconcile::<IssueEvent>(store, &Rules::default()).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        settled += report.settled.len();
        if report.settled.is_empty() {
            return (report, settled);
        }
    }
    panic!("settling comes to an end");
}

fn exchange(stores: &[FileEventStore]) {
    for to in stores {
        for from in stores {
            pull(to, from);
        }
    }
}

/// Returns the fold of an issue's events.
pub(crate) fn issue(store: &FileEventStore, issue: &StreamId) -> Issue {
    let events = store.stream_events(&native(issue)).unwrap();
    let events = events
        .iter()
        .map(|event| event.event_data.decode::<IssueEvent>().unwrap());
    events.fold(Issue::default(), |issue, event| issue.after(&event))
}

async fn play(seed: u64) {
    let world = World::in_memory();
    let options = || StoreOptions::default().durability(Durability::None);
    let stores: Vec<_> = PEOPLE
        .iter()
        .map(|name| options().create(world.path().join(name)).unwrap())
        .collect();
    let mut kept: Vec<_> = stores.iter().map(Kept::of).collect();
    let mut dice = Dice::new(seed);
    for issue in issues() {
        let open = OpenIssue {
            issue,
            by: PEOPLE[0].to_owned(),
            title: "It rains in".to_owned(),
        };
        execute(&stores[0], open, RetryPolicy::new()).await.unwrap();
    }
    exchange(&stores);
    let mut comments = 0;
    for step in 0..24 {
        let one = dice.below(3) as usize;
        match dice.below(8) {
            0 => pull(&stores[one], &stores[dice.below(3) as usize]),
            1 => drop(settle(&stores[one])),
            _ => {
                let change = change(&mut dice, step);
                let is_comment = matches!(change, Change::Commented { .. });
                let command = ChangeIssue {
                    issue: issues()[dice.below(2) as usize].clone(),
                    by: PEOPLE[one].to_owned(),
                    changes: vec![change],
                };
                let done = execute(&stores[one], command, RetryPolicy::new()).await;
                comments += usize::from(is_comment && done.is_ok());
            }
        }
        if dice.below(8) == 0 {
            kept[one].is_right(&stores[one], seed);
        }
    }

    for _ in 0..2 {
        for store in &stores {
            drop(settle(store));
        }
        exchange(&stores);
    }
    let mut left_open = 0;
    for store in &stores {
        let (report, settled) = settle(store);
        assert_eq!(
            settled, 0,
            "seed {seed}: after two rounds there is nothing more to settle"
        );
        left_open = report.declined.len();
        for declined in &report.declined {
            assert!(
                declined.reason.contains("titles"),
                "seed {seed}: only titles are left open: {}",
                declined.reason
            );
        }
    }
    for issue in issues() {
        let rules = Rules::with_title(issue.clone(), "alice", "agreed");
        let settling = Reconcile::new(&stores[0]).stream(native(&issue));
        let report = settling.run::<IssueEvent>(&rules).unwrap();
        left_open -= report.settled.len();
        assert!(
            report.is_complete(),
            "seed {seed}: a person settles what is left"
        );
    }
    assert_eq!(left_open, 0);
    exchange(&stores);
    let said: Vec<usize> = issues()
        .iter()
        .map(|of| issue(&stores[0], of).comments.len())
        .collect();
    assert_eq!(
        said.iter().sum::<usize>(),
        comments,
        "seed {seed}: no comment is lost or doubled"
    );
    for (store, kept) in stores.iter().zip(&mut kept) {
        kept.is_right(store, seed);
        assert_eq!(
            fs_merge::forks(store).unwrap(),
            [],
            "seed {seed}: nothing is open"
        );
        for of in issues() {
            assert_eq!(issue(store, &of), issue(&stores[0], &of), "seed {seed}");
        }
        assert_eq!(
            store.digest().unwrap(),
            stores[0].digest().unwrap(),
            "seed {seed}: all have the same files"
        );
    }
}

#[tokio::test]
async fn all_have_the_same_in_the_end() {
    for seed in 0..30 {
        play(seed).await;
    }
}
