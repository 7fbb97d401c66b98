//! Appending: the one way into the store.
//!
//! ```text
//! lock -> take in -> for each: check versions, encode -> make durable -> publish -> record in the journal -> unlock
//! ```
//!
//! **Invariant**: what is refused or fails is never stored behind the caller's back; what is acknowledged is in
//! `events/` under its final name, and has survived what [`Durability`](crate::Durability) says.

use std::sync::MutexGuard;
use std::time::Duration;

use fs_format::{Event, Header, TransactionId};
use fs_index::{History, IndexError, Omission, Scan, Stored};
use fs_io::LockGuard;

use crate::commit::MOST_TOGETHER;
use crate::completeness::Lacks;
use crate::draft::{Ahead, check_versions};
use crate::error::{AppendError, GitBusy, RefreshError};
use crate::git_files::{self, GitFileStamps};
use crate::report::report;
use crate::request::{Append, Appended};
use crate::store::{FileEventStore, Inner, Writer};

/// A lock that is deleted again and again is taken anew so many times.
const LOCKS_LOST: usize = 16;

/// Time between two looks at files that are missing while version control holds its lock.
const PAUSE: Duration = Duration::from_millis(20);

/// A merge transaction to be written: its header and events, whose ids and versions are derived when it is encoded.
#[derive(Clone, Debug)]
pub struct MergeDraft {
    /// The header; `transaction_id`, `replica_id` and `replica_seq` are set when it is encoded.
    pub header: Header,
    /// The events that the decision adds.
    pub events: Vec<Event<'static>>,
}

/// A settlement that was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError<E: std::error::Error> {
    /// The caller decided against it.
    #[error(transparent)]
    Declined(E),
    /// It could not be appended.
    #[error(transparent)]
    Append(AppendError),
}

impl<E: std::error::Error, A: Into<AppendError>> From<A> for SettleError<E> {
    fn from(error: A) -> Self {
        SettleError::Append(error.into())
    }
}

/// The writer of this process together with the lock of all processes; the index is up to date.
pub(crate) struct WriteTxn<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) writer: MutexGuard<'a, Writer>,
    pub(crate) lock: LockGuard,
    /// What is encoded and not yet committed.
    pub(crate) ahead: Ahead,
}

impl FileEventStore {
    /// Appends a transaction: all its events or none.
    ///
    /// Every expected version is checked under the write lock, against everything that is in `events/` by then. A
    /// `command_id` that is there already, appended here or arrived by merge, with the same content gives back the first result; with
    /// other streams, types, data or metadata it is refused. Neither writes anything. What a file holds that cannot be read
    /// (the status lists it) answers for no command id.
    ///
    /// Appends of several threads are committed together: they share the lock and the sync, in the order in which they came, and each has its own
    /// check and its own outcome.
    ///
    /// # Errors
    /// [`AppendError`], whose docs tell which of its variants leave nothing behind.
    pub fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if append.events.is_empty() {
            return Err(AppendError::Empty);
        }
        self.inner.append(append)
    }

    /// Checks expected versions without appending anything.
    ///
    /// # Errors
    /// [`AppendError::VersionConflict`] for the first stream, in byte order, that is elsewhere, and [`AppendError::Hole`]
    /// where that cannot be told.
    pub fn check_versions(&self, append: &Append) -> Result<(), AppendError> {
        self.inner.refresh(Scan::Names)?;
        self.inner.refuse_on_hole(append)?;
        check_versions(&self.inner.snapshot(), &Ahead::default(), append)
    }

    /// Writes the merge transactions that `prepare` makes of the history as it is under the write lock, and of what is known
    /// to be missing from it. Returns their ids.
    ///
    /// A file is a pure function of its draft, so writing one that is there already changes nothing. They are written in
    /// their order; after a failure those before it may be there.
    ///
    /// # Errors
    /// [`SettleError::Declined`] with what `prepare` returned, and [`SettleError::Append`] as
    /// [`FileEventStore::append`].
    pub fn settle<E: std::error::Error>(
        &self,
        prepare: impl FnOnce(&History, &[Omission]) -> Result<Vec<MergeDraft>, E>,
    ) -> Result<Vec<TransactionId>, SettleError<E>> {
        let mut turn = self.inner.begin()?;
        let (history, omissions) = self.inner.loaded_history_and_omissions()?;
        let drafts = prepare(&history, &omissions).map_err(SettleError::Declined)?;
        let mut written = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let encoded =
                fs_format::encode_merge(&draft.header, &draft.events).map_err(AppendError::from)?;
            let merge = Stored::of_encoded_bytes(encoded);
            let transaction_id = merge.id();
            if history.find(transaction_id).is_none() {
                self.inner.refuse_when_blocked(transaction_id)?;
                for outcome in turn.commit(vec![merge]) {
                    outcome?;
                }
            }
            written.push(transaction_id);
        }
        Ok(written)
    }

    /// Makes every append of this handle so far survive a power cut, without any log.
    ///
    /// # Errors
    /// [`AppendError::NotFlushed`] when a sync fails; the handle refuses further appends then.
    pub fn flush(&self) -> Result<(), AppendError> {
        let mut writer = self.inner.writer();
        writer.refuse_when_poisoned()?;
        if writer.unsynced.is_empty() && !writer.wal.is_there() {
            return Ok(());
        }
        let lock = self.inner.lock_on_what_is_there(&mut writer, Scan::Names)?;
        let unsynced = std::mem::take(&mut writer.unsynced);
        let disk = self.inner.system.disk.as_ref();
        if let Err(source) = fs_io::make_all_durable(disk, self.inner.layout.root(), &unsynced) {
            writer.poisoned = Some(source.to_string());
            return Err(AppendError::NotFlushed(source));
        }
        let emptied = writer.log(|wal| wal.checkpoint(&lock));
        emptied.map_err(|error| AppendError::NotFlushed(error.into_unknown()))
    }
}

