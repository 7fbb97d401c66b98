//! Waiting for a future on a thread, at most so long.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use fs_io::Deadline;

struct Unpark {
    thread: Thread,
    /// What is asked may park too, as some locks do, and so take an unparking that is meant for the wait.
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits until the future is ready; `None` when the deadline comes first.
pub(crate) fn wait<T>(future: impl Future<Output = T>, deadline: Option<Deadline>) -> Option<T> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            match deadline.map(Deadline::left) {
                Some(Some(left)) if left.is_zero() => return None,
                Some(Some(left)) => thread::park_timeout(left),
                Some(None) | None => thread::park(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_future_is_waited_for_until_it_is_ready_or_time_is_over() {
        assert_eq!(wait(async { 7 }, None), Some(7), "it is ready at once");
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || sender.send(8));
        assert_eq!(
            wait(receiver, None),
            Some(Ok(8)),
            "another thread makes it ready"
        );
        thread.join().unwrap().unwrap();
        let never = std::future::pending::<()>();
        let soon = Deadline::after(Duration::from_millis(1));
        assert_eq!(wait(never, Some(soon)), None, "nobody makes it ready");
    }

    #[test]
    fn who_parks_while_it_is_asked_takes_no_wake_up_away() {
        let mut polls = 0;
        let future = std::future::poll_fn(|context| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(polls);
            }
            context.waker().wake_by_ref();
            // As a lock may that is waited for.
            thread::park();
            Poll::Pending
        });
        let late = Deadline::after(Duration::from_secs(5));
        assert_eq!(wait(future, Some(late)), Some(2), "it was woken");
        assert!(!late.is_over(), "at once, and not when time was over");
    }
}
