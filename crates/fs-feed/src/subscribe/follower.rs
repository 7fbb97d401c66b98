//! The thread that follows a store for all its live subscribers.
//!
//! **Invariant**: a member is live from one place of the journal on, and whatever it selects after that is put into its queue in order,
//! until it leaves or is dismissed. Each event is read once, whatever the number of members.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_index::Position;

use crate::page::{IndexSnapshotId, PAGE, Page};
use crate::subscribe::options::Filter;
use crate::subscribe::queue::{Queue, QueueState};
use crate::subscribe::signal::Signal;
use crate::subscribe::watched_dirs::WatchedDirs;
use fs_index::Select;
use fs_store::FileEventStore;
use fs_store::ReadError;
use fs_store::StoredEvent;

/// How long the thread rests at most after a look.
const LONGEST_REST: Duration = Duration::from_millis(10);

/// A subscriber that has read what there was.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) queue: Arc<Queue>,
    pub(crate) select: Filter,
    /// Whether it is told of whatever comes, selected or not, and of transactions without events.
    pub(crate) hears_of_all: bool,
    /// The place up to which it has read.
    pub(crate) after: Option<Position>,
    pub(crate) poll_interval: Duration,
    /// Whether its filter has panicked; it is dismissed, to meet the panic on its own thread.
    pub(crate) is_broken: AtomicBool,
}

impl Member {
    fn guarded(&self, ask: impl FnOnce(&Filter) -> bool) -> bool {
        catch_unwind(AssertUnwindSafe(|| ask(&self.select))).unwrap_or_else(|_| {
            self.is_broken.store(true, Ordering::Relaxed);
            false
        })
    }

    fn wants(&self, event: &StoredEvent) -> bool {
        let is_new = self.after.is_none_or(|after| event.position > after);
        is_new
            && !self.is_broken.load(Ordering::Relaxed)
            && self.guarded(|select| {
                select.stream(event.stream_id.as_str()) && select.event_type(&event.event_type)
            })
    }

    fn is_live(&self) -> bool {
        matches!(self.queue.state(), QueueState::Live { .. })
    }

    fn dismiss(&self, at: Option<Position>) {
        self.queue.set_state(QueueState::Dismissed { at });
    }
}

/// What any of the members wants.
struct AnyOf<'a>(&'a [Arc<Member>]);

impl Select for AnyOf<'_> {
    fn stream(&self, stream_id: &str) -> bool {
        let mut members = self.0.iter();
        members.any(|member| member.guarded(|select| select.stream(stream_id)))
    }

    fn event_type(&self, event_type: &str) -> bool {
        let mut members = self.0.iter();
        members.any(|member| member.guarded(|select| select.event_type(event_type)))
    }
}

/// What the thread shares with the subscribers.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    pub(crate) signal: Arc<Signal>,
    crew: Mutex<Crew>,
}

#[derive(Debug, Default)]
struct Crew {
    members: Vec<Arc<Member>>,
    /// Whether the thread has ended or is about to: nobody joins any more.
    is_over: bool,
}

impl Follower {
    /// Takes in a member; returns whether it was not too late for that.
    pub(crate) fn join(&self, member: Arc<Member>) -> bool {
        let mut crew = self.crew();
        if crew.is_over {
            return false;
        }
        crew.members.push(member);
        drop(crew);
        self.signal.wake();
        true
    }

    /// Lets the member with this queue go; returns whether it was the last.
    pub(crate) fn leave(&self, queue: &Arc<Queue>) -> bool {
        let mut crew = self.crew();
        crew.members
            .retain(|member| !Arc::ptr_eq(&member.queue, queue));
        crew.is_over |= crew.members.is_empty();
        crew.is_over
    }

    /// Follows the store until it is stopped or nobody is left.
    pub(crate) fn run(&self, store: &FileEventStore) {
        let clock = &store.system().clock;
        let mut watched_dirs = WatchedDirs::new(store.system(), store.layout(), &self.signal);
        let mut cursor = None;
        while !self.signal.is_stopped() {
            // First the watches, then the look: what comes after the look is hinted at.
            let began = clock.now_unix_nanos();
            watched_dirs.follow();
            if let Err(error) = self.look(store, &mut cursor) {
                tracing::debug!(%error, "the store cannot be followed for now");
                // The members meet the error themselves, no more often than this.
                if !matches!(error, ReadError::StalePosition(_)) {
                    self.signal.rest(self.interval());
                }
                self.dismiss(cursor, |_| true);
            }
            if self.close_if_empty() {
                return;
            }
            // In a burst of hints, half of the time belongs to those who append.
            let took = clock.now_unix_nanos().saturating_sub(began);
            let took = Duration::from_nanos(u64::try_from(took).unwrap_or(0));
            self.signal.rest(took.min(LONGEST_REST));
            self.signal.wait(self.interval());
        }
    }

    /// Hands out what is new, and takes in those who wait for it.
    fn look(&self, store: &FileEventStore, cursor: &mut Option<Position>) -> Result<(), ReadError> {
        let live: Vec<_> = self.members(|member| member.is_live());
        let end = IndexSnapshotId::now(store)?.end;
        if live.is_empty() {
            *cursor = end;
        }
        let before = *cursor;
        let mut is_read = *cursor == end;
        while !is_read && !self.signal.is_stopped() {
            let page = Page::read(store, *cursor, &AnyOf(&live), PAGE)?;
            for event in page.events.into_iter().map(Arc::new) {
                for member in live.iter().filter(|member| member.wants(&event)) {
                    member.queue.push(Arc::clone(&event));
                }
            }
            // What a broken filter has let pass lies after the place before this page.
            self.dismiss(*cursor, |member| member.is_broken.load(Ordering::Relaxed));
            *cursor = page.through;
            is_read = page.is_last;
        }
        if *cursor != before {
            for member in live.iter().filter(|member| member.hears_of_all) {
                member.queue.tell();
            }
        }
        for member in self.members(|member| !member.is_live()) {
            member.queue.set_state(QueueState::Live { from: *cursor });
        }
        Ok(())
    }

    /// Lets members go, who pull what comes after `at` themselves.
    fn dismiss(&self, at: Option<Position>, mut which: impl FnMut(&Member) -> bool) {
        let mut crew = self.crew();
        let (leaving, staying) = std::mem::take(&mut crew.members)
            .into_iter()
            .partition::<Vec<_>, _>(|member| which(member));
        crew.members = staying;
        drop(crew);
        for member in leaving {
            // Who was never taken in goes by the place that it has read up to itself.
            member.dismiss(if member.is_live() { at } else { None });
        }
    }

    /// Lets everybody go, and nobody in any more.
    pub(crate) fn close(&self) {
        self.crew().is_over = true;
        self.dismiss(None, |_| true);
    }

    fn close_if_empty(&self) -> bool {
        let mut crew = self.crew();
        crew.is_over |= crew.members.is_empty();
        crew.is_over
    }

    fn members(&self, which: impl Fn(&Member) -> bool) -> Vec<Arc<Member>> {
        let crew = self.crew();
        let members = crew.members.iter().filter(|member| which(member));
        members.cloned().collect()
    }

    /// Returns the shortest interval that a member asks for.
    fn interval(&self) -> Duration {
        let crew = self.crew();
        let intervals = crew.members.iter().map(|member| member.poll_interval);
        intervals.min().unwrap_or(Duration::ZERO)
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
