//! An open fork as an application sees it: where it begins, what each branch did, what was appended since.
//!
//! ```text
//!                     A1 -- A2           branches [A1 A2] and [B1]; the fork point of the stream is R
//!                    /        \          common: members that lie below every head
//!   ...  Q -- R ----            N        on top: N, which takes part in the stream and settles nothing
//!                    \-- B1 --/
//! ```
//!
//! **Invariant**: a context follows from the set of transactions alone, so two clones that hold the same files see the
//! same value. It is a copy: what arrives later does not show in it.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{CommandId, Json, ReplicaId, StreamId, Timestamp, TransactionId};

use fs_index::Omission;

use crate::detect::ForkId;
use crate::event::{ForkEvent, Raw};
use crate::stale::StaleRead;

/// An open fork, with its events as `E`: [`Raw`], or the application's own type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForkContext<E = Raw> {
    /// Its name, the same in every clone that has the same heads.
    pub id: ForkId,
    /// The streams in conflict, in byte order.
    pub streams: Vec<ForkedStream<E>>,
    /// One for each head, in canonical order of the heads.
    pub branches: Vec<Branch<E>>,
    /// Members below every head, in canonical order.
    pub common: Vec<Transaction<E>>,
    /// Transactions that write or settle one of the streams and descend from a member, in canonical order.
    pub on_top: Vec<Transaction<E>>,
    /// Decisions of transactions of the fork on a stream that was written apart, and decisions apart on a stream that
    /// transactions of the fork write; by stream, then in canonical order. Of others than the fork's, some are named.
    pub stale_reads: Vec<StaleRead>,
    /// What is missing and could relate the branches or settle them, so that the fork may be none; nothing where it is sure.
    /// No more than 16 are named, the latest.
    pub unsure: Vec<Omission>,
    /// Whether it is to be settled even when it is unsure.
    pub(crate) is_settled_anyway: bool,
}

/// A stream in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForkedStream<E = Raw> {
    /// The stream.
    pub stream_id: StreamId,
    /// How many of its events lie below the fork: its version at the fork point.
    pub base_version: u64,
    /// The transactions that the branches start from: the newest that write the stream below all of its newest members,
    /// in canonical order. None where the stream begins in the fork.
    pub fork_point: Vec<TransactionId>,
    /// The events below the fork, in canonical order.
    pub events_below: Vec<ForkEvent<E>>,
    /// Its other events that the fork knows of: those of the branches, of what lies on top, and of whom these had seen;
    /// in canonical order.
    pub events_since: Vec<ForkEvent<E>>,
}

/// One side of a fork: the members up to a head that are not below every other head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Branch<E = Raw> {
    /// The newest transaction.
    pub head: TransactionId,
    /// All of them in canonical order, the head last.
    pub transactions: Vec<Transaction<E>>,
    /// Who wrote what the head has seen of the streams' events since the fork point, itself included.
    pub(crate) seen: BTreeSet<TransactionId>,
}

/// A transaction: who decided what, when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transaction<E = Raw> {
    /// The id.
    pub transaction_id: TransactionId,
    /// The replica that appended it; nil for a merge transaction.
    pub replica_id: ReplicaId,
    /// The time by the hybrid logical clock.
    pub created_at: Timestamp,
    /// The metadata, an object.
    pub metadata: Json<'static>,
    /// Its events, on forked streams and on others, in the order in which they were appended.
    pub events: Vec<ForkEvent<E>>,
    /// Events on streams that are not forked and that are of somebody else's type: called otherwise than `E`, as of today.
    pub foreign_events: Vec<fs_store::StoredEvent>,
    /// The streams of which this transaction settles conflicts, in byte order.
    pub settles: Vec<StreamId>,
    /// By forked stream that it settles: the newest transactions of the fork that it covers. It settles the conflicts of
    /// which both sides are among these or below them.
    pub(crate) covers: BTreeMap<StreamId, Vec<TransactionId>>,
    /// The command that it carried out, where it names one.
    pub command_id: Option<CommandId>,
    /// Who decided and why, where this is a merge transaction.
    pub decision: Option<Decision>,
    /// The newest other transactions of the fork, on top or not, that it descends from, in canonical order; with these
    /// as edges the fork is drawn.
    pub after: Vec<TransactionId>,
    /// Canonical order among the transactions of one fork.
    pub(crate) place: usize,
}

/// What a merge transaction says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Who decided, where that was recorded.
    pub author: Option<String>,
    /// Why, where that was recorded.
    pub reason: Option<String>,
}

impl<E> ForkContext<E> {
    /// Lets the fork be settled even when it is [unsure](ForkContext::unsure): what comes back later stands beside the
    /// decision then.
    pub fn anyway(mut self) -> Self {
        self.is_settled_anyway = true;
        self
    }

    /// Returns whether `stream_id` is one of the streams in conflict.
    pub fn involves(&self, stream_id: &StreamId) -> bool {
        self.stream(stream_id).is_some()
    }

    /// Returns a stream in conflict.
    pub fn stream(&self, stream_id: &StreamId) -> Option<&ForkedStream<E>> {
        let place = self
            .streams
            .binary_search_by(|stream| stream.stream_id.cmp(stream_id));
        self.streams.get(place.ok()?)
    }

