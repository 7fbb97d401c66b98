//! Running blocking work from async code.

use std::panic;

/// Answers at once where `glance` can, and else by `work` as [`blocking`] does.
///
/// To hand work over to another thread and back takes longer than to read a few events.
pub(crate) async fn at_once_or_blocking<T: Send + 'static>(
    glance: impl FnOnce() -> Option<T>,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match glance() {
        Some(answer) => answer,
        None => blocking(work).await,
    }
}

/// Runs `work` where it may block: on tokio's blocking threads when a runtime is there, else in place.
///
/// Work that was begun is carried through even when the caller stops waiting for it.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return work();
    };
    match runtime.spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_) => std::future::pending().await,
        },
    }
}
