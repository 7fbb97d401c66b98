//! Named consumers: what an agent or a notifier has seen, kept from run to run.
//!
//! ```text
//! fetch ── events after the cursor ── the caller works on them ── ack ── the cursor is behind them      at least once
//! fetch_and_advance ── the cursor is behind them ── the caller works on them                            at most once
//! ```
//!
//! **Invariant**: a cursor moves under its consumer's lock, from the place that was read to the place that was reached, and is replaced as a
//! whole. So no event is passed over that was not fetched, and of two processes that fetch and advance, each event goes to one. Who reads
//! never waits.
//!
//! What is not done here: no cursor and state of an application in one transaction; that is a projection's.

mod error;
mod options;

use fs_index::{Completeness, Position, StalePosition};

pub use error::ConsumerError;
pub use options::ConsumerOptions;

use crate::page::{IndexSnapshotId, Page, check_holds};
use fs_store::{Cursor, CursorLock, FileEventStore, ReadError, StoredEvent};

/// A named consumer of a working copy's ingestion order; its cursor survives restarts.
///
/// Any number of handles and processes may work as one consumer. All methods block.
///
/// ```
/// # use fs_format::StreamId;
/// # use fs_feed::Feed as _;
/// # use fs_store::{Append, FileEventStore};
/// # let dir = tempfile::tempdir()?;
/// # let store = FileEventStore::create(dir.path())?;
/// # store.append(Append::new().event(StreamId::new("issue-1")?, "IssueOpened", "{}")?)?;
/// let notifier = store.consumer("notifier")?;
/// let batch = notifier.fetch(100)?;
/// for event in &batch.events {
///     println!("{}", event.event_type);
/// }
/// notifier.ack(&batch)?;
/// assert!(notifier.fetch(100)?.events.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Consumer {
    store: FileEventStore,
    name: String,
    options: ConsumerOptions,
}

/// Events that a consumer has fetched.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The selected events after the cursor, in ingestion order.
    pub events: Vec<StoredEvent>,
    /// Whether the history that the consumer had read is not there any more, and it began anew with this batch. What it derived from
    /// earlier ones is to be forgotten.
    pub started_over: bool,
    /// The cursor that it was fetched after.
    after: Cursor,
    through: Option<Position>,
    completeness: Completeness,
}

impl Batch {
    /// Returns the place that the cursor has after this batch: behind its events, and behind what was not selected and follows them
    /// up to the end; `None` at the beginning.
    pub fn position(&self) -> Option<Position> {
        self.through
    }

    /// Returns what is known to be missing from the history that it was fetched from. What comes later is fetched later.
    pub fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// Returns the place of the cursor that this batch was fetched after; `None` at the beginning.
    pub fn fetched_after(&self) -> Option<Position> {
        self.after.position
    }
}

/// A consumer of a store, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerState {
    /// The name.
    pub name: String,
    /// The place that was reached; `None` at the beginning.
    pub position: Option<Position>,
}

