//! The bytes of the log: two heads in turn, a mark, then frames, each at the start of a slot of 4 KiB.
//!
//! ```text
//! slot 0 | "triblog" 0x02 | generation 16 | slots u32 | two sites, each a length u16 and a text | zeros | crc32 of all before |   of even generations
//! slot 1 | the same                                                                                                          |   of odd ones
//! slot 2 | "tribsus" 0x01, once a sync has failed                                                                            |
//! slot n | "tribfrm" 0x01 | generation 16 | slot u32 | length u32 | boot 16 | written i64 | count u32 | crc32 of all else | records |
//!          a record: transaction id 16 | length u32 | the bytes of its file
//! ```
//! The first site is that of the store's directory, the second that of the log's own file ([`Site`]). A head has 512 bytes, a sector.
//! Numbers are little endian. What a frame leaves of its last slot is zeros.
//!
//! **Invariant**: a frame is believed as a whole or not at all, and only at the slot and in the generation that it names. No two frames share a
//! slot, so that a write which the power cuts off cannot harm what was synced before it.

use fs_format::TransactionId;
use fs_io::{MAX_SITE_BYTES, Site};
use uuid::Uuid;

/// Bytes of a slot: a page, so that no write of a frame touches a page with another one in it.
pub(super) const SLOT: usize = 4096;

const LOG_MAGIC: [u8; 7] = *b"triblog";
/// The format of the log. A log of another layout gets another name; a higher number under this one is a newer version's.
pub(super) const LOG_FORMAT: u8 = 2;
const FRAME_MAGIC: [u8; 8] = *b"tribfrm\x01";
/// Bytes of a head, the checksum included.
const LOG_HEAD: usize = 512;
const SUSPECT_MAGIC: [u8; 8] = *b"tribsus\x01";
const SUSPECT_SLOT: u32 = 2;
/// The first slot of a frame.
pub(super) const FIRST_FRAME: u32 = 3;
/// Bytes of heads and mark.
pub(super) const FRONT: usize = SUSPECT_SLOT as usize * SLOT + SUSPECT_MAGIC.len();
/// Bytes of a frame before its records.
pub(super) const FRAME_HEAD: usize = 64;
const RECORD_HEAD: usize = 20;

/// A transaction: its id and the bytes of its file.
pub(crate) type Body<'a> = (TransactionId, &'a [u8]);

/// The bytes that a boot of the machine is told by.
pub(super) type Mark = [u8; 16];

/// The log from one time of being empty to the next: counted up, and random, so that it is not taken for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) nonce: u64,
}

/// What stands before the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// The head of the newest generation: the other one stands while this one is written.
    pub(super) head: Option<LogHead>,
    pub(super) trust: Trust,
    /// The format of a head that is of a newer version: one whose checksum is right, or any where no head is of this version.
    pub(super) newer: Option<u8>,
}

/// Whether what is read from a log is what would survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Sound,
    /// A sync of it has failed, so it may not be.
    Suspect,
}

/// What is said of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogHead {
    pub(super) generation: Generation,
    /// How many slots there are, the first included.
    pub(super) slots: u32,
    /// Where the store was when the generation began.
    pub(super) directory: Site,
    /// The log's own file.
    pub(super) file: Site,
}

/// The head of a frame that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) generation: Generation,
    pub(super) slot: u32,
    pub(super) boot: Mark,
    /// When it was written, in nanoseconds since 1970.
    pub(super) written: i64,
    /// Its transactions: each with where its bytes lie in the log.
    pub(super) records: Vec<Record>,
    pub(super) len: usize,
}

/// A transaction in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) id: TransactionId,
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl Front {
    /// Reads the first [`FRONT`] bytes of a log.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let slots = [bytes.get(..LOG_HEAD), bytes.get(SLOT..SLOT + LOG_HEAD)];
        let slots = slots.into_iter().flatten();
        let head = slots.clone().filter_map(LogHead::parse);
        let head = head.max_by_key(|head| head.generation);
        // Beside a head of this version, the number alone may be a flipped bit.
        let believed = slots.filter(|slot| head.is_none() || is_sealed(slot));
        let formats = believed.filter_map(|slot| slot.strip_prefix(&LOG_MAGIC)?.first().copied());
        let mark = bytes.get(SUSPECT_SLOT as usize * SLOT..);
        Self {
            newer: formats.max().filter(|format| *format > LOG_FORMAT),
            head,
            trust: match mark {
                Some(mark) if mark.starts_with(&SUSPECT_MAGIC) => Trust::Suspect,
                _ => Trust::Sound,
            },
        }
    }

    /// Returns the mark of a log that a sync has failed on, and where it is written.
    pub(super) fn suspicion() -> (u64, [u8; 8]) {
        (offset_of(SUSPECT_SLOT), SUSPECT_MAGIC)
    }
}

