//! Projections under anything that happens to a store and to them, against a model that knows the files and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fs_feed::Feed as _;
use fs_feed::projection::{Order, Progress, ProjectionError, ReadModel, Retry, Snapshot};
use fs_format::EventId;
use fs_store::FileEventStore;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed};
use scenarios::answers::unsynced;
use scenarios::seen::{Fate, Place, Seen, SeenRows, stubborn};
use scenarios::{World, append, ingested};

use crate::interleavings::{Away, Model, OTHERS, config, files, put, reset};

/// How many histories are tried where `PROPTEST_CASES` does not say.
const CASES: u32 = 16;

fn same_every_time() -> Config {
    let config = config();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => Config {
            cases: CASES,
            rng_seed: RngSeed::Fixed(5),
            ..config
        },
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Events are appended to a stream, in one transaction each.
    Append { stream: u8, count: u8 },
    /// A file of another clone is copied in; its parents may come later or never.
    Arrive(Index),
    /// A file goes away.
    Vanish(Index),
    /// One that went away comes back.
    Return(Index),
    /// The newest files go away, up to some place, as by `git reset`.
    Reset(Index),
    /// Everything that went away comes back.
    Undo,
    /// Somebody deletes the index.
    DeleteIndex,
    /// The process ends and another begins.
    Restart,
    /// A projection catches up, in batches of this size, and some of the events meet another fate.
    Project {
        which: Index,
        batch: usize,
        one_of: u64,
        fate: Fate,
        is_patient: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![Just(Fate::Well), Just(Fate::Fails), Just(Fate::Panics)];
    let project = (any::<Index>(), 1..9_usize, 1..12_u64, fate, any::<bool>());
    prop_oneof![
        4 => (0..3_u8, 1..6_u8).prop_map(|(stream, count)| Step::Append { stream, count }),
        1 => (0..3_u8, 64..120_u8).prop_map(|(stream, count)| Step::Append { stream, count }),
        4 => any::<Index>().prop_map(Step::Arrive),
        1 => any::<Index>().prop_map(Step::Vanish),
        1 => any::<Index>().prop_map(Step::Return),
        1 => any::<Index>().prop_map(Step::Reset),
        1 => Just(Step::Undo),
        1 => Just(Step::DeleteIndex),
        2 => Just(Step::Restart),
        8 => project.prop_map(|(which, batch, one_of, fate, is_patient)| Step::Project {
            which, batch, one_of, fate, is_patient,
        }),
    ]
}

proptest! {
    #![proptest_config(same_every_time())]

    #[test]
    fn every_projection_is_the_fold_of_the_events_up_to_its_cursor(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut play = Play::new();
        for step in steps {
            play.take(&step);
        }
        play.finish();
        // The same events in whatever order they came.
        play.take(&Step::Undo);
        play.finish();
    }
}

const ORDERS: [Order; 2] = [Order::Ingestion, Order::Canonical];

struct Play {
    _world: World,
    store: FileEventStore,
    away: Vec<Away>,
    /// The states in memory, one for each order; they go with the process.
    memory: [Snapshot<Vec<EventId>>; 2],
    appended: u64,
    runs: u64,
}

/// How a projection is run.
struct Way {
    batch: usize,
    retry: Retry,
    one_of: u64,
    fate: Fate,
    seed: u64,
}

impl Play {
    fn new() -> Self {
        let world = World::in_memory();
        let root = world.path().join("store");
        let store = unsynced().create(&root).unwrap();
        for file in &OTHERS[0] {
            put(&root, file);
        }
        Self {
            _world: world,
            store,
            away: Vec::new(),
            memory: [Snapshot::in_memory(), Snapshot::in_memory()],
            appended: 1000,
            runs: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        let root = self.store.root().to_owned();
        match step {
            Step::Append { stream, count } => {
                for _ in 0..*count {
                    self.appended += 1;
                    append(&self.store, &format!("s{stream}"), self.appended);
                }
            }
            Step::Arrive(which) => put(&root, which.get(&OTHERS[1])),
            Step::Vanish(which) => {
                let mut there = files(&root);
                if !there.is_empty() {
                    let gone = there.swap_remove(which.index(there.len()));
                    fs::remove_file(root.join("events").join(&gone.0)).unwrap();
                    self.away.push(gone);
                }
            }
            Step::Return(which) => {
                if !self.away.is_empty() {
                    let file = self.away.swap_remove(which.index(self.away.len()));
                    put(&root, &file);
                }
            }
            Step::Reset(to) => self.away.extend(reset(&root, to)),
            Step::Undo => {
                for file in std::mem::take(&mut self.away) {
                    put(&root, &file);
                }
            }
            Step::DeleteIndex => {
                fs::remove_dir_all(root.join("index")).unwrap();
                fs::create_dir(root.join("index")).unwrap();
            }
            Step::Restart => {
                self.store = unsynced().create(&root).unwrap();
                self.memory = [Snapshot::in_memory(), Snapshot::in_memory()];
            }
            Step::Project {
                which,
                batch,
                one_of,
                fate,
                is_patient,
            } => {
                let which = which.index(ORDERS.len() * (Place::ALL.len() + 1));
                self.runs += 1;
                let way = Way {
                    batch: *batch,
                    retry: if *is_patient {
                        stubborn()
                    } else {
                        Retry::NEVER
                    },
                    one_of: if *fate == Fate::Well { 0 } else { *one_of + 1 },
                    fate: *fate,
                    seed: self.runs,
                };
                self.project(which, &way);
            }
        }
    }

    /// Lets every projection come to the end.
    fn finish(&mut self) {
        for which in 0..ORDERS.len() * (Place::ALL.len() + 1) {
            let well = Way {
                batch: 5,
                retry: Retry::NEVER,
                one_of: 0,
                fate: Fate::Well,
                seed: 0,
            };
            self.project(which, &well);
        }
    }

    fn project(&mut self, which: usize, way: &Way) {
        let order = ORDERS[which % 2];
        let seen = |place| Seen::new(order, place).fated(way.one_of, way.fate, way.seed);
        let (what, (has_ended, progress, state)) = match Place::ALL.get(which / 2) {
            None => {
                let model = std::mem::replace(&mut self.memory[which % 2], Snapshot::in_memory());
                // The name is one that no file belongs to.
                let mut seen = seen(Place::Json);
                seen.name = "memory".to_owned();
                let (has_ended, mut model) = run(&self.store, seen, model, way);
                let progress = model.progress("memory").unwrap();
                let state = model.state().clone();
                self.memory[which % 2] = model;
                ("memory".to_owned(), (has_ended, progress, state))
            }
            Some(place) => {
                let seen = seen(*place);
                let name = seen.name.clone();
                let has_ended = match place {
                    Place::Sqlite => {
                        let database = Place::database(self.store.root());
                        run(&self.store, SeenRows(seen), database, way).0
                    }
                    Place::Json | Place::Postcard => {
                        run(&self.store, seen, place.snapshot(&self.store), way).0
                    }
                };
                let (progress, state) = place.read(&self.store, &name);
                (format!("{place:?}"), (has_ended, progress, state))
            }
        };
        let what = format!("{what}, {order:?}");
        self.check(&what, order, progress.as_ref(), &state, has_ended);
    }

    /// Compares a state with what the files say.
    fn check(
        &self,
        what: &str,
        order: Order,
        progress: Option<&Progress>,
        state: &[EventId],
        is_at_end: bool,
    ) {
        let applied = progress.map_or(0, Progress::applied);
        assert_eq!(
            applied,
            state.len() as u64,
            "{what}: the cursor tells what the state holds"
        );
        let model = Model::of(self.store.root());
        let canonical: Vec<EventId> = model.versions.iter().map(|(event, _)| *event).collect();
        let ingestion = ingested(&self.store, None);
        if order == Order::Canonical {
            let upto = &canonical[..state.len().min(canonical.len())];
            assert_eq!(
                state, upto,
                "{what}: it is a fold in canonical order, from the first event"
            );
        } else {
            let reached = progress.and_then(Progress::position);
            let upto = ingestion
                .iter()
                .filter(|event| reached.is_some_and(|reached| event.position <= reached));
            let upto: Vec<_> = upto.map(|event| event.event_id).collect();
            assert_eq!(
                state, upto,
                "{what}: it is the fold of the events up to the cursor"
            );
        }
        if is_at_end {
            let seen: BTreeSet<_> = state.iter().collect();
            assert_eq!(
                seen,
                canonical.iter().collect(),
                "{what}: it holds what the files hold"
            );
            assert_eq!(state.len(), canonical.len(), "{what}: and each event once");
        }
    }
}

/// Lets a projection catch up; returns whether it came to the end, and the read model.
fn run<P, M>(store: &FileEventStore, projection: P, model: M, way: &Way) -> (bool, M)
where
    P: fs_feed::projection::Projection,
    M: ReadModel<State = P::State>,
{
    let mut runner = store
        .project(projection, model)
        .batch(way.batch)
        .retry(way.retry);
    let outcome = catch_unwind(AssertUnwindSafe(|| runner.catch_up().map_err(Box::new)));
    let has_ended = match outcome {
        Ok(Ok(status)) => {
            assert_eq!(status.lag, 0, "who came to the end has nothing before it");
            true
        }
        Ok(Err(error)) => {
            let is_wished = way.one_of > 0 && matches!(*error, ProjectionError::Apply { .. });
            assert!(is_wished, "nothing else fails: {error:?}");
            false
        }
        Err(_) => {
            assert_eq!(way.fate, Fate::Panics, "nothing else panics");
            false
        }
    };
    (has_ended, runner.into_model())
}
