//! The end of a script: the replicas come together, and must then agree.
//!
//! **Invariant**: nobody appends any more. The rounds are as many as [`reconcile`](fs_merge::reconcile) proves to be enough.

use std::collections::BTreeSet;
use std::fmt::Debug;

use fs_format::StreamId;
use fs_merge::{ForkContext, ReadAs, Resolution};

use crate::fault::Fault;
use crate::place::Files;
use crate::script::{Arriving, Ending, LineEnds};
use crate::world::World;

/// How many rounds, or turns of each replica, are enough.
const ROUNDS: usize = 2;

/// Lets the replicas come together, and checks that they agree and that nobody has anything left to do.
pub(crate) fn come_to_rest<E: ReadAs>(
    world: &mut World,
    ending: Ending,
    ask: &impl Fn(usize, &ForkContext<E>) -> Resolution,
) -> Result<(), Fault> {
    world.come_together()?;
    let replicas = world.replicas.len();
    let mut shared = Files::new();
    for round in 1..=ROUNDS {
        world.let_time_pass();
        match ending {
            Ending::Rounds => {
                world.story.push(format!(
                    "round {round}: all reconcile, then exchange their files"
                ));
                for replica in 0..replicas {
                    world.reconcile(replica, &|fork: &ForkContext<E>| ask(replica, fork))?;
                }
                world.exchange()?;
            }
            Ending::Turns => {
                world.story.push(format!(
                    "turn {round} of each: it pulls, reconciles and pushes"
                ));
                for replica in 0..replicas {
                    world.deliver(&shared, replica, Arriving::All, LineEnds::Kept)?;
                    world.reconcile(replica, &|fork: &ForkContext<E>| ask(replica, fork))?;
                    for (path, bytes) in world.files(replica)? {
                        shared.entry(path).or_insert(bytes);
                    }
                }
            }
        }
    }
    for replica in 1..replicas {
        agree(world, replica)?;
    }
    for replica in 0..replicas {
        let open = world.forks(replica)?;
        let rest = world.reconcile(replica, &|fork: &ForkContext<E>| ask(replica, fork))?;
        if !rest.wrote.is_empty() {
            return Err(Fault::Restless {
                replica,
                wrote: rest.wrote,
            });
        }
        if let Some(fork) = open
            .iter()
            .find(|fork| !rest.declined.contains_key(&fork.id))
        {
            return Err(Fault::LeftOpen {
                replica,
                fork: world.names.fork(fork),
            });
        }
    }
    Ok(())
}

/// Checks that a replica holds what replica 0 holds, in the same order, with the same state and the same forks.
fn agree(world: &World, replica: usize) -> Result<(), Fault> {
    let difference = |what, first: String, other: String| Fault::Difference {
        replica,
        what,
        first,
        other,
    };
    let digest = |replica: usize| world.store(replica).digest().map_err(Fault::store(replica));
    let (first, other) = (digest(0)?, digest(replica)?);
    if *first == *other {
        return same_state(world, replica);
    }
    let (ours, theirs) = (world.ids(0)?, world.ids(replica)?);
    let (held, held_there): (BTreeSet<_>, BTreeSet<_>) = (
        ours.iter().copied().collect(),
        theirs.iter().copied().collect(),
    );
    let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| match world.names.list(a.difference(b).copied()) {
        names if names.is_empty() => "nothing that the other does not hold".to_owned(),
        names => format!("alone holds {names}"),
    };
    if held != held_there {
        let (ours, theirs) = (only(&held, &held_there), only(&held_there, &held));
        return Err(difference("the files", ours, theirs));
    }
    if ours != theirs {
        let (ours, theirs) = (world.names.list(ours), world.names.list(theirs));
        return Err(difference("the order", ours, theirs));
    }
    let digests = (format!("{first:?}"), format!("{other:?}"));
    Err(difference("the content of the files", digests.0, digests.1))
}

fn same_state(world: &World, replica: usize) -> Result<(), Fault> {
    let state = |replica: usize| -> Result<Vec<_>, Fault> {
        let events = world.events(replica)?.into_iter();
        let in_state = events.map(|event| {
            let stream_id: StreamId = event.stream_id;
            let data = event.event_data.as_str().to_owned();
            (
                stream_id,
                event.version,
                event.event_id,
                event.event_type,
                data,
            )
        });
        Ok(in_state.collect())
    };
    same("the state", &state(0)?, &state(replica)?, replica)?;
    same(
        "the forks",
        &world.forks(0)?,
        &world.forks(replica)?,
        replica,
    )
}

fn same<T: PartialEq + Debug>(
    what: &'static str,
    first: &[T],
    other: &[T],
    replica: usize,
) -> Result<(), Fault> {
    if first == other {
        return Ok(());
    }
    let place = first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let at = |list: &[T]| {
        list.get(place)
            .map_or("nothing more".to_owned(), |it| format!("{it:?}"))
    };
    Err(Fault::Difference {
        replica,
        what,
        first: at(first),
        other: at(other),
    })
}
