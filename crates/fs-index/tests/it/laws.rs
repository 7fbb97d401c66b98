//! Any interleaving of what happens to a working copy, against the model.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{ContentHash, Encoded, TransactionId};
use fs_index::{Epoch, Index, Position, Scan, Stored};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::build::{Draft, format_2, id, replica, tx};
use crate::model::{self, Files};
use crate::world::{Facts, Shown, Witness, World, facts, load, look, own, take_in};

/// Transactions 1 to 6 are of format 3, files 4 to 8 of format 2: three ids may lie in both places.
const SEALED: u64 = 6;
const OLD: std::ops::RangeInclusive<u64> = 4..=8;

#[derive(Clone, Debug)]
enum Step {
    Append { handle: usize, n: u64 },
    Arrive(usize),
    Remove(usize),
    Damage(usize),
    Edit(usize),
    Pass,
    Observe { handle: usize, scan: Scan },
    Refresh { handle: usize },
    Reopen { handle: usize },
    DeleteIndex,
    Boot,
}

/// What the transactions of one run look like.
#[derive(Clone, Debug)]
struct Shape {
    own: bool,
    second: i64,
    parents: u8,
    belied: Option<u8>,
    streams: u8,
}

/// A file that may be there: its path, its bytes, and other bytes that are as whole.
struct Candidate {
    path: String,
    bytes: Vec<u8>,
    edited: Vec<u8>,
}

struct Pool {
    own: BTreeSet<u64>,
    sealed: Vec<Encoded>,
    files: Vec<Candidate>,
}

impl Pool {
    fn new(shapes: &[Shape], old_parents: &[u8]) -> Self {
        let mut sealed: Vec<Encoded> = Vec::new();
        let mut files = Vec::new();
        for (n, shape) in (1..=SEALED).zip(shapes) {
            let draft = draft(n, shape, &sealed);
            let encoded = draft.encode();
            files.push(Candidate {
                path: encoded.transaction_id.relative_path(),
                bytes: encoded.bytes.clone(),
                edited: draft.saying("edited").encode().bytes,
            });
            sealed.push(encoded);
        }
        for (n, parents) in OLD.zip(old_parents) {
            let parents: Vec<_> = OLD
                .filter(|other| *other != n && parents >> (other % 8) & 1 == 1)
                .collect();
            let (id, bytes) = format_2(n, &parents);
            files.push(Candidate {
                path: id.file_name(),
                bytes,
                edited: format_2(n, &[]).1,
            });
        }
        let own = (1..=SEALED).zip(shapes).filter(|(_, shape)| shape.own);
        Self {
            own: own.map(|(n, _)| n).collect(),
            sealed,
            files,
        }
    }
}

fn draft(n: u64, shape: &Shape, before: &[Encoded]) -> Draft {
    let chosen = |mask: u8| {
        before
            .iter()
            .enumerate()
            .filter(move |(at, _)| mask >> at & 1 == 1)
    };
    let belied = shape.belied.and_then(|at| before.get(usize::from(at)));
    let parents: Vec<_> = chosen(shape.parents)
        .map(|(_, parent)| parent)
        .filter(|parent| belied.is_none_or(|belied| belied.transaction_id != parent.transaction_id))
        .collect();
    let streams: &[(&str, u64)] = match shape.streams {
        0 => &[("a", 1)],
        1 => &[("b", 2)],
        _ => &[("a", 1), ("b", 1), ("c", 0)],
    };
    let draft = tx(n)
        .by(if shape.own { own() } else { replica(900) })
        .at(shape.second)
        .writing(streams)
        .on(&parents);
    match belied {
        Some(belied) => draft.belying(belied),
        None => draft,
    }
}

/// One who reads what is new with its last position, starts over when that is stale, and keeps it across everything.
#[derive(Default)]
struct Consumer {
    last: Option<(Epoch, Position)>,
    seen: BTreeMap<TransactionId, ContentHash>,
}

