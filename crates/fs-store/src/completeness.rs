//! What answers are known to lack, and the refusal of appends that were decided on less than there is.
//!
//! **Invariant**: nothing is renumbered in silence. A version that counts on what is missing is no proof that the caller
//! has seen everything, so an append that is checked against it is refused unless the caller says otherwise.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use fs_format::{CommandId, Header, StreamId, TransactionId};
use fs_index::{Completeness, History, IndexError, Omission, OmissionKind, Snapshot, Unconfirmed};
use fs_io::Stat;

use crate::error::{AppendError, RefreshError};
use crate::options::OnHole;
use crate::request::Append;
use crate::store::{FileEventStore, Inner};

/// What an answer lacks; nothing in nearly every one, which costs nothing then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lacks(Option<Arc<Completeness>>);

impl Lacks {
    pub(crate) fn completeness(&self) -> &Completeness {
        static COMPLETE: Completeness = Completeness::COMPLETE;
        self.0.as_deref().unwrap_or(&COMPLETE)
    }
}

/// What was asked for, with what is known to be missing from it. It is used as what it holds is: it derefs to that, and iterates
/// over it.
///
/// Both are of one state of the history. So a program that must not go by less than the whole asks each answer, and what comes
/// or goes between two calls misleads nobody.
///
/// ```
/// # use fs_format::StreamId;
/// # use fs_store::{Append, FileEventStore};
/// # let dir = tempfile::tempdir()?;
/// # let store = FileEventStore::create(dir.path())?;
/// # let issue = StreamId::new("issue-1")?;
/// # store.append(Append::new().event(issue.clone(), "IssueOpened", "{}")?)?;
/// let events = store.stream_events(&issue)?;
/// if !events.is_complete() {
///     eprintln!("events may be missing: {}", events.completeness());
/// }
/// for event in &events {
///     println!("{}", event.event_type);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is done but to answer"]
pub struct Answer<T> {
    value: T,
    lacks: Lacks,
}

impl<T> Answer<T> {
    pub(crate) fn new(value: T, lacks: Lacks) -> Self {
        Self { value, lacks }
    }

    /// Returns what is known to be missing from the history that this is an answer about.
    pub fn completeness(&self) -> &Completeness {
        self.lacks.completeness()
    }

    /// Returns whether nothing is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.completeness().is_complete()
    }

    /// Returns what was asked for.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Answer<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: IntoIterator> IntoIterator for Answer<T> {
    type Item = T::Item;
    type IntoIter = T::IntoIter;

    fn into_iter(self) -> T::IntoIter {
        self.value.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Answer<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.value.into_iter()
    }
}

/// What was worked out for the last answer that lacked something, and what from.
#[derive(Debug, Default)]
pub(crate) struct LacksCache(Mutex<Option<CachedLacks>>);

#[derive(Debug)]
struct CachedLacks {
    omissions: Arc<[Omission]>,
    unconfirmed: Option<Unconfirmed>,
    /// The file of what was accepted.
    accepted: Option<Stat>,
    lacks: Lacks,
}

impl FileEventStore {
    /// Tells whether answers hold all that is known to belong to the history, as of now.
    ///
    /// Missing are parents that no file stands for, and what is in files that cannot be used. What was accepted by
    /// [`forget`](FileEventStore::forget) is not.
    ///
    /// # Errors
    /// [`RefreshError`].
    ///
    /// # Complexity
    /// That of a look for what is new; no file is opened for this.
    pub fn completeness(&self) -> Result<Completeness, RefreshError> {
        let omissions = self.omissions()?;
        let snapshot = self.inner.snapshot();
        Ok(Completeness::of(&omissions).while_unconfirmed(snapshot.unconfirmed()))
    }

    /// As [`completeness`](FileEventStore::completeness), as of the last look of this handle. It takes no look of its own: what
    /// was missing from an answer is told after the answer, also when it has come back meanwhile.
    ///
    /// Native answers carry this themselves ([`Answer`], [`Appended`](crate::Appended), what crates above read). It is for what has no
    /// room for it: EventCore's traits, [`with_history`](FileEventStore::with_history).
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn completeness_of_answers(&self) -> Result<Completeness, RefreshError> {
        let snapshot = self.inner.snapshot();
        match self.inner.lacks(&snapshot) {
            Ok(lacks) if snapshot.epoch().is_some() => Ok(lacks.completeness().clone()),
            _ => self.completeness(),
        }
    }

    /// Returns all that makes answers incomplete, as of now: files that cannot be used by path, then missing parents by id.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn omissions(&self) -> Result<Vec<Omission>, RefreshError> {
        let omissions = self
            .inner
            .ask(|snapshot| self.inner.omissions_in(snapshot))?;
        Ok(self.inner.split_accepted(&omissions)?.0)
    }

    /// Refuses to go by the versions of streams of which one has a hole, as an append that expects them is refused. It goes by
    /// what was last seen, so whoever looks at the history, or holds it, asks about that history.
    ///
    /// # Errors
    /// [`AppendError::Hole`], unless the store was opened with [`OnHole::Allow`].
    pub fn refuse_holes<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamId>,
    ) -> Result<(), AppendError> {
        self.inner.refuse_holes(streams)
    }
}

