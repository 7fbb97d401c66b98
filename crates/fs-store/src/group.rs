//! Group commit: appends that come at the same time share one turn.
//!
//! ```text
//! caller 1  enter: nobody leads -> lead: [lock .. 1 .. sync .. unlock] -> hand over to 2 -> answer
//! caller 2     enter: wait ------------------------------------> lead: [lock .. 2 3 .. sync .. unlock] -> answer
//! caller 3        enter: wait ------------------------------------------------------------------> answer
//! ```
//!
//! **Invariant**: whenever somebody waits, somebody leads; the leader is the caller who has waited longest, so nobody waits for more than the group
//! under way and its own. Each group takes the lock file anew, so that other processes get their turn.
//!
//! *Not done here*: no thread of its own. The leader is one of the callers, and works for the others while they wait.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::commit::MOST_TOGETHER;
use crate::error::{AppendError, RefreshError};
use crate::request::{Append, Appended};
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
}

#[derive(Debug)]
enum State {
    Waiting(Append),
    /// The one who sits here is to lead.
    Called(Append),
    /// A leader is at work on it.
    Served,
    Answered(Box<Answer>),
    Left,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Gets in line; returns whether the caller is to lead.
    fn enter(&self, append: Append) -> (Arc<Seat>, bool) {
        let seat = Arc::new(Seat {
            state: Mutex::new(State::Waiting(append)),
            changed: Condvar::new(),
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
    fn hand_over(&self) {
        let mut line = lock(&self.line);
        match line.waiting.front() {
            Some(next) => next.call(),
            None => line.is_led = false,
        }
    }
}

impl Seat {
    fn call(&self) {
        let mut state = lock(&self.state);
        *state = match std::mem::replace(&mut *state, State::Left) {
            State::Waiting(append) => State::Called(append),
            other => other,
        };
        self.changed.notify_one();
    }

    fn take_append(&self) -> Option<Append> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Served) {
            State::Waiting(append) | State::Called(append) => Some(append),
            other => {
                *state = other;
                None
            }
        }
    }

    fn answer(&self, answer: Answer) {
        *lock(&self.state) = State::Answered(Box::new(answer));
        self.changed.notify_one();
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
}

/// The right to lead; dropping it hands it over, and leaves nobody without an answer.
struct Leader<'a> {
    queue: &'a Queue,
    served: Vec<Arc<Seat>>,
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
        self.queue.hand_over();
    }
}

impl Inner {
    /// Appends, together with those who come at the same time.
    pub(crate) fn append(&self, append: Append) -> Answer {
        let (seat, leads) = self.queue.enter(append);
        if !leads && let Some(answer) = seat.wait() {
            return answer;
        }
        self.lead();
        seat.wait()
            .expect("the leader is the first of the group that it serves")
    }

    /// Serves one group.
    fn lead(&self) {
        let mut leader = Leader {
            queue: &self.queue,
            served: Vec::new(),
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
        other => AppendError::NotBegun {
            reason: crate::error::chain(other),
        },
    }
}