impl Consumer {
    fn read(&mut self, index: &Index) {
        let history = index.shown();
        let epoch = history.epoch().unwrap();
        let known = self
            .last
            .and_then(|(_, last)| index.snapshot().sequence_of(last).ok());
        if known.is_none() {
            assert!(
                self.last.is_none_or(|(of, _)| of != epoch),
                "a position of the present epoch is not refused"
            );
            self.seen.clear();
        }
        for (_, stored) in history.ingested_from(known.map_or(1, |last| last.number() + 1)) {
            let twice = self.seen.insert(stored.id(), stored.content_hash());
            assert_eq!(twice, None, "{} is read twice in one epoch", stored.id());
        }
        self.last = index.snapshot().ingestion_end().map(|end| (epoch, end));
        let members: BTreeMap<_, _> = history
            .canonical()
            .map(|(_, stored)| (stored.id(), stored.content_hash()))
            .collect();
        assert_eq!(
            self.seen, members,
            "within an epoch every member is read, and none that is not there"
        );
    }
}

struct Run {
    world: World,
    pool: Pool,
    files: Files,
    handles: [Index; 2],
    consumers: [Consumer; 3],
    witness: Witness,
    /// The epoch and the members at the last refresh, unless something happened that starts an epoch by itself.
    before: Option<(Epoch, Facts)>,
    boots: u32,
}

impl Run {
    fn new(pool: Pool) -> Self {
        let world = World::new();
        Self {
            handles: [world.handle(), world.handle()],
            world,
            pool,
            files: Files::new(),
            consumers: Default::default(),
            witness: Witness::default(),
            before: None,
            boots: 0,
        }
    }

    fn write(&mut self, path: String, bytes: Vec<u8>) {
        if self.files.contains_key(&path) {
            self.world.overwrite(&path, &bytes);
        } else {
            self.world.put_at(&path, &bytes);
        }
        self.files.insert(path, bytes);
    }

    /// Appends when that is all that changes, as it is for a writer that names the heads; else the file arrives.
    fn append(&mut self, handle: usize, n: u64) {
        let encoded = self.pool.sealed[usize::try_from(n - 1).unwrap()].clone();
        let path = encoded.transaction_id.relative_path();
        let mut with = self.files.clone();
        with.insert(path.clone(), encoded.bytes.clone());
        let set = |facts: Facts| facts.canonical.into_iter().collect::<BTreeSet<_>>();
        let mut expected = set(model::facts(&self.files));
        expected.insert((encoded.transaction_id, encoded.content_hash));
        let is_own = self.pool.own.contains(&n);
        let twin = self.files.contains_key(&id(n).file_name());
        if self.files.contains_key(&path) || twin || !is_own || set(model::facts(&with)) != expected
        {
            self.write(path, encoded.bytes);
            return;
        }
        let lock = self.world.lock();
        take_in(
            &self.world.sim.clock,
            &mut self.handles[handle],
            Scan::Contents,
            &lock,
        );
        self.check(handle);
        self.write(path, encoded.bytes.clone());
        self.handles[handle]
            .record_appends(vec![Stored::of_encoded_bytes(encoded)], &lock)
            .unwrap();
        load(&mut self.handles[handle]);
        drop(lock);
        self.check(handle);
    }

    fn refresh(&mut self, handle: usize) {
        self.world
            .refresh_to(&mut self.handles[handle], Scan::Contents);
        self.check(handle);
    }

