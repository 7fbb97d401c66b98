//! `trib resolve`

use fs_format::{StreamId, TransactionId};
use fs_merge::{ForkContext, Outcome, forks, settle};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::args::ResolveArgs;
use crate::input::{self, EventsIn};
use crate::outcome::{Ending, Usage};
use crate::output::{Output, plain};

#[derive(Serialize)]
struct Answer {
    transaction_id: TransactionId,
    resolved: Vec<StreamId>,
}

pub(crate) fn run(
    store: &FileEventStore,
    args: ResolveArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let forks = forks(store)?;
    let fork = find(&forks, &args.fork)?;
    let mut outcome = outcome_of(fork, &args)?;
    if let Some(reason) = args.reason {
        outcome = outcome.reason(reason);
    }
    let settled = settle(store, fork, &outcome)?;
    let answer = Answer {
        transaction_id: settled.transaction_id,
        resolved: settled.resolved,
    };
    output.answer(&answer, || {
        let streams: Vec<_> = answer
            .resolved
            .iter()
            .map(|stream_id| plain(stream_id.as_str()))
            .collect();
        format!(
            "settled {} by {}",
            streams.join(", "),
            answer.transaction_id
        )
    })?;
    Ok(Ending::Fine)
}

/// Finds the fork that is meant, by its id or by a stream that it alone involves.
fn find<'a>(forks: &'a [ForkContext], name: &str) -> anyhow::Result<&'a ForkContext> {
    if let Some(fork) = forks.iter().find(|fork| fork.id.as_str() == name) {
        return Ok(fork);
    }
    let stream_id = StreamId::new(name).ok();
    let involved: Vec<_> = forks
        .iter()
        .filter(|fork| {
            stream_id
                .as_ref()
                .is_some_and(|stream_id| fork.involves(stream_id))
        })
        .collect();
    match involved.as_slice() {
        [fork] => Ok(fork),
        [] => anyhow::bail!(
            "no open fork is called {name:?} or involves such a stream; `trib forks` lists the open ones"
        ),
        several => {
            let ids: Vec<_> = several.iter().map(|fork| fork.id.to_string()).collect();
            Err(Usage(format!(
                "stream {name:?} has several open forks; name one of them: {}",
                ids.join(", ")
            ))
            .into())
        }
    }
}

fn outcome_of(fork: &ForkContext, args: &ResolveArgs) -> anyhow::Result<Outcome> {
    if let Some(head) = &args.keep {
        let heads: Vec<_> = fork
            .branches
            .iter()
            .map(|branch| branch.head.to_string())
            .collect();
        let kept = TransactionId::parse(head)
            .ok()
            .and_then(|head| Outcome::keep(fork, head));
        return kept.ok_or_else(|| {
            Usage(format!(
                "{head} is not the head of a branch of fork {}; its heads are {}",
                fork.id,
                heads.join(", ")
            ))
            .into()
        });
    }
    let Some(path) = &args.events else {
        return Err(Usage("give --keep TX or --events FILE".to_owned()).into());
    };
    let events = input::parse::<EventsIn>(&input::read(path)?, "the outcome")?.events;
    let mut outcome = Outcome::new();
    for event in &events {
        outcome = outcome
            .event_with_metadata(
                input::stream_id(&event.stream_id)?,
                &event.event_type,
                event.event_data.get(),
                event.metadata(),
            )
            .map_err(|error| event.refused(error))?;
    }
    Ok(outcome)
}
