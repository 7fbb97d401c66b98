//! EventCore's own runner on a store that git merges into.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use eventcore::{Event, ProjectionConfig, Projector, StreamId, StreamPosition, run_projection};
use fs_store::{Append, FileEventStore};
use scenarios::{Repository, World, stream_id};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    stream: StreamId,
    n: u64,
}

impl Event for Counted {
    fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    fn event_type_name() -> &'static str {
        "Counted"
    }
}

/// Remembers what it was given.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<Vec<u64>>>);

impl Projector for Count {
    type Event = Counted;
    type Error = Infallible;
    type Context = ();

    fn apply(&mut self, event: Counted, _: StreamPosition, (): &mut ()) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(event.n);
        Ok(())
    }

    fn name(&self) -> &str {
        "count"
    }
}

impl Count {
    async fn run(&self, store: &FileEventStore) {
        let config = ProjectionConfig::default();
        run_projection(self.clone(), store, config).await.unwrap();
    }

    fn seen(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

/// Appends and commits, as somebody who works offline does.
fn work(clone: &Repository, stream: &str, numbers: &[u64]) {
    for n in numbers {
        let data = format!(r#"{{"stream":"{stream}","n":{n}}}"#);
        let append = Append::new().event(stream_id(stream), "Counted", &data);
        clone.store().append(append.unwrap()).unwrap();
    }
    clone.commit("work");
}

#[tokio::test]
async fn after_a_merge_behind_the_cursor_each_event_is_applied_once() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    work(&bob, "early", &[11, 12]);
    work(&alice, "late", &[1, 2]);
    let count = Count::default();
    let open = alice.store();
    count.run(&open).await;
    assert_eq!(count.seen(), [1, 2]);

    alice.merge(&bob);
    count.run(&open).await;
    assert_eq!(
        count.seen(),
        [1, 2, 11, 12],
        "what sorts before the cursor is applied after it, by a handle that was open"
    );
    work(&bob, "early", &[13]);
    work(&alice, "late", &[3]);
    alice.merge(&bob);
    for _ in 0..2 {
        count.run(&alice.store()).await;
        let mut seen = count.seen();
        assert_eq!(seen[..4], [1, 2, 11, 12], "and what was applied stays so");
        seen.sort_unstable();
        assert_eq!(
            seen,
            [1, 2, 3, 11, 12, 13],
            "once each, by one opened anew too"
        );
    }

    bob.merge(&alice);
    let theirs = Count::default();
    theirs.run(&bob.store()).await;
    let mut seen = theirs.seen();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [1, 2, 3, 11, 12, 13],
        "the other clone has a cursor of its own"
    );
}
