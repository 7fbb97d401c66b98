//! The recorder: from a broadcast into a stream.
//!
//! ```text
//!   receive one -> receive what else waits -> append all of it -> ...     by one transaction, under one command id
//!        ^                                        |
//!        '------------- (dropped, failed) --------'   what is pending stays as it is, and is tried again first
//! ```
//!
//! **Invariant**: between receiving and pending there is no wait, and pending is emptied only by the answer that it is stored. A try that was
//! given up and one that comes after it have the same command id, so at most one of them is written. A try that was handed to another thread is
//! waited for by the next call.

use std::fmt;
use std::sync::Arc;

use fs_format::StreamId;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::recorder::attempt::{self, Tried, Try};
use crate::recorder::end::End;
use crate::recorder::error::{RecordError, RecorderError, Refusal};
use crate::recorder::pending::{Pending, Unstored};
use fs_store::FileEventStore;
use fs_store::{Append, ExpectedVersion};
use fs_store::{Lease, LeaseError};

/// What a recorder has stored so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// The logical number of the last item that it has stored or marked as dropped; before the first, the highest number of the stream.
    pub number: u64,
    /// How many items this recorder has stored.
    pub items: u64,
    /// How many items it has marked as dropped.
    pub dropped: u64,
    /// In how many transactions.
    pub transactions: u64,
}

/// Drains a bounded broadcast into a stream: every item an event, in order, every hole a gap marker.
///
/// Items are numbered from 1, dropped ones included, and the numbers go on where the stream ends: after a restart, and after a merge of two
/// recordings after the highest of both. What was sent before the receiver was there, or still waits when the process dies, has no number.
///
/// Whatever waits is stored by one transaction, so a fast sender costs few syncs. Appends are checked against the version of the stream; where
/// somebody else wrote to it, the numbers are read again. One recorder at a time has the lease on a stream of a working copy.
///
/// ```
/// # use fs_format::StreamId;
/// # use fs_feed::{Feed as _, Recorder, RecordingError};
/// # use fs_store::FileEventStore;
/// # use tokio::sync::broadcast;
/// # let dir = tempfile::tempdir()?;
/// # let store = FileEventStore::create(dir.path())?;
/// let (sender, receiver) = broadcast::channel::<String>(2);
/// for said in ["one", "two", "three", "four"] {
///     sender.send(said.to_owned())?;
/// }
/// drop(sender);
/// let stream = StreamId::new("talk")?;
/// let mut recorder = Recorder::new(&store, stream.clone(), receiver, |_| "Said")?;
/// recorder.record_blocking()?; // or record().await
///
/// let lines: Vec<String> = store
///     .recording::<String>(&stream)?
///     .map(|recorded| Ok(recorded?.to_string()))
///     .collect::<Result<_, fs_feed::RecordingError>>()?;
/// assert_eq!(lines, ["events between 1 and 2 were dropped", r#""three""#, r#""four""#]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recorder<T> {
    store: FileEventStore,
    stream_id: StreamId,
    receiver: Receiver<T>,
    event_type: EventType<T>,
    /// Shared with tries that nobody waits for any more: the next recorder comes after them.
    lease: Arc<Lease>,
    name: Uuid,
    end: End,
    pending: Pending<T>,
    /// The try to store what is pending that was handed to another thread.
    under_way: Option<oneshot::Receiver<Tried>>,
    is_closed: bool,
    /// The last that was received, if it is to be given back once what came before is stored.
    refused: Option<(T, Refusal)>,
    drained: Drained,
}

type EventType<T> = Box<dyn for<'a> Fn(&'a T) -> &'a str + Send>;

