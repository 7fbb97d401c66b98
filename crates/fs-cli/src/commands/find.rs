//! Finding the open forks that a name on the command line means.

use fs_format::StreamId;
use fs_merge::ForkContext;

use crate::outcome::Usage;

/// Selects the fork with this id, or those that involve this stream.
///
/// # Errors
/// When there is none.
pub(crate) fn named(forks: Vec<ForkContext>, name: &str) -> anyhow::Result<Vec<ForkContext>> {
    let stream_id = StreamId::new(name).ok();
    let is_meant = |fork: &ForkContext| match &stream_id {
        _ if fork.id.as_str() == name => true,
        Some(stream_id) => fork.involves(stream_id),
        None => false,
    };
    let (has_id, has_stream): (Vec<_>, Vec<_>) = forks
        .into_iter()
        .filter(is_meant)
        .partition(|fork| fork.id.as_str() == name);
    let found = if has_id.is_empty() {
        has_stream
    } else {
        has_id
    };
    anyhow::ensure!(
        !found.is_empty(),
        "no open fork is called {name:?} or involves such a stream; `trib forks` lists the open ones"
    );
    Ok(found)
}

/// Finds the one fork that is meant, by its id or by a stream that it alone involves.
///
/// # Errors
/// When there is none, and [`Usage`] when there are several.
pub(crate) fn the_one(forks: Vec<ForkContext>, name: &str) -> anyhow::Result<ForkContext> {
    let mut found = named(forks, name)?;
    match found.pop() {
        Some(fork) if found.is_empty() => Ok(fork),
        last => {
            let ids = found.iter().chain(&last).map(|fork| fork.id.to_string());
            let ids = ids.collect::<Vec<_>>().join(", ");
            Err(Usage(format!(
                "stream {name:?} has several open forks; name one of them: {ids}"
            ))
            .into())
        }
    }
}
