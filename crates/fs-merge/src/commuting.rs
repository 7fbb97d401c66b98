//! Declared commutativity: which events may stand side by side.
//!
//! **Invariant**: what is judged are exactly the open conflicts of the fork, also those below every branch and those
//! within one; nothing else of the history, so every clone judges alike.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fs_dag::{Dag, Node, TxIx};
use fs_format::StreamId;

use crate::chains::Chains;
use crate::event::{ForkEvent, Raw};
use crate::fork::{ForkContext, Transaction};
use crate::resolver::{Resolution, Resolver};

/// Declines every fork, with this reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline(pub Cow<'static, str>);

impl<E> Resolver<E> for Decline {
    fn resolve(&self, _: &ForkContext<E>) -> Resolution {
        Resolution::unresolvable(self.0.clone())
    }
}

type Kind<E> = Arc<dyn for<'e> Fn(&'e ForkEvent<E>) -> Cow<'e, str> + Send + Sync>;

/// Accepts forks as they stand in which all events that are in conflict commute, by what the application declares;
/// hands every other fork to another resolver, or declines it.
///
/// ```
/// use fs_merge::policy::{Commuting, Latest};
///
/// let rule = Commuting::<fs_merge::Raw>::new()
///     .types("LabelAdded", "LabelAdded")
///     .types("LabelAdded", "Commented")
///     .stream_pattern("journal-*")?
///     .otherwise(Latest);
/// # let _ = rule;
/// # Ok::<(), glob::PatternError>(())
/// ```
#[derive(Clone)]
#[must_use = "a rule does nothing before forks are reconciled by it"]
pub struct Commuting<E = Raw, R = Decline> {
    /// Each in the order of the names.
    pairs: BTreeSet<(String, String)>,
    patterns: Vec<glob::Pattern>,
    kind: Kind<E>,
    otherwise: R,
}

impl<E, R: fmt::Debug> fmt::Debug for Commuting<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<_> = self.patterns.iter().map(glob::Pattern::as_str).collect();
        f.debug_struct("Commuting")
            .field("pairs", &self.pairs)
            .field("patterns", &patterns)
            .field("otherwise", &self.otherwise)
            .finish_non_exhaustive()
    }
}

impl<E> Default for Commuting<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Commuting<E> {
    /// Returns the rule by which nothing commutes, and which declines what it does not accept.
    pub fn new() -> Self {
        Self {
            pairs: BTreeSet::new(),
            patterns: Vec::new(),
            kind: Arc::new(|event| Cow::Borrowed(&event.stored.event_type)),
            otherwise: Decline(Cow::Borrowed(
                "there are events in conflict that are not declared to commute",
            )),
        }
    }
}

impl<E, R> Commuting<E, R> {
    /// Declares that an event of type `a` and one of type `b` commute; `a` and `b` may be the same.
    pub fn types(mut self, a: impl Into<String>, b: impl Into<String>) -> Self {
        self.pairs.insert(ordered(a.into(), b.into()));
        self
    }

    /// Declares that any two events of one stream commute, for the streams that match a glob pattern; and that any two
    /// decisions about such a stream do.
    ///
    /// # Errors
    /// When it is no pattern.
    pub fn stream_pattern(mut self, pattern: &str) -> Result<Self, glob::PatternError> {
        self.patterns.push(glob::Pattern::new(pattern)?);
        Ok(self)
    }