    /// Compares a handle that is up to date with the files, with what was read before, and with what the journal says.
    fn check(&mut self, handle: usize) {
        let index = &self.handles[handle];
        let expected = model::facts(&self.files);
        assert_eq!(
            facts(&index.shown()),
            expected,
            "the history is a function of the files"
        );
        let left_out = self.files.len() - expected.canonical.len();
        assert_eq!(
            index.snapshot().rejected_files().count(),
            left_out,
            "each file that is not a member is reported"
        );
        self.witness.read(&index.shown());
        for consumer in &mut self.consumers[..=handle] {
            consumer.read(index);
        }
        let epoch = index.shown().epoch().unwrap();
        if let Some((before, facts)) = &self.before {
            let kept = facts
                .canonical
                .iter()
                .all(|it| expected.canonical.contains(it));
            assert!(
                kept || *before != epoch,
                "an epoch ends when something goes away"
            );
            // After a start of the machine, own files that arrive may be the trace of a journal that lost its end.
            assert!(
                !kept || *before == epoch || self.boots > 0,
                "an epoch ends for no other reason"
            );
        }
        self.before = Some((epoch, expected));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append { handle, n } => self.append(handle, n),
            Step::Arrive(at) => {
                let file = &self.pool.files[at];
                self.write(file.path.clone(), file.bytes.clone());
            }
            Step::Edit(at) => {
                let file = &self.pool.files[at];
                self.write(file.path.clone(), file.edited.clone());
            }
            Step::Damage(at) => {
                let file = &self.pool.files[at];
                self.write(
                    file.path.clone(),
                    file.bytes[..file.bytes.len() / 2].to_vec(),
                );
            }
            Step::Remove(at) => {
                let path = &self.pool.files[at].path;
                if self.files.remove(path).is_some() {
                    self.world.remove_at(path);
                }
            }
            Step::Pass => self.world.pass(),
            Step::Observe { handle, scan } => {
                let _ = look(&mut self.handles[handle], scan);
            }
            Step::Refresh { handle } => self.refresh(handle),
            Step::Reopen { handle } => {
                self.handles[handle] = self.world.handle();
                self.refresh(handle);
            }
            Step::DeleteIndex => {
                let journal = self.world.layout.journal();
                if fs_io::Disk::stat(&self.world.sim.disk, &journal)
                    .unwrap()
                    .is_some()
                {
                    self.world.set_journal(None);
                }
                self.before = None;
            }
            Step::Boot => {
                self.boots += 1;
                self.world.boot(Some(&format!("boot {}", self.boots)));
                self.handles = [self.world.handle(), self.world.handle()];
                self.before = None;
            }
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let belied = prop_oneof![4 => Just(None), 1 => (0u8..5).prop_map(Some)];
    (any::<bool>(), 0i64..9, any::<u8>(), belied, 0u8..3).prop_map(
        |(own, second, parents, belied, streams)| Shape {
            own,
            second,
            parents,
            belied,
            streams,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0..11_usize;
    let handle = 0..2_usize;
    let scan = prop_oneof![Just(Scan::Names), Just(Scan::Contents)];
    prop_oneof![
        4 => (handle.clone(), 1..=SEALED).prop_map(|(handle, n)| Step::Append { handle, n }),
        5 => file.clone().prop_map(Step::Arrive),
        3 => file.clone().prop_map(Step::Remove),
        1 => file.clone().prop_map(Step::Damage),
        2 => file.prop_map(Step::Edit),
        1 => Just(Step::Pass),
        2 => (handle.clone(), scan).prop_map(|(handle, scan)| Step::Observe { handle, scan }),
        6 => handle.clone().prop_map(|handle| Step::Refresh { handle }),
        1 => handle.prop_map(|handle| Step::Reopen { handle }),
        1 => Just(Step::DeleteIndex),
        1 => Just(Step::Boot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_agrees_with_the_files_and_tells_consumers_each_member_once(
        shapes in vec(shape(), 6),
        old_parents in vec(any::<u8>().prop_map(|mask| mask & 0x55), 5),
        steps in vec(step(), 1..40),
    ) {
        let mut run = Run::new(Pool::new(&shapes, &old_parents));
        for step in steps {
            run.take(step);
        }
        for handle in [0, 1, 0] {
            run.refresh(handle);
        }
        run.take(Step::Reopen { handle: 0 });
        run.take(Step::DeleteIndex);
        run.take(Step::Reopen { handle: 1 });
    }
}
