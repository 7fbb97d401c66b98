//! What a merge does to projections: those that compensate go on, those that need the order are built again, and both come
//! to the same.
//!
//! ```text
//!   alice:  opened --- alice takes it ----- merge --- it stays with alice --.
//!                 \                        /                                 \
//!   bob:           '-- bob takes it ------'------------------------------- merge
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;

use eventcore_types::{Event, StreamId};
use fs_feed::Feed as _;
use fs_feed::projection::{Delivered, Format, Order, Phase, Projection, Rebuild, Snapshot, Status};
use fs_format::EventId;
use fs_store::{Append, FileEventStore};
use scenarios::seen::{Place, Seen};
use scenarios::{Repository, World, ingested, stream_id};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// What happens to an issue.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Assigned {
    issue: StreamId,
    who: String,
    /// Whether this settles what was assigned on two sides.
    settles: bool,
}

impl Event for Assigned {
    fn stream_id(&self) -> &StreamId {
        &self.issue
    }

    fn event_type_name() -> &'static str {
        "Assigned"
    }
}

/// Who has each issue, and how often it was settled.
type Issues = BTreeMap<String, (String, u32)>;

/// The last assignment counts.
#[derive(Clone)]
struct Board(Order);

impl Projection for Board {
    type Event = Assigned;
    type State = Issues;
    type Error = Infallible;

    fn name(&self) -> &str {
        match self.0 {
            Order::Ingestion => "live",
            Order::Canonical => "sorted",
        }
    }

    fn order(&self) -> Order {
        self.0
    }

    fn reset(&mut self, issues: &mut Issues) -> Result<(), Infallible> {
        issues.clear();
        Ok(())
    }

    fn apply(
        &mut self,
        issues: &mut Issues,
        assigned: &Delivered<Assigned>,
    ) -> Result<(), Infallible> {
        let Assigned {
            issue,
            who,
            settles,
        } = &assigned.event;
        let issue = issues.entry(issue.to_string()).or_default();
        issue.0.clone_from(who);
        issue.1 += u32::from(*settles);
        Ok(())
    }
}

fn assign(clone: &Repository, who: &str, settles: bool) {
    let assigned = Assigned {
        issue: StreamId::try_new("issue").unwrap(),
        who: who.to_owned(),
        settles,
    };
    let data = serde_json::to_string(&assigned).unwrap();
    let append = Append::new().event(stream_id("issue"), "Assigned", &data);
    clone.store().append(append.unwrap()).unwrap();
    clone.commit(who);
}

/// Brings a projection of a clone up to date, as a process of its own, by going on or from the first event.
fn catch_up(clone: &Repository, order: Order, anew: bool) -> (Issues, Option<Rebuild>) {
    let store = clone.store();
    let runner = store.project(Board(order), Snapshot::in_file(&store, Format::Json));
    let mut runner = if anew { runner.rebuild() } else { runner };
    let status = runner.catch_up().unwrap();
    (runner.into_model().into_state(), status.rebuilt)
}

fn held_by(who: &str, settled: u32) -> Issues {
    [("issue".to_owned(), (who.to_owned(), settled))].into()
}

/// Two clones that have assigned the issue on both sides.
fn two_clones(world: &World) -> [Repository; 2] {
    let alice = world.init("alice");
    assign(&alice, "nobody", false);
    let bob = world.clone(&alice, "bob");
    assign(&bob, "bob", false);
    assign(&alice, "alice", false);
    for clone in [&alice, &bob] {
        for order in [Order::Ingestion, Order::Canonical] {
            catch_up(clone, order, false);
        }
    }
    [alice, bob]
}