impl Writer {
    fn refuse_when_poisoned(&self) -> Result<(), AppendError> {
        match &self.poisoned {
            Some(reason) => Err(AppendError::Poisoned {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Inner {
    fn lock_to_write(&self) -> Result<LockGuard, AppendError> {
        let locked = self.lock();
        locked.map_err(|error| AppendError::not_locked(self.layout.root(), error))
    }

    /// Takes the write lock and brings everything up to date.
    pub(crate) fn begin(&self) -> Result<WriteTxn<'_>, AppendError> {
        if let Some(newer) = self.look_for_newer_version() {
            return Err(AppendError::NewerVersion(newer));
        }
        if self.apart.is_some() {
            return Err(AppendError::ReadOnly {
                root: self.layout.root().to_owned(),
            });
        }
        let mut writer = self.writer();
        writer.refuse_when_poisoned()?;
        let lock = self.lock_on_what_is_there(&mut writer, Scan::Throttled)?;
        self.renew_git_files(&mut writer);
        Ok(WriteTxn {
            inner: self,
            writer,
            lock,
            ahead: Ahead::default(),
        })
    }

    /// Takes the write lock and brings everything up to date; where files are missing while version control is at work,
    /// waits until they are back or gone for good, no longer than for the lock.
    fn lock_on_what_is_there(
        &self,
        writer: &mut Writer,
        scan: Scan,
    ) -> Result<LockGuard, AppendError> {
        let mut waited = Duration::ZERO;
        loop {
            let lock = self.lock_and_take_in(writer, scan)?;
            let Some(unconfirmed) = self.snapshot().unconfirmed().cloned() else {
                return Ok(lock);
            };
            drop(lock);
            let left = self.options.lock_timeout.saturating_sub(waited);
            if left.is_zero() {
                return Err(AppendError::GitBusy(GitBusy::of(&self.layout, unconfirmed)));
            }
            let pause = unconfirmed.rest().unwrap_or(PAUSE).min(left);
            self.system.clock.wait(pause);
            waited += pause;
        }
    }

    /// Refuses a transaction in the place of one of whose directories something else is known to stand.
    fn refuse_when_blocked(&self, id: TransactionId) -> Result<(), AppendError> {
        match self.snapshot().blocker_of(id) {
            Some(path) => Err(AppendError::Blocked {
                path: self.layout.event_file(&path),
            }),
            None => Ok(()),
        }
    }

    fn lock_and_take_in(&self, writer: &mut Writer, scan: Scan) -> Result<LockGuard, AppendError> {
        let mut lock = self.lock_to_write()?;
        // Taking in may take long enough for `git clean` to delete the lock, and for somebody else to take the new one.
        for _ in 0..LOCKS_LOST {
            if !self.take_in(writer, scan, &lock)? || lock.is_named() {
                break;
            }
            drop(lock);
            lock = self.lock_to_write()?;
        }
        Ok(lock)
    }
}

impl Inner {
    /// Brings the files for git to what this version writes, where they are not as this handle left them; an append does not
    /// fail by them.
    fn renew_git_files(&self, writer: &mut Writer) {
        let found = GitFileStamps::of(&self.system, &self.layout);
        if writer.git_files.as_ref() == Some(&found) {
            return;
        }
        match git_files::renew(&self.system, &self.layout) {
            Ok(renewed) => {
                for path in renewed {
                    if !writer.renewed_git_files.contains(&path) {
                        writer.renewed_git_files.push(path);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = report(&error),
                    "the files for git are not brought up to date"
                );
            }
        }
        writer.git_files = Some(GitFileStamps::of(&self.system, &self.layout));
    }
}

/// What becomes of one append of a group.
enum Decision {
    /// It is not written: refused, or done before.
    Answer(Result<Appended, AppendError>),
    /// It is written, and this is the answer once it is durable.
    Write(Appended, Box<Stored>),
}

/// The answers of a group in the making.
struct Answers {
    all: Vec<Option<Result<Appended, AppendError>>>,
    /// Those that were decided on what is encoded and not yet committed.
    resting: Vec<(usize, Result<Appended, AppendError>)>,
    /// Those that are encoded and not yet committed.
    written: Vec<(usize, Appended)>,
    encoded: Vec<Stored>,
}

impl WriteTxn<'_> {
    /// Decides and commits appends in the given order, each on the history with all those before it, and returns their answers.
    pub(crate) fn serve(&mut self, group: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
        let mut answers = Answers {
            all: group.iter().map(|_| None).collect(),
            resting: Vec::new(),
            written: Vec::new(),
            encoded: Vec::new(),
        };
        for (nth, append) in group.into_iter().enumerate() {
            if let Err(refused) = self.writer.refuse_when_poisoned() {
                answers.all[nth] = Some(Err(refused));
                continue;
            }
            match self.decide(append) {
                Decision::Answer(answer) if self.ahead.is_empty() => {
                    answers.all[nth] = Some(answer)
                }
                Decision::Answer(answer) => answers.resting.push((nth, answer)),
                Decision::Write(appended, encoded) => {
                    let alone = self.goes_alone(&encoded);
                    if alone || self.is_enough(&answers.encoded, &encoded) {
                        self.conclude(&mut answers);
                    }
                    if let Err(refused) = self.writer.refuse_when_poisoned() {
                        // It was encoded on top of one that failed.
                        answers.all[nth] = Some(Err(refused));
                        continue;
                    }
                    answers.written.push((nth, appended));
                    answers.encoded.push(*encoded);
                    if alone || self.ahead.is_blind() {
                        self.conclude(&mut answers);
                    }
                }
            }
        }
        self.conclude(&mut answers);
        let lacks = self.lacks();
        let all = answers.all.into_iter();
        all.map(|answer| {
            let answer = answer.expect("every append was answered or committed");
            answer.map(|appended| appended.lacking(lacks.clone()))
        })
        .collect()
    }

    /// Returns what the history lacks that the appends of this turn were decided on. That they are stored does not hang on it.
    fn lacks(&self) -> Lacks {
        let told = self.inner.lacks(&self.inner.snapshot());
        let told = told.or_else(|_| {
            self.inner.index.lock_to_ingest().repair(&self.lock)?;
            self.inner.lacks(&self.inner.snapshot())
        });
        told.unwrap_or_else(|error| {
            tracing::warn!(%error, "it cannot be told whether the history is complete");
            Lacks::default()
        })
    }

    fn decide(&mut self, append: Append) -> Decision {
        let mut judged = self.judge(&append);
        if let Err(AppendError::Refresh(RefreshError::Index(IndexError::Damaged { .. }))) = &judged
        {
            let repaired = self.inner.index.lock_to_ingest().repair(&self.lock);
            judged = match repaired {
                Ok(()) => self.judge(&append),
                Err(error) => Err(RefreshError::from(error).into()),
            };
        }
        let drafted = match judged {
            Ok(Some(appended)) => return Decision::Answer(Ok(appended)),
            Ok(None) => self.draft(append),
            Err(error) => Err(error),
        };
        let encoded = drafted.and_then(|(header, events)| {
            self.inner.refuse_when_blocked(header.transaction_id)?;
            let encoded = fs_format::encode(&header, &events)?;
            Ok(Box::new(Stored::of_encoded(header, &events, encoded)))
        });
        match encoded {
            Ok(encoded) => Decision::Write(self.ahead.add(&encoded), encoded),
            Err(error) => Decision::Answer(Err(error)),
        }
    }

    /// Returns the first result of a command that was done before; `None` for an append that may be written.
    fn judge(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let replayed = self.replayed(append)?;
        if replayed.is_none() {
            self.check(append)?;
        }
        Ok(replayed)
    }

    /// Returns whether another transaction is one too many for one commit.
    fn is_enough(&self, encoded: &[Stored], another: &Stored) -> bool {
        let len = |transaction: &Stored| transaction.file_bytes().len();
        let bytes: usize = encoded.iter().map(len).sum();
        encoded.len() >= MOST_TOGETHER
            || !encoded.is_empty() && bytes + len(another) > crate::wal::Wal::most_bytes()
    }

    /// Commits what is encoded, and answers all who waited for it.
    fn conclude(&mut self, answers: &mut Answers) {
        let outcomes = if answers.encoded.is_empty() {
            Vec::new()
        } else {
            self.commit(std::mem::take(&mut answers.encoded))
        };
        for ((nth, appended), outcome) in answers.written.drain(..).zip(outcomes) {
            answers.all[nth] = Some(outcome.map(|()| appended));
        }
        let refused = self.writer.poisoned.clone();
        for (nth, answer) in answers.resting.drain(..) {
            // What it was decided on may not be there.
            answers.all[nth] = Some(match &refused {
                Some(reason) => Err(AppendError::Poisoned {
                    reason: reason.clone(),
                }),
                None => answer,
            });
        }
    }
}
