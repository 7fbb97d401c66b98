//! Group commit: appends that come at the same time share one turn.
//!
//! ```text
//! caller 1  enter: nobody leads -> lead: [lock .. 1 .. sync .. unlock] -> hand over to 2 -> answer
//! caller 2     enter: wait ------------------------------------> lead: [lock .. 2 3 .. sync .. unlock] -> answer
//! caller 3        enter: wait ------------------------------------------------------------------> answer
//! ```
//!
//! A caller that is a thread leads by itself. A task only waits, whether or not it is polled: a thread of its runtime
//! leads in its place, and goes on while tasks wait.
//!
//! **Invariant**: whenever somebody waits, somebody leads; the group under way is followed by that of the caller who has
//! waited longest, so nobody waits for more than these two. Each group takes the lock file anew, so that other processes
//! get their turn.
//!
//! *Not done here*: no thread of its own. Who leads works for the others while they wait.

use std::collections::VecDeque;
#[cfg(feature = "eventcore")]
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(feature = "eventcore")]
use std::task::{Context, Poll};

use crate::commit::MOST_TOGETHER;
use crate::error::{AppendError, RefreshError};
use crate::request::{Append, Appended};
use crate::runtime::Runtime;
use crate::store::Inner;

type Answer = Result<Appended, AppendError>;

/// Appends that wait for their turn, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Arc<Seat>>,
    is_led: bool,
}

/// One caller.
#[derive(Debug)]
struct Seat {
    state: Mutex<State>,
    changed: Condvar,
    /// Where a task runs; a thread has none.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
enum State {
    /// With what is to be woken, once a task has asked.
    Waiting(Append, Option<Waker>),
    /// The one who sits here is to lead.
    Called(Append),
    /// A leader is at work on it.
    Served(Option<Waker>),
    Answered(Box<Answer>),
    Left,
}

/// Who leads next.
enum Next {
    /// Nobody: nobody waits. Or a thread, which was called.
    Settled,
    /// A thread of this runtime.
    TaskOf(Runtime),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Gets in line; returns whether the caller is to lead, or to find somebody who does.
    fn enter(&self, append: Append, runtime: Option<Runtime>) -> (Arc<Seat>, bool) {
        let seat = Arc::new(Seat {
            state: Mutex::new(State::Waiting(append, None)),
            changed: Condvar::new(),
            runtime,
        });
        let mut line = lock(&self.line);
        line.waiting.push_back(seat.clone());
        let leads = !std::mem::replace(&mut line.is_led, true);
        (seat, leads)
    }

    /// Takes the front of the line.
    fn take(&self) -> Vec<Arc<Seat>> {
        let mut line = lock(&self.line);
        let count = line.waiting.len().min(MOST_TOGETHER);
        line.waiting.drain(..count).collect()
    }

    /// Lets the caller lead who has waited longest; without one, the next that comes leads.
    fn hand_over(&self) -> Next {
        let mut line = lock(&self.line);
        let Some(next) = line.waiting.front() else {
            line.is_led = false;
            return Next::Settled;
        };
        match &next.runtime {
            Some(runtime) => Next::TaskOf(runtime.clone()),
            None => {
                next.call();
                Next::Settled
            }
        }
    }
}

impl Seat {
    fn call(&self) {
        let mut state = lock(&self.state);
        *state = match std::mem::replace(&mut *state, State::Left) {
            State::Waiting(append, _) => State::Called(append),
            other => other,
        };
        self.changed.notify_one();
    }

    fn take_append(&self) -> Option<Append> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Left) {
            State::Waiting(append, waker) => {
                *state = State::Served(waker);
                Some(append)
            }
            State::Called(append) => {
                *state = State::Served(None);
                Some(append)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    fn answer(&self, answer: Answer) {
        let answered = State::Answered(Box::new(answer));
        let before = std::mem::replace(&mut *lock(&self.state), answered);
        match before {
            State::Waiting(_, Some(waker)) | State::Served(Some(waker)) => waker.wake(),
            _ => self.changed.notify_one(),
        }
    }

    /// Waits for the answer, or for being called to lead: then there is none.
    fn wait(&self) -> Option<Answer> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Left) {
                State::Answered(answer) => return Some(*answer),
                State::Called(append) => {
                    *state = State::Called(append);
                    return None;
                }
                other => *state = other,
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    #[cfg(feature = "eventcore")]
    fn poll(&self, context: &Context<'_>) -> Poll<Answer> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Left) {
            State::Answered(answer) => return Poll::Ready(*answer),
            State::Waiting(append, _) => {
                *state = State::Waiting(append, Some(context.waker().clone()));
            }
            State::Served(_) => *state = State::Served(Some(context.waker().clone())),
            other => *state = other,
        }
        Poll::Pending
    }
}

/// The right to lead one group, and the duty to answer everybody in it and to hand over, whatever happens.
struct Leader<'a> {
    inner: &'a Arc<Inner>,
    served: Vec<Arc<Seat>>,
    has_handed_over: bool,
}

