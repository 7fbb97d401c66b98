//! Running blocking work from async code.

use std::panic;

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
