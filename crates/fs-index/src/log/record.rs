//! What the journal's frames say.
//!
//! The first byte is the kind; the fields are as `codec.rs` writes them; the last field takes the rest of the payload.
//!
//! | kind | record | fields |
//! |---|---|---|
//! | 1 | epoch | epoch u64, topology generation u64 |
//! | 2 | arrived | number u64, running hash u64, origin u8, place u8, stamp of the file u64, content hash, summary, the file's bytes |
//! | 3 | vanished | id 16 bytes |
//! | 4 | generation | topology generation u64 |
//! | 5 | boot | boot id, UTF-8, empty where the machine has none |
//! | 6 | rebuild | nothing: what follows in the batch was decided with a view to all files (a full rebuild) |
//! | 7 | directories | a list: path, then nothing for one that is gone, or its stamp |
//! | 8 | rejected | a list: path of a file that is left out, then its stamp u64 when it was looked at, and whether a newer version wrote it |
//!
//! The summary says what the index needs of a transaction, so that no JSON is read to replay it: id, replica, time, number of
//! events, its links (`links.rs`) with their length before them, event types, command id, and for each event its stream and type, as
//! places among the streams written and these types, and where its data lie in the file's bytes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use fs_format::{
    CommandId, ContentHash, Event, Header, ReplicaId, StreamId, Timestamp, TransactionId,
};

use smallvec::SmallVec;

use crate::codec::{Fields, Writer};
use crate::links::{Links, each_written};
use crate::position::{Epoch, RunningHash};
use crate::watch::file_stamp::FileStamp;
use crate::watch::scan::Stamp;

/// How a transaction came into this working copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Appended here.
    Appended,
    /// Found in `events/`.
    Arrived,
}

/// Where the transaction's file lies below `events/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the directories of its id.
    Sharded,
    /// In `events/` itself, as eventcore-fs writes.
    Flat,
}

/// A file that is left out, as it was when it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What it looked like; `None` when there was nothing to look at.
    pub(crate) stamp: Option<FileStamp>,
    /// Whether a newer version wrote it.
    pub(crate) is_newer: bool,
}

/// What the index needs of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) id: TransactionId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) created_at: Timestamp,
    pub(crate) event_count: u32,
    pub(crate) links: Links,
    /// The streams that it writes, in byte order, each with the number of events.
    pub(crate) writes: Vec<(StreamId, u64)>,
    pub(crate) event_types: Vec<Box<str>>,
    pub(crate) command_id: Option<CommandId>,
    /// In the order of the events; empty when some event cannot be read in place.
    pub(crate) events: Vec<EventPlace>,
}

/// What an event is and where its data lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventPlace {
    /// A place among the streams written.
    pub(crate) stream: u32,
    /// A place among the event types.
    pub(crate) event_type: u32,
    /// Where its data begin in the file's bytes, and how many bytes they have.
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Summary {
    /// Sums up a transaction; `data` tells where the data of an event lie in its file's bytes, if they lie there.
    pub(crate) fn of<'a>(
        header: &Header,
        events: &'a [Event<'_>],
        data: impl Fn(usize, &'a Event<'_>) -> Option<Range<usize>>,
    ) -> Self {
        let links = Links::of(header);
        let writes = written(&links);
        let mut event_types: Vec<Box<str>> = Vec::new();
        let mut places_of: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::with_capacity(events.len());
        for (nth, event) in events.iter().enumerate() {
            let event_type = *places_of.entry(&event.event_type).or_insert_with(|| {
                event_types.push(Box::from(&*event.event_type));
                event_types.len() - 1
            });
            let stream = writes.binary_search_by(|(it, _)| it.cmp(&event.stream_id));
            let place = || {
                let data = data(nth, event)?;
                Some(EventPlace {
                    stream: u32::try_from(stream.ok()?).ok()?,
                    event_type: u32::try_from(event_type).ok()?,
                    start: u32::try_from(data.start).ok()?,
                    len: u32::try_from(data.len()).ok()?,
                })
            };
            places.extend(place());
        }
        if places.len() < events.len() {
            places.clear();
        }
        Self {
            id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            event_count: u32::try_from(events.len())
                .expect("a transaction has at most 65,536 events"),
            links,
            writes,
            event_types,
            command_id: header.command_id.clone(),
            events: places,
        }
    }

    fn write(&self, to: &mut Writer) {
        to.id(self.id).replica(self.replica_id);
        to.i64(self.created_at.unix_nanos()).u32(self.event_count);
        to.block(&self.links.encode());
        to.list(self.event_types.iter(), |to, name| _ = to.text(name));
        to.option(self.command_id.as_ref(), |to, id| _ = to.text(id.as_str()));
        to.list(self.events.iter(), |to, it| {
            to.u32(it.stream)
                .u32(it.event_type)
                .u32(it.start)
                .u32(it.len);
        });
    }

    fn read(from: &mut Fields<'_>) -> Option<Self> {
        let (id, replica_id) = (from.id()?, from.replica()?);
        let (created_at, event_count) = (from.time()?, from.u32()?);
        let links = Links::decode(from.block()?)?;
        Some(Self {
            id,
            replica_id,
            created_at,
            event_count,
            writes: written(&links),
            links,
            event_types: from.list(|from| from.text().map(Box::from))?,
            command_id: from.option(|from| CommandId::new(from.text()?).ok())?,
            events: from.list(EventPlace::read)?,
        })
    }
}