    /// Says what the types in [`Commuting::types`] are; without it, they are the type names that were recorded.
    ///
    /// EventCore records one name for a whole enum, so its variants are told apart here.
    pub fn kinds(
        mut self,
        kind: impl for<'e> Fn(&'e ForkEvent<E>) -> Cow<'e, str> + Send + Sync + 'static,
    ) -> Self {
        self.kind = Arc::new(kind);
        self
    }

    /// Says who decides about the other forks.
    pub fn otherwise<S>(self, otherwise: S) -> Commuting<E, S> {
        Commuting {
            pairs: self.pairs,
            patterns: self.patterns,
            kind: self.kind,
            otherwise,
        }
    }

    /// Returns whether all conflicts of the fork are between events that commute.
    ///
    /// Two decisions conflict though one of them has no event on the stream. Such a pair commutes only on the
    /// streams of a pattern.
    ///
    /// # Complexity
    /// O(m k c log m) on each stream for m transactions that write it, k kinds of events and c chains.
    pub fn accepts(&self, fork: &ForkContext<E>) -> bool {
        let graph = Graph::new(fork);
        fork.streams
            .iter()
            .map(|stream| &stream.stream_id)
            .filter(|stream_id| !self.matches(stream_id))
            .all(|stream_id| self.commutes(&graph, stream_id))
    }

    fn matches(&self, stream_id: &StreamId) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches(stream_id.as_str()))
    }

    fn commutes(&self, graph: &Graph<'_, E>, stream_id: &StreamId) -> bool {
        let dag = &graph.dag;
        let mut kinds: BTreeMap<TxIx, BTreeSet<Cow<'_, str>>> = BTreeMap::new();
        let mut of_kind: BTreeMap<Cow<'_, str>, Vec<TxIx>> = BTreeMap::new();
        let (mut settlers, mut writing_settlers, mut covers) = (Vec::new(), Vec::new(), Vec::new());
        for (ix, transaction) in graph.transactions() {
            let events = transaction.events.iter();
            let events = events.filter(|event| event.stream_id == *stream_id);
            let own: BTreeSet<_> = events.map(|event| (self.kind)(event)).collect();
            for kind in &own {
                of_kind.entry(kind.clone()).or_default().push(ix);
            }
            if transaction.settles.contains(stream_id) {
                settlers.push(ix);
                let heads = transaction.covers.get(stream_id).into_iter().flatten();
                let heads: Vec<_> = heads.filter_map(|id| dag.index_of(*id)).collect();
                covers.push(dag.cover(&heads));
                if !own.is_empty() {
                    writing_settlers.push(ix);
                }
            }
            kinds.insert(ix, own);
        }
        let is_in_conflict = |ix: TxIx, others: &Chains| {
            let covers: Vec<_> = covers
                .iter()
                .filter(|cover| dag.is_covered(cover, ix))
                .collect();
            let is_settled = |other: TxIx| covers.iter().any(|cover| dag.is_covered(cover, other));
            let mut others = others.concurrent_with(dag, ix);
            others.any(|other| !is_settled(other))
        };
        let writing_settlers = Chains::new(dag, writing_settlers);
        let is_decided_apart = settlers.iter().any(|ix| {
            let writes = kinds.get(ix).is_some_and(|kinds| !kinds.is_empty());
            !writes && is_in_conflict(*ix, &writing_settlers)
        });
        if is_decided_apart {
            return false;
        }
        let of_kind = of_kind
            .iter()
            .map(|(kind, of_it)| (kind, Chains::new(dag, of_it.iter().copied())));
        of_kind.into_iter().all(|(kind, of_it)| {
            let clashing = kinds.iter().filter(|(_, own)| {
                let mut own = own.iter();
                own.any(|own| !self.is_declared(own, kind))
            });
            !clashing
                .into_iter()
                .any(|(ix, _)| is_in_conflict(*ix, &of_it))
        })
    }

    fn is_declared(&self, a: &str, b: &str) -> bool {
        self.pairs.contains(&ordered(a.to_owned(), b.to_owned()))
    }
}

impl<E, R: Resolver<E>> Resolver<E> for Commuting<E, R> {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        if self.accepts(fork) {
            Resolution::accept_all()
        } else {
            self.otherwise.resolve(fork)
        }
    }
}

fn ordered(a: String, b: String) -> (String, String) {
    if a <= b { (a, b) } else { (b, a) }
}

/// The transactions of a fork as a DAG of their own.
struct Graph<'a, E> {
    dag: Dag,
    transactions: Vec<(TxIx, &'a Transaction<E>)>,
}

impl<'a, E> Graph<'a, E> {
    fn new(fork: &'a ForkContext<E>) -> Self {
        let mut all: Vec<_> = fork.members();
        all.extend(&fork.on_top);
        all.sort_by_key(|transaction| transaction.place);
        let mut dag = Dag::new();
        let _ = dag.extend(all.iter().map(|transaction| Node {
            id: transaction.transaction_id,
            replica_id: transaction.replica_id,
            created_at: transaction.created_at,
            parents: transaction.after.clone(),
        }));
        let indexed = all.into_iter().filter_map(|transaction| {
            let ix = dag.index_of(transaction.transaction_id)?;
            Some((ix, transaction))
        });
        let mut transactions: Vec<_> = indexed.collect();
        // As the chains need it.
        transactions.sort_by_key(|(ix, _)| dag.rank(*ix));
        Self { dag, transactions }
    }

    /// Returns all of them, each after those that it descends from.
    fn transactions(&self) -> impl Iterator<Item = (TxIx, &'a Transaction<E>)> {
        self.transactions.iter().copied()
    }
}