impl Leader<'_> {
    fn hand_over(mut self) -> Next {
        self.has_handed_over = true;
        self.inner.queue.hand_over()
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        for seat in self.served.drain(..) {
            let reason =
                "the thread that worked for this append panicked, and its outcome is unknown";
            seat.answer(Err(AppendError::Poisoned {
                reason: reason.to_owned(),
            }));
        }
        if !self.has_handed_over
            && let Next::TaskOf(runtime) = self.inner.queue.hand_over()
        {
            Duty::of(Arc::clone(self.inner), &runtime);
        }
    }
}

/// The duty to lead while tasks wait; dropping it fulfils it, since a runtime that shuts down drops what it was given.
struct Duty {
    inner: Arc<Inner>,
}

impl Duty {
    /// Lets a thread of a runtime lead.
    fn of(inner: Arc<Inner>, runtime: &Runtime) {
        let duty = Duty { inner };
        runtime.run(move || drop(duty));
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        while let Next::TaskOf(_) = self.inner.lead() {}
    }
}

impl Inner {
    /// Appends, together with those who come at the same time; blocks.
    pub(crate) fn append(self: &Arc<Self>, append: Append) -> Answer {
        let (seat, leads) = self.queue.enter(append, None);
        if !leads && let Some(answer) = seat.wait() {
            return answer;
        }
        if let Next::TaskOf(runtime) = self.lead() {
            Duty::of(Arc::clone(self), &runtime);
        }
        seat.wait()
            .expect("the leader is the first of the group that it serves")
    }

    /// As [`Inner::append`], for a task. An append that was begun is carried through when the task goes away.
    #[cfg(feature = "eventcore")]
    pub(crate) async fn append_in_task(self: Arc<Self>, append: Append) -> Answer {
        let Some(runtime) = Runtime::current() else {
            return self.append(append);
        };
        let (seat, leads) = self.queue.enter(append, Some(runtime.clone()));
        if leads {
            Duty::of(self, &runtime);
        }
        poll_fn(|context| seat.poll(context)).await
    }

    /// Serves one group.
    fn lead(self: &Arc<Self>) -> Next {
        let mut leader = Leader {
            inner: self,
            served: Vec::new(),
            has_handed_over: false,
        };
        // Whoever comes while the lock is waited for is served along.
        let begun = self.begin();
        leader.served = self.queue.take();
        let answers = match begun {
            Ok(mut turn) => {
                let appends = leader.served.iter().filter_map(|seat| seat.take_append());
                turn.serve(appends.collect())
            }
            Err(error) => {
                let mut answers: Vec<Answer> = leader
                    .served
                    .iter()
                    .skip(1)
                    .map(|_| Err(again(&error)))
                    .collect();
                answers.insert(0, Err(error));
                answers
            }
        };
        for (seat, answer) in leader.served.drain(..).zip(answers) {
            seat.answer(answer);
        }
        leader.hand_over()
    }
}

/// Returns the error of a turn that did not begin, for another who waited for it.
fn again(error: &AppendError) -> AppendError {
    match error {
        AppendError::Busy(busy) | AppendError::Refresh(RefreshError::Busy(busy)) => {
            AppendError::Busy(busy.clone())
        }
        AppendError::Poisoned { reason } => AppendError::Poisoned {
            reason: reason.clone(),
        },
        AppendError::GitBusy(busy) => AppendError::GitBusy(busy.clone()),
        other => AppendError::NotBegun {
            reason: crate::report::report(other),
        },
    }
}