impl EventPlace {
    /// Bytes of one.
    const WIDTH: usize = 16;

    fn read(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            stream: from.u32()?,
            event_type: from.u32()?,
            start: from.u32()?,
            len: from.u32()?,
        })
    }
}

fn written(links: &Links) -> Vec<(StreamId, u64)> {
    let written = links.declared().writes();
    written
        .map(|(stream_id, count)| (stream_id.clone(), count))
        .collect()
}

/// Returns where `text` lies in `bytes` when it was borrowed from them.
pub(crate) fn place_in(bytes: &[u8], text: &str) -> Option<Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    let range = start..start.checked_add(text.len())?;
    (bytes.get(range.clone())? == text.as_bytes()).then_some(range)
}

/// What is read of an arrival's record to get at its events.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) number: u64,
    pub(crate) running_hash: RunningHash,
    pub(crate) id: TransactionId,
    pub(crate) event_count: u32,
    pub(crate) streams: SmallVec<[&'a str; 2]>,
    pub(crate) event_types: SmallVec<[&'a str; 2]>,
    /// As [`Summary::events`], of [`EventPlace::WIDTH`] bytes each.
    events: &'a [u8],
    /// The file's bytes.
    pub(crate) file: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads the record of an arrival; `None` for any other.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut from = Fields::new(payload);
        if from.byte()? != 2 {
            return None;
        }
        let number = from.u64()?;
        let running_hash = RunningHash::from_u64(from.u64()?);
        // Origin, place, stamp of the file, content hash.
        from.skip(1 + 1 + 8 + 32)?;
        let id = from.id()?;
        // Replica, time.
        from.skip(16 + 8)?;
        let event_count = from.u32()?;
        let mut streams = SmallVec::new();
        each_written(from.block()?, |name| streams.push(name))?;
        let mut event_types = SmallVec::new();
        for _ in 0..from.u32()? {
            event_types.push(from.text()?);
        }
        from.option(Fields::text)?;
        let events = from.u32()? as usize;
        let events = from.bytes(events.checked_mul(EventPlace::WIDTH)?)?;
        Some(Self {
            number,
            running_hash,
            id,
            event_count,
            streams,
            event_types,
            events,
            file: from.rest(),
        })
    }

    /// Returns where each event lies; none when some event cannot be read in place.
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = Option<EventPlace>> {
        let places = self.events.chunks_exact(EventPlace::WIDTH);
        places.map(|place| EventPlace::read(&mut Fields::new(place)))
    }
}

/// One record; `bytes` of an arrival is a range of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Epoch {
        epoch: Epoch,
        generation: u64,
    },
    Arrived(Box<Arrived>),
    Vanished {
        id: TransactionId,
    },
    Generation {
        generation: u64,
    },
    Boot {
        boot_id: String,
    },
    Rebuilt,
    Directories {
        stamps: BTreeMap<String, Option<Stamp>>,
    },
    Rejected {
        seen: BTreeMap<String, Seen>,
    },
}

/// The record of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) number: u64,
    /// That of the journal up to and with this transaction.
    pub(crate) running_hash: RunningHash,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) stamp: FileStamp,
    pub(crate) content_hash: ContentHash,
    pub(crate) summary: Summary,
    pub(crate) bytes: Range<usize>,
}

impl Arrived {
    /// Returns the path below `events/` of the file.
    pub(crate) fn path(&self) -> String {
        self.place.path(self.summary.id)
    }
}

