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
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    waiting: VecDeque<Arc<Waiter>>,
    is_led: bool,
}

/// One caller.
#[derive(Debug)]
struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
    /// Where a task runs; a thread has none.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
enum State {
    /// With what is to be woken, once a task has asked.
    Waiting(Append, Option<Waker>),
    /// The one who waits here is to lead.
    ToLead(Append),
    /// A leader is at work on it.
    InProgress(Option<Waker>),
    Answered(Box<Answer>),
    Taken,
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
    /// Joins those who wait; returns whether the caller is to lead, or to find somebody who does.
    fn enter(&self, append: Append, runtime: Option<Runtime>) -> (Arc<Waiter>, bool) {
        let waiter = Arc::new(Waiter {
            state: Mutex::new(State::Waiting(append, None)),
            changed: Condvar::new(),
            runtime,
        });
        let mut waiters = lock(&self.waiters);
        waiters.waiting.push_back(waiter.clone());
        let leads = !std::mem::replace(&mut waiters.is_led, true);
        (waiter, leads)
    }

    /// Takes those who have waited longest.
    fn take(&self) -> Vec<Arc<Waiter>> {
        let mut waiters = lock(&self.waiters);
        let count = waiters.waiting.len().min(MOST_TOGETHER);
        waiters.waiting.drain(..count).collect()
    }

    /// Lets the caller lead who has waited longest; without one, the next that comes leads.
    fn hand_over(&self) -> Next {
        let mut waiters = lock(&self.waiters);
        let Some(next) = waiters.waiting.front() else {
            waiters.is_led = false;
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

impl Waiter {
    fn call(&self) {
        let mut state = lock(&self.state);
        *state = match std::mem::replace(&mut *state, State::Taken) {
            State::Waiting(append, _) => State::ToLead(append),
            other => other,
        };
        self.changed.notify_one();
    }

    fn take_append(&self) -> Option<Append> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Waiting(append, waker) => {
                *state = State::InProgress(waker);
                Some(append)
            }
            State::ToLead(append) => {
                *state = State::InProgress(None);
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
            State::Waiting(_, Some(waker)) | State::InProgress(Some(waker)) => waker.wake(),
            _ => self.changed.notify_one(),
        }
    }

    /// Waits for the answer, or for being called to lead: then there is none.
    fn wait(&self) -> Option<Answer> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Answered(answer) => return Some(*answer),
                State::ToLead(append) => {
                    *state = State::ToLead(append);
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
        match std::mem::replace(&mut *state, State::Taken) {
            State::Answered(answer) => return Poll::Ready(*answer),
            State::Waiting(append, _) => {
                *state = State::Waiting(append, Some(context.waker().clone()));
            }
            State::InProgress(_) => *state = State::InProgress(Some(context.waker().clone())),
            other => *state = other,
        }
        Poll::Pending
    }
}

/// The right to lead one group, and the duty to answer everybody in it and to hand over, whatever happens.
struct Leader<'a> {
    inner: &'a Arc<Inner>,
    served: Vec<Arc<Waiter>>,
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
        for waiter in self.served.drain(..) {
            let reason =
                "the thread that worked for this append panicked, and its outcome is unknown";
            waiter.answer(Err(AppendError::Poisoned {
                reason: reason.to_owned(),
            }));
        }
        if !self.has_handed_over
            && let Next::TaskOf(runtime) = self.inner.queue.hand_over()
        {
            LeadOnDrop::of(Arc::clone(self.inner), &runtime);
        }
    }
}

/// The duty to lead while tasks wait; dropping it fulfils it, since a runtime that shuts down drops what it was given.
struct LeadOnDrop {
    inner: Arc<Inner>,
}

impl LeadOnDrop {
    /// Lets a thread of a runtime lead.
    fn of(inner: Arc<Inner>, runtime: &Runtime) {
        let lead_on_drop = LeadOnDrop { inner };
        runtime.run(move || drop(lead_on_drop));
    }
}

impl Drop for LeadOnDrop {
    fn drop(&mut self) {
        while let Next::TaskOf(_) = self.inner.lead() {}
    }
}

impl Inner {
    /// Appends, together with those who come at the same time; blocks.
    pub(crate) fn append(self: &Arc<Self>, append: Append) -> Answer {
        let (waiter, leads) = self.queue.enter(append, None);
        if !leads && let Some(answer) = waiter.wait() {
            return answer;
        }
        if let Next::TaskOf(runtime) = self.lead() {
            LeadOnDrop::of(Arc::clone(self), &runtime);
        }
        waiter
            .wait()
            .expect("the leader is the first of the group that it serves")
    }

    /// As [`Inner::append`], for a task. An append that was begun is carried through when the task goes away.
    #[cfg(feature = "eventcore")]
    pub(crate) async fn append_in_task(self: Arc<Self>, append: Append) -> Answer {
        let Some(runtime) = Runtime::current() else {
            return self.append(append);
        };
        let (waiter, leads) = self.queue.enter(append, Some(runtime.clone()));
        if leads {
            LeadOnDrop::of(self, &runtime);
        }
        poll_fn(|context| waiter.poll(context)).await
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
                let appends = leader
                    .served
                    .iter()
                    .filter_map(|waiter| waiter.take_append());
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
        for (waiter, answer) in leader.served.drain(..).zip(answers) {
            waiter.answer(answer);
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
