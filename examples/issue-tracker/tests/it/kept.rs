//! What is kept by projections is what the events amount to, while clones merge.

use std::collections::BTreeMap;
use std::convert::Infallible;

use fs_feed::Feed as _;
use fs_feed::projection::{
    Delivered, Order, Projection, Rebuild, Runner, Snapshot, Sqlite, Status,
};
use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_store::FileEventStore;
use issue_tracker::{Activity, Board, IssueEvent};
use rusqlite::Connection;

use crate::rounds::{issue, issues};

/// What one of the people keeps.
pub(crate) struct Kept {
    board: Runner<Board, Sqlite>,
    activity: Runner<Activity, Sqlite>,
    titles: Runner<Titles, Snapshot<Latest>>,
}

impl Kept {
    pub(crate) fn of(store: &FileEventStore) -> Self {
        let memory = || Sqlite::new(Connection::open_in_memory().unwrap()).unwrap();
        Self {
            board: store.project(Board, memory()).batch(5),
            activity: store.project(Activity, memory()).batch(5),
            titles: store.project(Titles, Snapshot::in_memory()).batch(5),
        }
    }

    /// Asserts that it is what the events amount to.
    pub(crate) fn is_right(&mut self, store: &FileEventStore, seed: u64) {
        self.board.catch_up().unwrap();
        let kept = Board::issues(self.board.model().connection()).unwrap();
        let folded = issues().into_iter().map(|of| {
            let amount = issue(store, &of);
            (of.to_string(), amount)
        });
        let folded: BTreeMap<_, _> = folded.filter(|(_, amount)| amount.is_opened()).collect();
        assert_eq!(
            BTreeMap::from_iter(kept),
            folded,
            "seed {seed}: the board is the fold of what is here, in canonical order"
        );

        was_not_rebuilt(&self.activity.catch_up().unwrap(), seed);
        let mut counted = BTreeMap::new();
        for event in store.canonical_events().unwrap() {
            let event: IssueEvent = event.event_data.decode().unwrap();
            let kind = event.change.kind().to_owned();
            *counted.entry((event.by, kind)).or_insert(0_u64) += 1;
        }
        let kept = Activity::counts(self.activity.model().connection()).unwrap();
        let kept = kept
            .into_iter()
            .map(|(by, kind, count)| ((by, kind), count));
        assert_eq!(
            BTreeMap::from_iter(kept),
            counted,
            "seed {seed}: each event is counted once"
        );

        was_not_rebuilt(&self.titles.catch_up().unwrap(), seed);
        let titles = self.titles.model().state().iter();
        let titles = titles.map(|(of, (_, title))| (of.to_string(), Some(title.clone())));
        let folded = folded.into_iter().map(|(of, amount)| (of, amount.title));
        assert_eq!(
            BTreeMap::from_iter(titles),
            BTreeMap::from_iter(folded),
            "seed {seed}: whatever order they came in, the title that is kept is the canonical one"
        );
    }
}

fn was_not_rebuilt(status: &Status, seed: u64) {
    assert!(
        matches!(status.rebuilt, None | Some(Rebuild::First)),
        "seed {seed}: in ingestion order, what arrives is added: {:?}",
        status.rebuilt
    );
}

type Key = (Timestamp, ReplicaId, TransactionId);
type Latest = BTreeMap<StreamId, (Key, String)>;

/// Keeps the title of each issue, with the key of the transaction that gave it.
struct Titles;

impl Projection for Titles {
    type Event = IssueEvent;
    type State = Latest;
    type Error = Infallible;

    fn name(&self) -> &str {
        "titles"
    }

    fn order(&self) -> Order {
        Order::Ingestion
    }

    fn reset(&mut self, titles: &mut Latest) -> Result<(), Infallible> {
        titles.clear();
        Ok(())
    }

    fn apply(
        &mut self,
        titles: &mut Latest,
        delivered: &Delivered<IssueEvent>,
    ) -> Result<(), Infallible> {
        let stored = &delivered.stored;
        let key = (stored.created_at, stored.replica_id, stored.transaction_id);
        let kept = titles.get(&stored.stream_id);
        let is_late = kept.is_some_and(|(there, _)| *there > key);
        if let (Some(title), false) = (delivered.event.change.title(), is_late) {
            titles.insert(stored.stream_id.clone(), (key, title.to_owned()));
        }
        Ok(())
    }
}