impl<T: Clone + Serialize> Recorder<T> {
    /// Makes the recorder of a stream; `event_type` names the type of each item's event.
    ///
    /// Reads the end of the stream and takes the lease on it, without waiting for anybody.
    ///
    /// # Errors
    /// [`RecorderError::Held`] when another recorder writes the stream.
    pub fn new(
        store: &FileEventStore,
        stream_id: StreamId,
        receiver: Receiver<T>,
        event_type: impl for<'a> Fn(&'a T) -> &'a str + Send + 'static,
    ) -> Result<Self, RecorderError> {
        let lease = store
            .lease(&format!("recorder of {}", stream_id.as_str()))
            .map_err(|error| match error {
                LeaseError::Held { holder, .. } => RecorderError::Held {
                    stream_id: stream_id.clone(),
                    holder,
                },
                source => RecorderError::Lease {
                    stream_id: stream_id.clone(),
                    source,
                },
            })?;
        let mut bytes = [0; 16];
        let random = &store.system().random;
        random.fill(&mut bytes).map_err(RecorderError::Random)?;
        let end = End::of(store, &stream_id)?;
        Ok(Self {
            store: store.clone(),
            stream_id,
            receiver,
            event_type: Box::new(event_type),
            lease: Arc::new(lease),
            name: uuid::Builder::from_random_bytes(bytes).into_uuid(),
            end,
            pending: Pending::new(),
            under_way: None,
            is_closed: false,
            refused: None,
            drained: Drained {
                number: end.number,
                ..Drained::default()
            },
        })
    }

    /// Records until all senders are gone and everything that was received is stored. On tokio, appends are made by its blocking threads.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is lost by it, and another call goes on.
    ///
    /// # Cancel safety
    /// The future may be dropped at any moment, and another call goes on without loss or repetition: what was received stays with the
    /// recorder, an append that was begun is carried through, and the rest waits in the broadcast, as far as that holds. When the recorder
    /// itself is dropped, an append that was begun is carried through, and what else was received and what waits is gone;
    /// [`Recorder::finish`] comes before that.
    pub async fn record(&mut self) -> Result<Drained, RecordError<T>> {
        loop {
            self.store_pending().await?;
            if self.is_closed {
                return Ok(self.drained);
            }
            let received = self.receiver.recv().await;
            self.accept(received);
            self.accept_waiting(u64::MAX);
        }
    }

    /// Stores what has been received and what waits in the broadcast by now; senders may still be there.
    ///
    /// # Errors
    /// As [`Recorder::record`], with the same cancel safety.
    pub async fn finish(&mut self) -> Result<Drained, RecordError<T>> {
        let mut left = self.receiver.len() as u64;
        loop {
            self.store_pending().await?;
            if left == 0 || self.is_closed {
                return Ok(self.drained);
            }
            left = self.accept_waiting(left);
        }
    }

    /// As [`Recorder::record`], for a thread: blocks, and needs no runtime. It ends when all senders are gone.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    ///
    /// # Panics
    /// In async code, which must not block.
    pub fn record_blocking(&mut self) -> Result<Drained, RecordError<T>> {
        loop {
            self.store_pending_blocking()?;
            if self.is_closed {
                return Ok(self.drained);
            }
            let received = self.receiver.blocking_recv();
            self.accept(received);
            self.accept_waiting(u64::MAX);
        }
    }

    /// As [`Recorder::finish`], for a thread: blocks, and needs no runtime.
    ///
    /// # Errors
    /// As [`Recorder::finish`].
    ///
    /// # Panics
    /// In async code, when an append of an earlier async call is under way there.
    pub fn finish_blocking(&mut self) -> Result<Drained, RecordError<T>> {
        let mut left = self.receiver.len() as u64;
        loop {
            self.store_pending_blocking()?;
            if left == 0 || self.is_closed {
                return Ok(self.drained);
            }
            left = self.accept_waiting(left);
        }
    }

    /// Goes on with a newly opened handle on the same store, after a failed write has ended the one before.
    ///
    /// # Errors
    /// [`RecorderError::OtherStore`].
    pub fn reopen(&mut self, store: &FileEventStore) -> Result<(), RecorderError> {
        if store.root() != self.store.root() {
            return Err(RecorderError::OtherStore {
                root: self.store.root().to_owned(),
                other: store.root().to_owned(),
            });
        }
        self.store = store.clone();
        Ok(())
    }

    /// Returns what is stored so far.
    pub fn drained(&self) -> Drained {
        self.drained
    }

    /// Ends the recorder; returns what it has received and not stored, in order, and the receiver with what still waits there.
    ///
    /// After [`AppendError::Unknown`](fs_store::AppendError::Unknown) and after a call that was dropped, what is returned may be stored all the same.
    pub fn into_unstored(self) -> (Vec<Unstored<T>>, Receiver<T>) {
        (self.pending.into_unstored(), self.receiver)
    }

    /// Takes what else waits in the broadcast, at most about `left`; returns how much of that is left.
    fn accept_waiting(&mut self, mut left: u64) -> u64 {
        while left > 0 && !self.is_closed && self.refused.is_none() && self.pending.has_room() {
            let received = match self.receiver.try_recv() {
                Ok(item) => Ok(item),
                Err(TryRecvError::Empty) => return 0,
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
            };
            left = left.saturating_sub(match &received {
                Err(RecvError::Lagged(count)) => *count,
                _ => 1,
            });
            self.accept(received);
        }
        left
    }

    fn accept(&mut self, received: Result<T, RecvError>) {
        match received {
            Ok(item) => self.refused = self.pending.push(item, &*self.event_type).err(),
            Err(RecvError::Lagged(count)) => self.pending.drop_out(count),
            Err(RecvError::Closed) => self.is_closed = true,
        }
    }

    async fn store_pending(&mut self) -> Result<(), RecordError<T>> {
        let mut is_refused = false;
        loop {
            if let Some(under_way) = &mut self.under_way {
                let tried = under_way.await;
                self.under_way = None;
                match tried {
                    Ok(tried) => self.absorb(tried)?,
                    // One that never began has stored nothing; a runtime that is shutting down begins no other.
                    Err(_) => is_refused = true,
                }
            }
            let Some(next) = self.next_try()? else {
                return self.give_back();
            };
            match Handle::try_current() {
                Ok(runtime) if !is_refused => {
                    let (sender, receiver) = oneshot::channel();
                    self.under_way = Some(receiver);
                    runtime.spawn_blocking(move || {
                        // When the recorder is gone, nobody has to know.
                        let _ = sender.send(next.run());
                    });
                }
                _ => self.absorb(next.run())?,
            }
        }
    }

    fn store_pending_blocking(&mut self) -> Result<(), RecordError<T>> {
        if let Some(under_way) = self.under_way.take()
            && let Ok(tried) = under_way.blocking_recv()
        {
            self.absorb(tried)?;
        }
        while let Some(next) = self.next_try()? {
            self.absorb(next.run())?;
        }
        self.give_back()
    }

    /// Says which item was refused, once everything up to it is stored.
    fn give_back(&mut self) -> Result<(), RecordError<T>> {
        match self.refused.take() {
            Some((item, source)) => Err(RecordError::Refused {
                number: self.drained.number,
                item,
                source,
            }),
            None => Ok(()),
        }
    }

    /// Returns the next try to store what is pending; `None` when nothing is.
    fn next_try(&self) -> Result<Option<Try>, RecordError<T>> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let command_id = attempt::command_id(self.name, self.drained.transactions);
        let mut append = Append::new().command_id(command_id).expect(
            self.stream_id.clone(),
            ExpectedVersion::Exact(self.end.version),
        );
        let through = self
            .pending
            .write(&mut append, &self.stream_id, self.end.number)
            .ok_or(RecordError::NumbersExhausted {
                number: self.end.number,
            })?;
        Ok(Some(Try {
            store: self.store.clone(),
            stream_id: self.stream_id.clone(),
            append,
            through,
            _lease: Arc::clone(&self.lease),
        }))
    }

    fn absorb(&mut self, tried: Tried) -> Result<(), RecordError<T>> {
        let items = self.pending.items();
        match tried {
            Tried::Stored { through, end } => {
                let stored = items as u64;
                self.drained = Drained {
                    number: through,
                    items: self.drained.items + stored,
                    dropped: self.drained.dropped + (through - self.end.number - stored),
                    transactions: self.drained.transactions + 1,
                };
                self.end = end;
                self.pending.clear();
                Ok(())
            }
            Tried::Moved(end) => {
                self.end = end;
                Ok(())
            }
            Tried::Failed(source) => Err(RecordError::Append { items, source }),
            Tried::Unread(source) => Err(RecordError::Read { items, source }),
        }
    }
}

impl<T> fmt::Debug for Recorder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("root", &self.store.root())
            .field("stream_id", &self.stream_id)
            .field("drained", &self.drained)
            .finish_non_exhaustive()
    }
}