/// Returns whether the last bytes of a head are the checksum of the others, in whatever format.
fn is_sealed(head: &[u8]) -> bool {
    let parts = head.split_last_chunk();
    parts.is_some_and(|(before, checksum)| crc32fast::hash(before).to_le_bytes() == *checksum)
}

impl LogHead {
    /// Returns where the head is written: never over the one of the generation before.
    pub(super) fn offset(&self) -> u64 {
        (self.generation.number % 2) * SLOT as u64
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LOG_HEAD);
        bytes.extend_from_slice(&LOG_MAGIC);
        bytes.push(LOG_FORMAT);
        bytes.extend_from_slice(&self.generation.number.to_le_bytes());
        bytes.extend_from_slice(&self.generation.nonce.to_le_bytes());
        bytes.extend_from_slice(&self.slots.to_le_bytes());
        for site in [&self.directory, &self.file] {
            let text = site.to_string();
            let len = u16::try_from(text.len()).expect("the text of a site is bounded");
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.resize(LOG_HEAD - 4, 0);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a head; `None` when the bytes are none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..LOG_HEAD)?;
        let mut fields = Fields(bytes);
        let magic: [u8; 7] = fields.array()?;
        let [format] = fields.array()?;
        let head = Self {
            generation: fields.generation()?,
            slots: fields.u32()?,
            directory: fields.site()?,
            file: fields.site()?,
        };
        let is_ours = magic == LOG_MAGIC && format == LOG_FORMAT;
        (is_ours && head.encode() == bytes).then_some(head)
    }
}

impl Frame {
    /// Returns how many slots these transactions take as one frame.
    pub(super) fn slots_for(transactions: &[Body<'_>]) -> u32 {
        slots(FRAME_HEAD + records_len(transactions))
    }

    /// Returns how many slots this frame takes.
    pub(super) fn slots(&self) -> u32 {
        slots(FRAME_HEAD + self.len)
    }

    /// Makes the bytes of one frame of these transactions: whole slots.
    pub(super) fn encode(
        generation: Generation,
        slot: u32,
        boot: Mark,
        written: i64,
        transactions: &[Body<'_>],
    ) -> Vec<u8> {
        let len = records_len(transactions);
        let size = slots(FRAME_HEAD + len) as usize * SLOT;
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(&FRAME_MAGIC);
        bytes.extend_from_slice(&generation.number.to_le_bytes());
        bytes.extend_from_slice(&generation.nonce.to_le_bytes());
        bytes.extend_from_slice(&slot.to_le_bytes());
        bytes.extend_from_slice(&length(len).to_le_bytes());
        bytes.extend_from_slice(&boot);
        bytes.extend_from_slice(&written.to_le_bytes());
        bytes.extend_from_slice(&length(transactions.len()).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for (id, body) in transactions {
            bytes.extend_from_slice(id.as_uuid().as_bytes());
            bytes.extend_from_slice(&length(body.len()).to_le_bytes());
            bytes.extend_from_slice(body);
        }
        let checksum = checksum(&bytes[..FRAME_HEAD], &bytes[FRAME_HEAD..]);
        bytes[FRAME_HEAD - 4..FRAME_HEAD].copy_from_slice(&checksum.to_le_bytes());
        bytes.resize(size, 0);
        bytes
    }

    /// Returns how long the records are of the frame of `generation` whose head this seems to be, unchecked.
    pub(super) fn announced(head: &[u8], generation: Generation) -> Option<usize> {
        let mut fields = Fields(head.get(..FRAME_HEAD)?);
        let is_one = fields.array()? == FRAME_MAGIC && fields.generation()? == generation;
        fields.u32()?;
        let len = fields.u32()?;
        is_one.then_some(len as usize)
    }

    /// Reads the frame at the front of `bytes`, which were read from `slot`; `None` when there is none, or one that is not whole.
    pub(super) fn parse(bytes: &[u8], slot: u32) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(FRAME_HEAD)?;
        let mut fields = Fields(head);
        let magic = fields.array()?;
        let generation = fields.generation()?;
        let (at, len) = (fields.u32()?, fields.u32()? as usize);
        let payload = rest.get(..len)?;
        let (boot, written, count) = (
            fields.array()?,
            i64::from_le_bytes(fields.array()?),
            fields.u32()?,
        );
        if magic != FRAME_MAGIC || at != slot || fields.u32()? != checksum(head, payload) {
            return None;
        }
        let mut records = Vec::new();
        let mut fields = Fields(payload);
        for _ in 0..count {
            let id = TransactionId::from_uuid(Uuid::from_bytes(fields.array()?)).ok()?;
            let len = fields.u32()? as usize;
            let before = payload.len() - fields.0.len();
            fields.take(len)?;
            let offset = offset_of(slot) + (FRAME_HEAD + before) as u64;
            records.push(Record { id, offset, len });
        }
        fields.0.is_empty().then_some(Self {
            generation,
            slot,
            boot,
            written,
            records,
            len,
        })
    }
}

/// Returns where a slot begins.
pub(super) fn offset_of(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}

fn slots(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(SLOT)).expect("a frame is bounded far below the range of a u32")
}

fn records_len(transactions: &[Body<'_>]) -> usize {
    transactions
        .iter()
        .map(|(_, body)| RECORD_HEAD + body.len())
        .sum()
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("a frame is bounded far below the range of a u32")
}

/// Hashes a head without its checksum, and what follows it.
fn checksum(head: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..head.len() - 4]);
    hasher.update(rest);
    hasher.finalize()
}

