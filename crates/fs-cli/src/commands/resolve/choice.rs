//! What is to become of a fork, as it was typed or answered.

use std::path::PathBuf;

use fs_format::TransactionId;
use fs_merge::{ForkContext, Outcome};

use crate::args::ResolveArgs;
use crate::input::{self, OutcomeIn};
use crate::outcome::Usage;

pub(crate) enum Choice {
    /// The branch whose head is called so, as typed.
    Keep(String),
    Accept,
    Latest,
    /// The events in this file.
    Events(PathBuf),
}

impl Choice {
    /// Returns the choice that was typed, if one was.
    pub(crate) fn of(args: &ResolveArgs) -> Option<Self> {
        if let Some(head) = &args.keep {
            Some(Self::Keep(head.clone()))
        } else if let Some(path) = &args.events {
            Some(Self::Events(path.clone()))
        } else if args.accept {
            Some(Self::Accept)
        } else {
            args.latest.then_some(Self::Latest)
        }
    }

    /// Returns what the choice means for a fork.
    pub(crate) fn outcome(&self, fork: &ForkContext) -> anyhow::Result<Outcome> {
        match self {
            Self::Keep(head) => keep(fork, head),
            Self::Accept => Ok(Outcome::new()),
            Self::Latest => {
                let head = fork.latest().map(|branch| branch.head.to_string());
                keep(fork, &head.unwrap_or_default())
            }
            Self::Events(path) => {
                input::parse::<OutcomeIn>(&input::read(path)?, "the outcome")?.into_outcome()
            }
        }
    }
}

fn keep(fork: &ForkContext, head: &str) -> anyhow::Result<Outcome> {
    let kept = TransactionId::parse(head).ok();
    let kept = kept.and_then(|head| Outcome::keep(fork, head));
    kept.ok_or_else(|| {
        let heads = fork.branches.iter().map(|branch| branch.head.to_string());
        let heads = heads.collect::<Vec<_>>().join(", ");
        Usage(format!(
            "{head} is not the head of a branch of fork {}; its heads are {heads}",
            fork.id
        ))
        .into()
    })
}
