//! Finding the open forks that a name on the command line means.

use std::collections::BTreeSet;

use fs_format::StreamId;
use fs_merge::{BlockedFork, ForkContext, Raw, open_forks, typed_forks};
use fs_store::{FileEventStore, RefreshError};

use crate::outcome::Usage;
use crate::similar::did_you_mean;

/// The open forks: those that can be shown, and those that damage blocks.
pub(crate) struct Open {
    pub(crate) forks: Vec<ForkContext>,
    pub(crate) blocked: Vec<BlockedFork>,
}

/// Returns the open forks of a store.
pub(crate) fn open(store: &FileEventStore) -> Result<Open, RefreshError> {
    let (mut forks, mut blocked) = (Vec::new(), Vec::new());
    for fork in typed_forks::<Raw>(store)? {
        match fork {
            Ok(fork) => forks.push(fork),
            Err(fork) => blocked.push(fork),
        }
    }
    Ok(Open { forks, blocked })
}

/// Returns whether no fork is open.
pub(crate) fn is_none_open(store: &FileEventStore) -> Result<bool, RefreshError> {
    Ok(open_forks(store)?.is_empty())
}

/// Says what to do about a fork that damage blocks.
pub(crate) const UNBLOCK: &str = "the files in events/ are untouched by it: delete index/ in the store, which is built anew from them, and look again; `trib verify` checks the files";

/// Selects the fork with this id, or those that involve this stream.
///
/// Of a fork that is blocked only the id is known.
///
/// # Errors
/// When there is none.
pub(crate) fn named(open: Open, name: &str) -> anyhow::Result<Open> {
    let Open { forks, blocked } = open;
    let stream_id = StreamId::new(name).ok();
    let alike = alike(&forks, name);
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
    let is_named = |fork: &BlockedFork| fork.fork_id().as_str() == name;
    let (meant, others): (Vec<_>, Vec<_>) = blocked.into_iter().partition(is_named);
    if found.is_empty() && meant.is_empty() {
        let blocked = match others.len() {
            0 => String::new(),
            count => format!(", with {count} that damage blocks"),
        };
        anyhow::bail!(
            "no open fork is called {name:?} or involves such a stream{alike}; `trib forks` lists the open ones{blocked}"
        );
    }
    Ok(Open {
        forks: found,
        blocked: meant,
    })
}

/// Returns the forks and streams whose names are like one that is not there.
fn alike(forks: &[ForkContext], name: &str) -> String {
    let ids = forks.iter().map(|fork| fork.id.as_str());
    let streams = forks.iter().flat_map(|fork| &fork.streams);
    let streams: BTreeSet<&str> = streams.map(|it| it.stream_id.as_str()).collect();
    did_you_mean(name, ids.chain(streams))
}

/// Finds the one fork that is meant, by its id or by a stream that it alone involves.
///
/// # Errors
/// When there is none or it is blocked, and [`Usage`] when there are several.
pub(crate) fn the_one(open: Open, name: &str) -> anyhow::Result<ForkContext> {
    let named = named(open, name)?;
    if let Some(blocked) = named.blocked.into_iter().next() {
        return Err(anyhow::Error::new(blocked).context(UNBLOCK));
    }
    let mut found = named.forks;
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