    /// Returns the branch whose head is `head`.
    pub fn branch(&self, head: TransactionId) -> Option<&Branch<E>> {
        self.branches.iter().find(|branch| branch.head == head)
    }

    /// Returns the branch whose head comes last in canonical order, wherever it stands in `branches`.
    pub fn latest(&self) -> Option<&Branch<E>> {
        let place = |branch: &&Branch<E>| branch.transactions.last().map(|head| head.place);
        self.branches.iter().max_by_key(place)
    }

    /// Returns the members: all of the branches and what lies below them, each once, in canonical order.
    pub fn members(&self) -> Vec<&Transaction<E>> {
        let of_branches = self.branches.iter().flat_map(|branch| &branch.transactions);
        let mut members: Vec<_> = self.common.iter().chain(of_branches).collect();
        members.sort_by_key(|member| member.place);
        members.dedup_by_key(|member| member.place);
        members
    }

    /// Returns the commands that several members of the fork carried out without knowing of each other, each with these
    /// members in canonical order; by name.
    ///
    /// Two clones that use one command id for one thing make such a fork: the thing was done twice.
    pub fn repeated_commands(&self) -> Vec<(&CommandId, Vec<TransactionId>)> {
        let mut found: BTreeMap<&CommandId, Vec<TransactionId>> = BTreeMap::new();
        for member in self.members() {
            if let Some(command_id) = &member.command_id {
                found
                    .entry(command_id)
                    .or_default()
                    .push(member.transaction_id);
            }
        }
        found.retain(|_, members| members.len() > 1);
        found.into_iter().collect()
    }

    /// Folds the events of the fork's streams below the fork, in canonical order: the state that all sides started
    /// from.
    ///
    /// [`ForkedStream::ancestor_state`] does so for one stream.
    pub fn ancestor_state<S>(&self, initial: S, fold: impl FnMut(S, &ForkEvent<E>) -> S) -> S {
        let below = self.streams.iter().flat_map(|of| &of.events_below);
        folded(below, initial, fold)
    }

    /// Folds the events of the fork's streams that the branch's head has seen, in canonical order: what lies below the
    /// fork, then what this side did.
    ///
    /// `branch` is one of this fork. [`ForkedStream::branch_state`] does so for one stream.
    pub fn branch_state<S>(
        &self,
        branch: &Branch<E>,
        initial: S,
        fold: impl FnMut(S, &ForkEvent<E>) -> S,
    ) -> S {
        let seen = self.streams.iter().flat_map(|of| of.seen_by(branch));
        folded(seen, initial, fold)
    }

    /// Folds all events of the fork's streams that the fork knows of, in canonical order: the state that is, and that
    /// stays when everything is accepted as it stands.
    pub fn merged_state<S>(&self, initial: S, fold: impl FnMut(S, &ForkEvent<E>) -> S) -> S {
        let all = self.streams.iter().flat_map(ForkedStream::events);
        folded(all, initial, fold)
    }

    /// Puts the branches into the opposite order.
    pub(crate) fn reverse(&mut self) {
        self.branches.reverse();
    }
}

impl<E> ForkedStream<E> {
    /// Returns how many events the stream has for a transaction that settles the fork.
    pub fn version(&self) -> u64 {
        self.base_version + self.events_since.len() as u64
    }

    /// Folds the events of the stream below the fork.
    pub fn ancestor_state<S>(&self, initial: S, fold: impl FnMut(S, &ForkEvent<E>) -> S) -> S {
        self.events_below.iter().fold(initial, fold)
    }

    /// Folds the events of the stream that the branch's head has seen, in canonical order.
    pub fn branch_state<S>(
        &self,
        branch: &Branch<E>,
        initial: S,
        fold: impl FnMut(S, &ForkEvent<E>) -> S,
    ) -> S {
        folded(self.seen_by(branch), initial, fold)
    }

    fn seen_by<'a>(&'a self, branch: &'a Branch<E>) -> impl Iterator<Item = &'a ForkEvent<E>> {
        self.events()
            .filter(|event| branch.seen.contains(&event.transaction_id) || self.is_below(event))
    }

    fn is_below(&self, event: &ForkEvent<E>) -> bool {
        let below = &self.events_below;
        below
            .binary_search_by_key(&event.place, |event| event.place)
            .is_ok()
    }

    fn events(&self) -> impl Iterator<Item = &ForkEvent<E>> {
        self.events_below.iter().chain(&self.events_since)
    }
}

impl<E> Branch<E> {
    /// Returns the events of the branch, in order.
    pub fn events(&self) -> impl Iterator<Item = &ForkEvent<E>> {
        self.transactions
            .iter()
            .flat_map(|transaction| &transaction.events)
    }

    /// Returns the newest transaction.
    pub fn newest(&self) -> Option<&Transaction<E>> {
        self.transactions.last()
    }
}

/// Folds events in canonical order.
fn folded<'a, E: 'a, S>(
    events: impl Iterator<Item = &'a ForkEvent<E>>,
    initial: S,
    fold: impl FnMut(S, &'a ForkEvent<E>) -> S,
) -> S {
    let mut events: Vec<_> = events.collect();
    // Each stream's come in order, so what is left to do is little.
    events.sort_by_key(|event| event.place);
    events.into_iter().fold(initial, fold)
}
