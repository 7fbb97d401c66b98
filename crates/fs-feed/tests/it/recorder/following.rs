//! Any number of followers of one recording, each with its own lag.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fs_feed::{Feed as _, LiveItem, LiveRecording, Recorder, ReplayFrom, SubscribeOptions};
use fs_store::FileEventStore;
use proptest::prelude::*;
use tokio::sync::broadcast::Sender;

use super::{Line, items, line, quick_store, recorder, send, talk};

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many items a follower receives to be live for sure.
const TO_GO_LIVE: u64 = 2;

fn follow(store: &FileEventStore, capacity: usize) -> LiveRecording<u64> {
    // Looks so rarely that only a hint can be in time.
    let options = SubscribeOptions::default()
        .capacity(capacity)
        .poll_interval(Duration::from_secs(3600));
    store.follow_recording_with(talk(), ReplayFrom::Beginning, options)
}

fn next(follower: &mut LiveRecording<u64>) -> LiveItem<u64> {
    let item = follower.recv_timeout(PATIENCE).unwrap();
    item.expect("what happened is delivered")
}

fn next_line(follower: &mut LiveRecording<u64>) -> Line {
    match next(follower) {
        LiveItem::Recorded(recorded) => line(&recorded),
        lagged => panic!("nothing was slow: {lagged:?}"),
    }
}

fn nothing(follower: &mut LiveRecording<u64>) {
    let more = follower.recv_timeout(Duration::ZERO).unwrap();
    assert_eq!(more, None, "that was all");
}

/// A recording under way, and followers that were taken in.
struct Stage {
    store: FileEventStore,
    sender: Sender<u64>,
    recorder: Recorder<u64>,
    sent: u64,
    /// The last that joined, so what it has, the others were given.
    witness: LiveRecording<u64>,
}

impl Stage {
    fn new(capacities: &[usize]) -> (Self, Vec<LiveRecording<u64>>) {
        let store = quick_store();
        let (sender, recorder) = recorder(&store, 64);
        let mut stage = Self {
            witness: follow(&store, 4096),
            store,
            sender,
            recorder,
            sent: 0,
        };
        let mut followers: Vec<_> = capacities
            .iter()
            .map(|capacity| follow(&stage.store, *capacity))
            .collect();
        for _ in 0..TO_GO_LIVE {
            stage.record(1);
            for follower in &mut followers {
                assert_eq!(next_line(follower), Line::Item(stage.sent, stage.sent));
                nothing(follower);
            }
        }
        for _ in 0..TO_GO_LIVE {
            stage.record(1);
            while next_line(&mut stage.witness) != Line::Item(stage.sent, stage.sent) {}
            nothing(&mut stage.witness);
            for follower in &mut followers {
                assert_eq!(next_line(follower), Line::Item(stage.sent, stage.sent));
            }
        }
        (stage, followers)
    }

    fn record(&mut self, count: u64) {
        send(&self.sender, self.sent + 1..=self.sent + count);
        self.sent += count;
        self.recorder.finish_blocking().unwrap();
    }

    /// Records so many items one by one, or together, and waits until every follower was given them.
    fn burst(&mut self, count: u64, is_together: bool) {
        let from = self.sent + 1;
        if is_together {
            self.record(count);
        } else {
            (0..count).for_each(|_| self.record(1));
        }
        let seen: Vec<_> = (0..count).map(|_| next_line(&mut self.witness)).collect();
        assert_eq!(seen, items(from..=self.sent));
    }
}

/// What the queue of a follower holds.
struct Queue {
    capacity: usize,
    gap: Option<(u64, u64)>,
    waiting: VecDeque<u64>,
    received: Vec<Line>,
}

impl Queue {
    fn push(&mut self, number: u64) {
        if self.waiting.len() >= self.capacity
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.gap = Some((self.gap.map_or(oldest, |(from, _)| from), oldest));
        }
        self.waiting.push_back(number);
    }

    /// Receives what is next, if anything is, and compares; a hole is replayed.
    fn take(&mut self, follower: &mut LiveRecording<u64>) -> bool {
        if let Some((from, to)) = self.gap.take() {
            let LiveItem::Lagged {
                from: first,
                to: last,
            } = next(follower)
            else {
                panic!("{from} to {to} were dropped")
            };
            let missed: Vec<_> = follower
                .missed(first, last)
                .map(|recorded| line(&recorded.unwrap()))
                .collect();
            assert_eq!(
                missed,
                items(from..=to),
                "a lagging follower learns exactly what it missed, and can replay it"
            );
            self.received.extend(missed);
            return true;
        }
        let Some(number) = self.waiting.pop_front() else {
            return false;
        };
        let line = next_line(follower);
        assert_eq!(line, Line::Item(number, number), "the rest comes in order");
        self.received.push(line);
        true
    }
}