impl Consumer {
    pub(crate) fn open(
        store: &FileEventStore,
        name: &str,
        options: ConsumerOptions,
    ) -> Result<Self, ConsumerError> {
        let consumer = Self {
            store: store.clone(),
            name: name.to_owned(),
            options,
        };
        if !store.has_cursor(name)? {
            let lock = consumer.lock()?;
            if !store.has_cursor(name)? {
                consumer.start_over(&lock)?;
            }
        }
        Ok(consumer)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the place that was reached; `None` at the beginning.
    ///
    /// # Errors
    /// [`ConsumerError::Removed`], [`ConsumerError::Cursor`].
    pub fn position(&self) -> Result<Option<Position>, ConsumerError> {
        Ok(self.cursor()?.position)
    }

    /// Returns at most `limit` of the selected events after the cursor, in ingestion order; the cursor stays.
    ///
    /// # Errors
    /// [`ConsumerError::NewEpoch`] when events went away (`git reset`, `git switch`), the index was rebuilt, or the store was put back to an
    /// earlier state, unless it is to
    /// [start over](ConsumerOptions::start_over_on_new_epoch) by itself.
    pub fn fetch(&self, limit: usize) -> Result<Batch, ConsumerError> {
        self.fetch_after(self.cursor()?, limit)
    }

    /// Moves the cursor behind a batch.
    ///
    /// # Errors
    /// [`ConsumerError::Moved`] when the cursor is not where the batch was fetched after: another has acknowledged or fetched and
    /// advanced meanwhile, or this very batch was acknowledged before. Nothing is changed then.
    pub fn ack(&self, batch: &Batch) -> Result<(), ConsumerError> {
        let lock = self.lock()?;
        if self.cursor()? != batch.after {
            return Err(ConsumerError::Moved {
                name: self.name.clone(),
            });
        }
        self.advance(batch, &lock)
    }

    /// Moves the cursor behind the event at a position, as an event of a batch gave it.
    ///
    /// For a part of a batch, or where the batch is not at hand. Everything up to there counts as seen.
    ///
    /// # Errors
    /// [`ConsumerError::Behind`] when the cursor is further already, [`ConsumerError::NewEpoch`] when what the cursor stands on is not there
    /// any more, [`ConsumerError::UnknownPosition`] when only what the position stands on is not. Nothing is changed then.
    pub fn ack_through(&self, position: Position) -> Result<(), ConsumerError> {
        let lock = self.lock()?;
        let reached = match self.cursor()?.position {
            Some(reached) => match self.holds(reached)? {
                Ok(()) => Some(reached),
                Err(_) if self.options.starts_over => None,
                Err(source) => return Err(self.new_epoch(source)),
            },
            None => None,
        };
        let name = self.name.clone();
        if self.holds(position)?.is_err() {
            return Err(ConsumerError::UnknownPosition { name, position });
        }
        match reached {
            Some(reached) if reached > position => Err(ConsumerError::Behind {
                name,
                position,
                reached,
            }),
            Some(reached) if reached == position => Ok(()),
            _ => Ok(lock.save(Some(position))?),
        }
    }

    /// Returns what [`Consumer::fetch`] returns, and moves the cursor behind it before anybody else can fetch and advance.
    ///
    /// Each event is returned once at most, to one of those who call this: what was returned to a process that dies is not returned again.
    ///
    /// # Errors
    /// As [`Consumer::fetch`]; the cursor stays.
    pub fn fetch_and_advance(&self, limit: usize) -> Result<Batch, ConsumerError> {
        let lock = self.lock()?;
        let batch = self.fetch(limit)?;
        self.advance(&batch, &lock)?;
        Ok(batch)
    }

    /// Moves the cursor to where a new consumer with these options begins, also where its file is damaged. Batches that were fetched before
    /// cannot be acknowledged.
    ///
    /// # Errors
    /// As [`Consumer::position`].
    pub fn reset(&self) -> Result<(), ConsumerError> {
        let lock = self.lock()?;
        self.must_be_there()?;
        self.start_over(&lock)
    }

    /// Forgets the consumer.
    ///
    /// # Errors
    /// As [`Consumer::position`].
    pub fn remove(self) -> Result<(), ConsumerError> {
        let lock = self.lock()?;
        self.must_be_there()?;
        Ok(lock.remove()?)
    }

    fn fetch_after(&self, cursor: Cursor, limit: usize) -> Result<Batch, ConsumerError> {
        let (page, started_over) = match self.page(cursor.position, limit) {
            Err(ConsumerError::NewEpoch { .. }) if self.options.starts_over => {
                (self.page(self.start()?, limit)?, true)
            }
            page => (page?, false),
        };
        Ok(Batch {
            events: page.events,
            started_over,
            after: cursor,
            through: page.through,
            completeness: page.completeness,
        })
    }

    fn page(&self, after: Option<Position>, limit: usize) -> Result<Page, ConsumerError> {
        let page = self.ask(|| Page::read(&self.store, after, &self.options.select, limit));
        match page {
            Err(ReadError::StalePosition(source)) => Err(self.new_epoch(source)),
            page => Ok(page?),
        }
    }

    /// Asks the store; once more after a refresh where a place means nothing, as who moved the cursor may have seen more than this handle.
    fn ask<T>(&self, question: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
        match question() {
            Err(ReadError::StalePosition(_)) => {
                self.store.refresh()?;
                question()
            }
            answer => answer,
        }
    }

    /// Returns where a new consumer begins.
    fn start(&self) -> Result<Option<Position>, ConsumerError> {
        if self.options.from_now {
            let snapshot_id = IndexSnapshotId::now(&self.store).map_err(ReadError::from)?;
            Ok(snapshot_id.end)
        } else {
            Ok(None)
        }
    }

    fn start_over(&self, lock: &CursorLock<'_>) -> Result<(), ConsumerError> {
        Ok(lock.save(self.start()?)?)
    }

    /// Returns whether what a position stands on is there now.
    fn holds(&self, position: Position) -> Result<Result<(), StalePosition>, ConsumerError> {
        let known = self.ask(|| check_holds(&self.store, position));
        match known {
            Err(ReadError::StalePosition(stale)) => Ok(Err(stale)),
            known => Ok(Ok(known?)),
        }
    }

    fn new_epoch(&self, source: StalePosition) -> ConsumerError {
        ConsumerError::NewEpoch {
            name: self.name.clone(),
            source,
        }
    }

    fn cursor(&self) -> Result<Cursor, ConsumerError> {
        let cursor = self.store.cursor(&self.name)?;
        cursor.ok_or_else(|| self.removed())
    }

    fn must_be_there(&self) -> Result<(), ConsumerError> {
        let is_there = self.store.has_cursor(&self.name)?;
        is_there.then_some(()).ok_or_else(|| self.removed())
    }

    fn removed(&self) -> ConsumerError {
        ConsumerError::Removed {
            name: self.name.clone(),
        }
    }

    /// Moves the cursor behind a batch; for the holder of its lock.
    fn advance(&self, batch: &Batch, lock: &CursorLock<'_>) -> Result<(), ConsumerError> {
        if batch.through == batch.after.position {
            return Ok(());
        }
        Ok(lock.save(batch.through)?)
    }

    fn lock(&self) -> Result<CursorLock<'_>, ConsumerError> {
        Ok(self.store.lock_cursor(&self.name)?)
    }
}
