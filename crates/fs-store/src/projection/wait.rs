//! Waiting for a future on a thread, at most so long.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use fs_io::Deadline;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until the future is ready; `None` when the deadline comes first.
pub(crate) fn wait<T>(future: impl Future<Output = T>, deadline: Option<Deadline>) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        match deadline.map(Deadline::left) {
            Some(Some(left)) if left.is_zero() => return None,
            Some(Some(left)) => thread::park_timeout(left),
            Some(None) | None => thread::park(),
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
}
