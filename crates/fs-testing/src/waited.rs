//! Resolvers that wait, for a kit that does not.
//!
//! **Invariant**: the thread sleeps until the resolver is woken, and does nothing else meanwhile.
//!
//! *Not done here*: a runtime. A resolver that needs one is handed over as a closure that blocks on it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use fs_merge::{AsyncResolver, ForkContext, Resolution, Resolver};

/// Makes a [`Resolver`] of an [`AsyncResolver`]: it waits for each answer in place.
#[derive(Clone, Copy, Debug)]
pub struct Waited<R>(pub R);

impl<E, R: AsyncResolver<E>> Resolver<E> for Waited<R> {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        let mut answer = pin!(self.0.resolve(fork));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(resolution) => return resolution,
                Poll::Pending => thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
