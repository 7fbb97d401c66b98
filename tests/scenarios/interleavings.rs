//! Any interleaving of what happens to a store, over two handles, against a model that knows the files and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fs_format::{EventId, Header, TransactionId};
use fs_store::FileEventStore;
use proptest::prelude::*;
use proptest::test_runner::Config;
use scenarios::answers::{Answers, Follower, Ingestion, unsynced};
use scenarios::{World, append};

/// How many interleavings are tried where `PROPTEST_CASES` does not say.
const CASES: u32 = 48;

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A handle appends to a stream, in so many transactions.
    Append {
        handle: usize,
        stream: u8,
        count: u8,
    },
    /// A file of another clone is copied in; its parents may come later or never.
    Arrive(prop::sample::Index),
    /// A file goes away.
    Vanish(prop::sample::Index),
    /// One that went away comes back.
    Return(prop::sample::Index),
    /// The newest files go away, up to some place, as by `git reset`.
    Reset(prop::sample::Index),
    /// Everything that went away comes back.
    Undo,
    /// A process ends and another begins.
    Reopen { handle: usize },
    /// Somebody deletes the index.
    DeleteIndex,
    /// A handle looks.
    Refresh { handle: usize },
    /// A handle is asked everything.
    Ask { handle: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let handle = || 0..2_usize;
    prop_oneof![
        4 => (handle(), 0..3_u8).prop_map(|(handle, stream)| Step::Append { handle, stream, count: 1 }),
        1 => (handle(), 0..3_u8, 64..120_u8)
            .prop_map(|(handle, stream, count)| Step::Append { handle, stream, count }),
        3 => any::<prop::sample::Index>().prop_map(Step::Arrive),
        2 => any::<prop::sample::Index>().prop_map(Step::Vanish),
        2 => any::<prop::sample::Index>().prop_map(Step::Return),
        1 => any::<prop::sample::Index>().prop_map(Step::Reset),
        1 => Just(Step::Undo),
        2 => handle().prop_map(|handle| Step::Reopen { handle }),
        1 => Just(Step::DeleteIndex),
        2 => handle().prop_map(|handle| Step::Refresh { handle }),
        3 => handle().prop_map(|handle| Step::Ask { handle }),
    ]
}

pub(crate) fn config() -> Config {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_interleaving_agrees_with_the_files(steps in prop::collection::vec(step(), 1..30)) {
        let mut play = Play::new();
        for step in steps {
            play.take(&step);
        }
        play.ask(0);
        play.ask(1);
        // The same history in whatever order it came.
        play.take(&Step::Undo);
        play.ask(1);
        play.ask(0);
    }
}

/// Files that two other clones wrote at the same time on top of what everybody has, and what everybody has.
pub(crate) static OTHERS: LazyLock<[Vec<Away>; 2]> = LazyLock::new(|| {
    let world = World::new();
    let one = world.init("one");
    one.work("s0", &[1]);
    one.work("s1", &[2]);
    let common = files(&one.root());
    let two = world.clone(&one, "two");
    one.work("s0", &[3, 4, 5]);
    two.work("s0", &[6]);
    two.work("s2", &[7, 8]);
    two.merge(&one);
    two.work("s1", &[9]);
    let known: BTreeSet<_> = common.iter().map(|file| &file.0).collect();
    let others = files(&two.root());
    let others = others.into_iter().filter(|file| !known.contains(&file.0));
    let others = others.collect();
    [common, others]
});

/// A path below `events/` and the bytes of its file.
pub(crate) type Away = (PathBuf, Vec<u8>);

struct Play {
    world: World,
    handles: Vec<FileEventStore>,
    away: Vec<Away>,
    follower: Follower,
    /// The epoch that was seen last, and whether the index was deleted since.
    epoch: Option<fs_index::Proof>,
    deleted: bool,
    appended: u64,
}

impl Play {
    fn new() -> Self {
        let world = World::in_memory();
        let root = world.path().join("store");
        let handles: Vec<_> = (0..2).map(|_| unsynced().create(&root).unwrap()).collect();
        for file in &OTHERS[0] {
            put(&root, file);
        }
        Self {
            world,
            handles,
            away: Vec::new(),
            follower: Follower::default(),
            epoch: None,
            deleted: false,
            appended: 100,
        }
    }