pub(crate) fn epoch(epoch: Epoch, generation: u64) -> Vec<u8> {
    let mut to = Writer::new(1);
    to.u64(epoch.as_u64()).u64(generation);
    to.finish()
}

/// Writes the record of an arrival; its `bytes` are given apart.
pub(crate) fn arrived(arrived: &Arrived, bytes: &[u8]) -> Vec<u8> {
    let mut to = Writer::new(2);
    to.u64(arrived.number).u64(arrived.running_hash.to_u64());
    to.byte(match arrived.origin {
        Origin::Appended => 1,
        Origin::Arrived => 2,
    });
    to.byte(match arrived.place {
        Place::Sharded => 1,
        Place::Flat => 2,
    });
    to.u64(arrived.stamp.0).hash(&arrived.content_hash);
    arrived.summary.write(&mut to);
    to.raw(bytes);
    to.finish()
}

pub(crate) fn vanished(id: TransactionId) -> Vec<u8> {
    let mut to = Writer::new(3);
    to.id(id);
    to.finish()
}

pub(crate) fn generation(generation: u64) -> Vec<u8> {
    let mut to = Writer::new(4);
    to.u64(generation);
    to.finish()
}

pub(crate) fn boot(boot_id: &str) -> Vec<u8> {
    let mut to = Writer::new(5);
    to.raw(boot_id.as_bytes());
    to.finish()
}

pub(crate) fn rebuilt() -> Vec<u8> {
    Writer::new(6).finish()
}

pub(crate) fn directories(stamps: &BTreeMap<String, Option<Stamp>>) -> Vec<u8> {
    let mut to = Writer::new(7);
    to.list(stamps.iter(), |to, (path, stamp)| {
        to.text(path);
        to.option(stamp.as_ref(), |to, stamp| stamp.write(to));
    });
    to.finish()
}

pub(crate) fn rejected(seen: &BTreeMap<String, Seen>) -> Vec<u8> {
    let mut to = Writer::new(8);
    write_seen(&mut to, seen);
    to.finish()
}

pub(crate) fn write_seen(to: &mut Writer, seen: &BTreeMap<String, Seen>) {
    to.list(seen.iter(), |to, (path, seen)| {
        to.text(path);
        to.option(seen.stamp, |to, stamp| _ = to.u64(stamp.0));
        to.byte(u8::from(seen.is_newer));
    });
}

pub(crate) fn read_seen(from: &mut Fields<'_>) -> Option<BTreeMap<String, Seen>> {
    from.list(|from| {
        let path = from.text()?.to_owned();
        let seen = Seen {
            stamp: from.option(|from| Some(FileStamp(from.u64()?)))?,
            is_newer: from.flag()?,
        };
        Some((path, seen))
    })
}

/// Reads a payload; `None` when it is not one that this version writes.
pub(crate) fn parse(payload: &[u8]) -> Option<Record> {
    let mut from = Fields::new(payload);
    let record = match from.byte()? {
        1 => Record::Epoch {
            epoch: Epoch::from_u64(from.u64()?),
            generation: from.u64()?,
        },
        2 => {
            return Some(Record::Arrived(Box::new(Arrived {
                number: from.u64()?,
                running_hash: RunningHash::from_u64(from.u64()?),
                origin: match from.byte()? {
                    1 => Origin::Appended,
                    2 => Origin::Arrived,
                    _ => return None,
                },
                place: match from.byte()? {
                    1 => Place::Sharded,
                    2 => Place::Flat,
                    _ => return None,
                },
                stamp: FileStamp(from.u64()?),
                content_hash: from.hash()?,
                summary: Summary::read(&mut from)?,
                bytes: payload.len() - from.rest().len()..payload.len(),
            })));
        }
        3 => Record::Vanished { id: from.id()? },
        4 => Record::Generation {
            generation: from.u64()?,
        },
        5 => {
            let boot_id = std::str::from_utf8(from.rest()).ok()?.to_owned();
            return Some(Record::Boot { boot_id });
        }
        6 => Record::Rebuilt,
        7 => Record::Directories {
            stamps: from.list(|from| {
                let path = from.text()?.to_owned();
                Some((path, from.option(Stamp::read)?))
            })?,
        },
        8 => Record::Rejected {
            seen: read_seen(&mut from)?,
        },
        _ => return None,
    };
    from.rest().is_empty().then_some(record)
}