/// Lets each follower take so many items after each burst, and all the rest at the end; returns how many of them had lagged.
fn run(followers: &[(usize, usize)], bursts: &[(u64, bool)]) -> usize {
    let capacities: Vec<_> = followers.iter().map(|(capacity, _)| *capacity).collect();
    let (mut stage, live) = Stage::new(&capacities);
    let before = stage.sent;
    let mut lagged = vec![false; followers.len()];
    let mut queues: Vec<_> = capacities
        .iter()
        .map(|capacity| Queue {
            capacity: *capacity,
            gap: None,
            waiting: VecDeque::new(),
            received: Vec::new(),
        })
        .zip(live)
        .collect();
    for (count, is_together) in bursts {
        let from = stage.sent + 1;
        stage.burst(*count, *is_together);
        for (nth, (queue, follower)) in queues.iter_mut().enumerate() {
            (from..=stage.sent).for_each(|number| queue.push(number));
            lagged[nth] |= queue.gap.is_some();
            let speed = followers[nth].1;
            let _ = (0..speed).take_while(|_| queue.take(follower)).count();
        }
    }
    for (queue, follower) in &mut queues {
        while queue.take(follower) {}
        nothing(follower);
        assert_eq!(
            queue.received,
            items(before + 1..=stage.sent),
            "live and replayed, each follower has the recording"
        );
    }
    lagged.into_iter().filter(|lagged| *lagged).count()
}

#[test]
fn fifty_followers_of_different_speeds_each_know_their_own_lag() {
    let followers: Vec<_> = (0..50).map(|nth| (1 + nth % 5 * 10, nth / 5)).collect();
    let lagged = run(&followers, &[(8, false), (20, true), (3, false), (9, true)]);
    assert!(
        (10..50).contains(&lagged),
        "some lag and some do not: {lagged}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn a_lagging_follower_always_learns_of_its_gap(
        followers in prop::collection::vec((1_usize..12, 0_usize..12), 1..6),
        bursts in prop::collection::vec((1_u64..20, any::<bool>()), 1..6),
    ) {
        run(&followers, &bursts);
    }
}

#[test]
fn a_recording_is_replayed_from_a_number_or_a_place_and_then_followed() {
    let store = quick_store();
    let (sender, mut recorder) = recorder(&store, 4);
    send(&sender, 1..=6);
    recorder.finish_blocking().unwrap();
    crate::support::count(&store, "elsewhere", 9);
    let follow = |from| store.follow_recording::<u64>(talk(), from);

    let mut all = follow(ReplayFrom::Beginning);
    assert_eq!(next_line(&mut all), Line::Gap(1, 2), "gaps are typed items");
    assert_eq!(next_line(&mut all), Line::Item(3, 3));
    let place = all.position().unwrap();
    let mut from_place = follow(ReplayFrom::AfterPosition(place));
    let mut from_number = follow(ReplayFrom::AfterNumber(3));
    let mut in_the_gap = follow(ReplayFrom::AfterNumber(1));
    assert_eq!(next_line(&mut in_the_gap), Line::Gap(2, 2));
    let mut later = follow(ReplayFrom::AfterNumber(7));
    for follower in [&mut from_place, &mut from_number] {
        let rest: Vec<_> = (0..3).map(|_| next_line(follower)).collect();
        assert_eq!(rest, items(4..=6));
        nothing(follower);
    }
    nothing(&mut later);
    let first = store.stream_events(&talk()).unwrap()[0].position;
    let missed: Vec<_> = from_number
        .missed(first, from_number.position().unwrap())
        .map(|recorded| line(&recorded.unwrap()))
        .collect();
    assert_eq!(
        missed,
        items(4..=6),
        "what lies before the start is not missed"
    );
    send(&sender, 7..=8);
    recorder.finish_blocking().unwrap();
    for follower in [&mut from_place, &mut from_number] {
        assert_eq!(next_line(follower), Line::Item(7, 7), "and then followed");
    }
    assert_eq!(next_line(&mut later), Line::Item(8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_in_tasks_receive_all_that_is_recorded() {
    let store = Arc::new(quick_store());
    let (sender, mut recorder) = recorder(&store, 256);
    let followers: Vec<_> = (0..8)
        .map(|_| {
            let mut follower = store.follow_recording::<u64>(talk(), ReplayFrom::Beginning);
            tokio::spawn(async move {
                let mut lines = Vec::new();
                while lines.last() != Some(&Line::Item(200, 200)) {
                    match follower.next().await.unwrap() {
                        LiveItem::Recorded(recorded) => lines.push(line(&recorded)),
                        lagged => panic!("the queue is long enough: {lagged:?}"),
                    }
                }
                lines
            })
        })
        .collect();
    for n in 1..=200 {
        sender.send(n).unwrap();
        if n % 10 == 0 {
            recorder.finish().await.unwrap();
        }
    }
    for follower in followers {
        let received = tokio::time::timeout(PATIENCE, follower).await;
        assert_eq!(received.expect("it is in time").unwrap(), items(1..=200));
    }
}