/// Bytes that are read from the front.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn site(&mut self) -> Option<Site> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        let text = self.take(len).filter(|_| len <= MAX_SITE_BYTES)?;
        Site::parse(std::str::from_utf8(text).ok()?)
    }

    pub(super) fn generation(&mut self) -> Option<Generation> {
        let number = u64::from_le_bytes(self.array()?);
        let nonce = u64::from_le_bytes(self.array()?);
        Some(Generation { number, nonce })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GENERATION: Generation = Generation {
        number: 7,
        nonce: 9,
    };

    fn transactions(bodies: &[Vec<u8>]) -> Vec<Body<'_>> {
        let id = |n| TransactionId::from_parts(n, [3; 10]);
        (0..)
            .map(id)
            .zip(bodies.iter().map(Vec::as_slice))
            .collect()
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 1..4), slot in 1u32..1000, written: i64) {
            let transactions = transactions(&bodies);
            let bytes = Frame::encode(GENERATION, slot, [5; 16], written, &transactions);
            let frame = Frame::parse(&bytes, slot).unwrap();
            prop_assert_eq!((frame.generation, frame.boot, frame.written, frame.slot), (GENERATION, [5; 16], written, slot));
            prop_assert_eq!(bytes.len(), frame.slots() as usize * SLOT, "it fills whole slots");
            prop_assert_eq!(frame.slots(), Frame::slots_for(&transactions));
            for (record, transaction) in frame.records.iter().zip(&transactions) {
                let at = usize::try_from(record.offset - offset_of(slot)).unwrap();
                prop_assert_eq!(record.id, transaction.0);
                prop_assert_eq!(&bytes[at..at + record.len], transaction.1, "a record says where its bytes lie");
            }
            prop_assert!(Frame::parse(&bytes, slot + 1).is_none(), "in another place it is not believed");
        }

        #[test]
        fn a_changed_byte_is_noticed(body in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = Frame::encode(GENERATION, 1, [5; 16], 1, &transactions(std::slice::from_ref(&body)));
            bytes[at.index(FRAME_HEAD + RECORD_HEAD + body.len())] ^= 1 << bit;
            prop_assert!(Frame::parse(&bytes, 1).is_none(), "a frame is believed as a whole or not at all");
        }

        #[test]
        fn garbage_is_no_frame(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Frame::parse(&bytes, 1).is_none());
            prop_assert!(LogHead::parse(&bytes).is_none());
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = LogHead {
            generation: GENERATION,
            slots: 16,
            directory: Site::parse("boot=b machine=m device=1 inode=2 born=3").unwrap(),
            file: Site::parse("inode=4").unwrap(),
        };
        let mut bytes = head.encode();
        assert_eq!(bytes.len(), LOG_HEAD, "the length is fixed");
        assert_eq!(LogHead::parse(&bytes), Some(head));
        for at in 0..LOG_HEAD {
            bytes[at] ^= 1;
            assert_eq!(LogHead::parse(&bytes), None, "byte {at} is covered");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let head = LogHead {
            generation: GENERATION,
            slots: 16,
            directory: Site::default(),
            file: Site::default(),
        };
        let whole = head.encode();
        let mut newer = whole.clone();
        newer[7] = LOG_FORMAT + 1;
        let front = |slots: [&[u8]; 2]| {
            let mut bytes = vec![0; FRONT];
            bytes[..LOG_HEAD].copy_from_slice(slots[0]);
            bytes[SLOT..SLOT + LOG_HEAD].copy_from_slice(slots[1]);
            Front::parse(&bytes)
        };
        let none = [0; LOG_HEAD];
        assert_eq!(front([&newer, &none]).newer, Some(LOG_FORMAT + 1));
        assert_eq!(front([&none, &newer]).newer, Some(LOG_FORMAT + 1));
        let rotten = front([&newer, &whole]);
        assert_eq!(
            (rotten.head.is_some(), rotten.newer),
            (true, None),
            "the number alone is damage beside a head that is whole"
        );
        let checksum = crc32fast::hash(&newer[..LOG_HEAD - 4]).to_le_bytes();
        newer[LOG_HEAD - 4..].copy_from_slice(&checksum);
        for slots in [[&newer, &whole], [&whole, &newer]] {
            assert_eq!(
                front(slots.map(Vec::as_slice)).newer,
                Some(LOG_FORMAT + 1),
                "a newer version may have written one head so far"
            );
        }
        assert_eq!(front([&none, &none]).newer, None);
    }
}