/// Bytes that are compared with what is known of a transaction that is missing or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// They are no whole transaction, or another one.
    Useless,
    /// They are the transaction, with other line ends or a byte order mark.
    Converted,
    /// They are the transaction as it was written.
    Whole,
}

impl FileEventStore {
    /// Tells whether bytes from elsewhere are the transaction `id`, by their seal and by what its children recorded.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn examine(&self, id: TransactionId, bytes: &[u8]) -> Result<Candidate, RefreshError> {
        let Ok(transaction) = fs_format::decode(bytes) else {
            return Ok(Candidate::Useless);
        };
        let recorded = self.inner.ask(|snapshot| snapshot.recorded_hashes(id))?;
        let is_it = transaction.header.transaction_id == id
            && (recorded.is_empty() || recorded.contains(&transaction.content_hash));
        Ok(match is_it {
            true if transaction.transit.is_clean() => Candidate::Whole,
            true => Candidate::Converted,
            false => Candidate::Useless,
        })
    }
}

impl Inner {
    /// As [`Inner::ask`], with what that state of the index lacks.
    pub(crate) fn answer<T>(
        &self,
        question: impl Fn(&Snapshot) -> Result<T, IndexError>,
    ) -> Result<Answer<T>, RefreshError> {
        self.ask(|snapshot| Ok(Answer::new(question(snapshot)?, self.lacks(snapshot)?)))
    }

    /// Answers from the whole history as of now, with what it lacks.
    pub(crate) fn answer_from_history<T>(
        &self,
        look: impl FnOnce(&Arc<History>) -> T,
    ) -> Result<Answer<T>, RefreshError> {
        let read = |snapshot: &Snapshot| Ok((snapshot.history()?, self.lacks(snapshot)?));
        let (history, lacks) = self.ask(read)?;
        Ok(Answer::new(look(&history), lacks))
    }

    /// Returns what is missing from a state of the index, and what a power cut took from a store that may not be written to.
    pub(crate) fn omissions_in(&self, snapshot: &Snapshot) -> Result<Arc<[Omission]>, IndexError> {
        let omissions = snapshot.omissions()?;
        let unrecovered = self.apart.iter().flat_map(|apart| &apart.unrecovered);
        let mut lost = Vec::new();
        for id in unrecovered {
            let is_listed = |it: &Omission| it.transaction_id == Some(*id);
            if !snapshot.contains(*id)? && !omissions.iter().any(is_listed) {
                lost.push(Omission {
                    kind: OmissionKind::Missing,
                    transaction_id: Some(*id),
                    path: id.relative_path(),
                });
            }
        }
        Ok(match lost.is_empty() {
            true => omissions,
            false => omissions.iter().cloned().chain(lost).collect(),
        })
    }