    fn root(&self) -> PathBuf {
        self.world.path().join("store")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append {
                handle,
                stream,
                count,
            } => {
                for _ in 0..*count {
                    self.appended += 1;
                    append(&self.handles[*handle], &format!("s{stream}"), self.appended);
                }
            }
            Step::Arrive(which) => put(&self.root(), which.get(&OTHERS[1])),
            Step::Vanish(which) => {
                let mut there = files(&self.root());
                if !there.is_empty() {
                    let gone = there.swap_remove(which.index(there.len()));
                    fs::remove_file(self.root().join("events").join(&gone.0)).unwrap();
                    self.away.push(gone);
                }
            }
            Step::Return(which) => {
                if !self.away.is_empty() {
                    self.come_back(which.index(self.away.len()));
                }
            }
            Step::Reset(to) => self.away.extend(reset(&self.root(), to)),
            Step::Undo => {
                while !self.away.is_empty() {
                    self.come_back(0);
                }
            }
            Step::Reopen { handle } => {
                self.handles[*handle] = unsynced().create(self.root()).unwrap();
            }
            Step::DeleteIndex => {
                let index = self.root().join("index");
                fs::remove_dir_all(&index).unwrap();
                fs::create_dir(&index).unwrap();
                self.deleted = true;
            }
            Step::Refresh { handle } => self.handles[*handle].refresh().unwrap(),
            Step::Ask { handle } => self.ask(*handle),
        }
    }

    fn come_back(&mut self, which: usize) {
        let file = self.away.swap_remove(which);
        put(&self.root(), &file);
    }

    /// Asks a handle everything and compares with the files.
    fn ask(&mut self, handle: usize) {
        let store = &self.handles[handle];
        let model = Model::of(&self.root());
        let answers = Answers::of(store).unwrap();
        answers.assert_consistent();
        let order: Vec<_> = answers
            .headers
            .iter()
            .map(|header| header.transaction_id)
            .collect();
        assert_eq!(
            order, model.order,
            "the history is that of the files, in canonical order"
        );
        assert_eq!(
            answers.digest.heads, model.heads,
            "heads are the transactions without children"
        );
        let versions: Vec<_> = answers
            .canonical
            .iter()
            .map(|event| (event.event_id, event.version))
            .collect();
        assert_eq!(
            versions, model.versions,
            "versions count a stream's events in canonical order"
        );
        let ingestion = Ingestion::of(store).unwrap();
        ingestion.assert_covers(&answers);
        self.follower.see_no_less(&ingestion);
        if self.deleted && self.epoch.is_some() {
            assert_ne!(
                ingestion.epoch(),
                self.epoch,
                "without its index a store begins a new epoch"
            );
        }
        self.deleted = false;
        self.epoch = ingestion.epoch();
        let status = store.status().unwrap();
        if status.dangling.is_empty() {
            assert_eq!(
                status.replica_conflicts,
                [],
                "one replica's transactions form a chain"
            );
        }
    }
}

/// What the files say.
pub(crate) struct Model {
    order: Vec<TransactionId>,
    heads: Vec<TransactionId>,
    pub(crate) versions: Vec<(EventId, u64)>,
}

impl Model {
    /// Recomputes everything: of the transactions whose parents are placed or not there, always the one with the
    /// least time, replica and id is next.
    pub(crate) fn of(root: &Path) -> Self {
        let mut waiting = BTreeMap::new();
        for (_, bytes) in files(root) {
            let transaction = fs_format::decode(&bytes).unwrap();
            let events: Vec<_> = transaction
                .events
                .iter()
                .map(|event| (event.event_id, event.stream_id.clone()))
                .collect();
            let header = transaction.header;
            waiting.insert(header.transaction_id, (header, events));
        }
        let mut parents = BTreeSet::new();
        for (header, _) in waiting.values() {
            parents.extend(header.parents.iter().map(|parent| parent.transaction_id));
        }
        let (mut order, mut versions, mut counts) = (Vec::new(), Vec::new(), BTreeMap::new());
        while !waiting.is_empty() {
            let is_ready = |header: &Header| {
                let mut parents = header.parents.iter();
                !parents.any(|parent| waiting.contains_key(&parent.transaction_id))
            };
            let next = waiting
                .values()
                .map(|(header, _)| header)
                .filter(|header| is_ready(header))
                .min_by_key(|header| (header.created_at, header.replica_id, header.transaction_id))
                .expect("there is no cycle among files that stores wrote")
                .transaction_id;
            let (_, events) = waiting.remove(&next).expect("it was found there just now");
            order.push(next);
            for (event_id, stream_id) in events {
                let count = counts.entry(stream_id).or_insert(0);
                *count += 1;
                versions.push((event_id, *count));
            }
        }
        let heads = order.iter().filter(|id| !parents.contains(id)).copied();
        Self {
            heads: heads.collect(),
            order,
            versions,
        }
    }
}

pub(crate) fn put(root: &Path, (path, bytes): &Away) {
    let target = root.join("events").join(path);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    if !target.exists() {
        // As git does it: another name first would be a file with no business there.
        fs::write(target, bytes).unwrap();
    }
}

/// Takes the newest files away, up to some place, as `git reset` does, and returns them.
pub(crate) fn reset(root: &Path, to: &prop::sample::Index) -> Vec<Away> {
    let mut there = files(root);
    let gone = there.split_off(to.index(there.len() + 1));
    for (path, _) in &gone {
        fs::remove_file(root.join("events").join(path)).unwrap();
    }
    gone
}

/// Returns the transaction files of a store, by path.
pub(crate) fn files(root: &Path) -> Vec<Away> {
    let events = root.join("events");
    let (mut found, mut below) = (Vec::new(), vec![events.clone()]);
    while let Some(dir) = below.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                let relative = path.strip_prefix(&events).unwrap().to_owned();
                found.push((relative, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