#[test]
fn a_live_state_that_was_compensated_equals_the_rebuilt_one_in_every_clone() {
    let world = World::new();
    let [alice, bob] = two_clones(&world);
    alice.merge(&bob);
    bob.merge(&alice);
    let live = |clone| catch_up(clone, Order::Ingestion, false);
    assert_eq!(
        [live(&alice), live(&bob)],
        [(held_by("bob", 0), None), (held_by("alice", 0), None)],
        "for each clone, what arrived comes last, and nothing is built again for it"
    );

    assign(&alice, "alice", true);
    bob.merge(&alice);
    for clone in [&alice, &bob] {
        let (compensated, rebuilt) = live(clone);
        assert_eq!(rebuilt, None, "compensation is an event like others");
        assert_eq!(compensated, held_by("alice", 1), "it is applied once");
        let (again, _) = catch_up(clone, Order::Ingestion, true);
        assert_eq!(again, compensated, "the rebuilt state equals the live one");
        let (sorted, _) = catch_up(clone, Order::Canonical, true);
        assert_eq!(sorted, compensated, "in canonical order too");
    }
    let new = world.clone(&bob, "carol");
    assert_eq!(
        live(&new).0,
        held_by("alice", 1),
        "and in a clone that saw all of it at once"
    );
}

#[test]
fn a_state_in_canonical_order_is_built_again_when_the_topology_changes_and_is_alike_everywhere() {
    let world = World::new();
    let [alice, bob] = two_clones(&world);
    let store = alice.store();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(
            Board(Order::Canonical),
            Snapshot::in_file(&store, Format::Json),
        )
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        runner.follow().unwrap();
        runner.into_model().into_state()
    });
    let mut wait_for = |applied: u64| {
        let has_come =
            |status: &Status| status.phase == Phase::Following && status.applied == applied;
        let status = futures::executor::block_on(status.wait_for(has_come));
        status.unwrap().rebuilt
    };
    assert_eq!(
        wait_for(2),
        None,
        "it goes on where the process before it stood"
    );

    alice.merge(&bob);

    let rebuilt = wait_for(3);
    assert!(
        matches!(rebuilt, Some(Rebuild::Topology { .. })),
        "bob's assignment sorts before alice's: {rebuilt:?}"
    );
    stop.cancel();
    let state = following.join().unwrap();
    assert_eq!(state, held_by("alice", 0), "alice was the last to take it");
    bob.merge(&alice);
    assert_eq!(
        catch_up(&bob, Order::Canonical, false).0,
        state,
        "bob sees the same"
    );
    let carol = world.clone(&bob, "carol");
    assert_eq!(
        catch_up(&carol, Order::Canonical, false).0,
        state,
        "carol too"
    );
}

#[test]
fn after_a_reset_and_after_it_was_undone_the_state_holds_what_is_there_and_each_event_once() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    bob.work("early", &[11, 12]);
    alice.work("late", &[1, 2]);
    let kinds = [Order::Ingestion, Order::Canonical];
    let assert_true = |what: &str, is_new_epoch: bool| {
        let store = alice.store();
        for order in kinds {
            let seen = Seen::new(order, Place::Postcard);
            let mut runner = store.project(seen, Place::Postcard.snapshot(&store));
            let status = runner.catch_up().unwrap();
            assert_eq!(
                matches!(status.rebuilt, Some(Rebuild::Epoch { .. })),
                is_new_epoch,
                "{what}, {order:?}: {status:?}"
            );
            let state = runner.into_model().into_state();
            assert_eq!(state, expected(&store, order), "{what}, {order:?}");
        }
    };
    assert_true("before", false);
    alice.merge(&bob);
    assert_true("merged", false);
    alice.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_true("reset", true);
    alice.append("late", 3);
    alice.commit("go on");
    assert_true("gone on", false);
    alice.merge(&bob);
    assert_true("merged again", false);
}

fn expected(store: &FileEventStore, order: Order) -> Vec<EventId> {
    let events = match order {
        Order::Ingestion => ingested(store, None),
        Order::Canonical => store.canonical_events().unwrap().into_inner(),
    };
    events.into_iter().map(|event| event.event_id).collect()
}