    /// Returns what answers from the index lack in the state that it is in.
    ///
    /// Where it cannot be told what was accepted, nothing was.
    ///
    /// # Complexity
    /// Nothing where nothing is missing; a look at one file as long as the same is missing.
    pub(crate) fn lacks(&self, snapshot: &Snapshot) -> Result<Lacks, IndexError> {
        let (omissions, unconfirmed) = (self.omissions_in(snapshot)?, snapshot.unconfirmed());
        if omissions.is_empty() && unconfirmed.is_none() {
            return Ok(Lacks::default());
        }
        let accepted = self.accepted_stat();
        let mut cached = self
            .lacks_cache
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_current = |cached: &&CachedLacks| {
            Arc::ptr_eq(&cached.omissions, &omissions)
                && cached.unconfirmed.as_ref() == unconfirmed
                && cached.accepted == accepted
        };
        if let Some(cached) = cached.as_ref().filter(is_current) {
            return Ok(cached.lacks.clone());
        }
        let left = self.split_accepted(&omissions).map(|(left, _)| left);
        let left = left.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was accepted to be missing is missed again");
            omissions.to_vec()
        });
        let completeness = Completeness::of(&left).while_unconfirmed(unconfirmed);
        let is_complete = completeness.is_complete();
        let lacks = Lacks((!is_complete).then(|| Arc::new(completeness)));
        *cached = Some(CachedLacks {
            omissions,
            unconfirmed: unconfirmed.cloned(),
            accepted,
            lacks: lacks.clone(),
        });
        Ok(lacks)
    }

    /// Returns the omissions that nobody has accepted, and those that somebody has.
    pub(crate) fn split_accepted(
        &self,
        omissions: &[Omission],
    ) -> Result<(Vec<Omission>, Vec<Omission>), RefreshError> {
        if omissions.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let accepted = self.accepted()?;
        let is_accepted = |omission: &Omission| {
            omission
                .transaction_id
                .is_some_and(|id| accepted.contains(&id))
        };
        let (accepted, omissions) = omissions.iter().cloned().partition(is_accepted);
        Ok((omissions, accepted))
    }

    /// Refuses an append that expects a version of a stream with a hole, or whose command id the kept bytes of a missing transaction
    /// have; the index is up to date.
    ///
    /// # Errors
    /// [`AppendError::Hole`] and [`AppendError::CommandMissing`].
    ///
    /// # Complexity
    /// Nothing where nothing is missing; else the history is loaded, and what is kept of what is missing is read.
    pub(crate) fn refuse_on_hole(&self, append: &Append) -> Result<(), AppendError> {
        if append.anyway || self.options.on_hole == OnHole::Allow {
            return Ok(());
        }
        let checked = append
            .expected
            .iter()
            .filter(|(_, expected)| expected.version().is_some())
            .map(|(stream_id, _)| stream_id);
        self.refuse_holes(checked)?;
        match &append.command_id {
            Some(command_id) => self.refuse_missing_command(command_id),
            None => Ok(()),
        }
    }

    /// Refuses a command that a missing or damaged transaction has carried out, by what is kept of it.
    fn refuse_missing_command(&self, command_id: &CommandId) -> Result<(), AppendError> {
        let omissions = self.snapshot().omissions().map_err(RefreshError::from)?;
        let (omissions, _) = self.split_accepted(&omissions)?;
        for (transaction_id, headers) in self.kept_of(&omissions)? {
            let mut used = headers.iter().filter_map(|it| it.command_id.as_ref());
            if used.any(|it| it == command_id) {
                return Err(AppendError::CommandMissing {
                    command_id: command_id.clone(),
                    transaction_id,
                    path: path_of(&omissions, transaction_id),
                });
            }
        }
        Ok(())
    }

    /// Refuses to go by the versions of streams of which one has a hole; the index is up to date.
    ///
    /// The history knows a hole by what is on top of it. Of what is missing or damaged and whose bytes are kept, this working copy knows
    /// what it wrote, whatever is on top. What a damaged file itself says is not believed: any file can say anything.
    fn refuse_holes<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamId>,
    ) -> Result<(), AppendError> {
        let streams: Vec<&'a StreamId> = streams.into_iter().collect();
        if self.options.on_hole == OnHole::Allow || streams.is_empty() {
            return Ok(());
        }
        let snapshot = self.snapshot();
        let omissions = snapshot.omissions().map_err(RefreshError::from)?;
        let (omissions, accepted) = self.split_accepted(&omissions)?;
        if omissions.is_empty() {
            return Ok(());
        }
        let accepted = accepted.iter().filter_map(|it| it.transaction_id).collect();
        let has_missing_parents = snapshot.missing_parents().next().is_some();
        let history = match has_missing_parents {
            true => snapshot.history().map_err(RefreshError::from)?,
            false => Arc::default(),
        };
        let kept = self.kept_of(&omissions)?;
        let by_children = history.holes(streams.iter().copied(), &accepted);
        let mut by_kept_bytes: HashMap<&StreamId, TransactionId> = HashMap::new();
        for (id, headers) in &kept {
            let bases = headers.iter().flat_map(|header| &header.stream_bases);
            for (stream_id, _) in bases.filter(|(_, base)| base.writes > 0) {
                by_kept_bytes.entry(stream_id).or_insert(*id);
            }
        }
        let hole = |stream_id: &'a StreamId| {
            let missing = by_children
                .get(stream_id)
                .or(by_kept_bytes.get(stream_id))?;
            Some((stream_id, *missing))
        };
        if let Some((stream_id, missing)) = streams.iter().copied().find_map(hole) {
            return Err(AppendError::Hole {
                stream_id: stream_id.clone(),
                missing,
                path: path_of(&omissions, missing),
            });
        }
        Ok(())
    }

    /// Returns the headers of what is missing or damaged, where its bytes are kept.
    fn kept_of(
        &self,
        omissions: &[Omission],
    ) -> Result<Vec<(TransactionId, Vec<Header>)>, AppendError> {
        let omitted: BTreeSet<TransactionId> = omissions
            .iter()
            .filter_map(|it| it.transaction_id)
            .collect();
        if omitted.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.kept_paths()?.into_iter();
        let kept = kept.filter(|(id, _)| omitted.contains(id));
        Ok(kept
            .map(|(id, paths)| (id, self.kept_headers(id, &paths)))
            .collect())
    }
}

/// Returns the path below `events/` of a transaction that is among what is missing, or where that would be.
fn path_of(omissions: &[Omission], id: TransactionId) -> String {
    let omission = omissions.iter().find(|it| it.transaction_id == Some(id));
    omission.map_or_else(|| id.relative_path(), |it| it.path.clone())
}
