//! Fields of records and of the manifest: numbers little endian, texts and lists with their lengths before them.
//!
//! **Invariant**: reading never takes more memory than the bytes it reads from, and never panics.

use fs_format::{ContentHash, ReplicaId, StreamId, Timestamp, TransactionId};
use uuid::Uuid;

/// Fields being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts with a byte that says what follows.
    pub(crate) fn new(kind: u8) -> Self {
        Self { bytes: vec![kind] }
    }

    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn len(&mut self, len: usize) -> &mut Self {
        self.u32(u32::try_from(len).expect("lists and texts are bounded by the limit of a file"))
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.block(text.as_bytes())
    }

    pub(crate) fn id(&mut self, id: TransactionId) -> &mut Self {
        self.raw(id.as_uuid().as_bytes())
    }

    pub(crate) fn replica(&mut self, id: ReplicaId) -> &mut Self {
        self.raw(id.as_uuid().as_bytes())
    }

    pub(crate) fn hash(&mut self, hash: &ContentHash) -> &mut Self {
        self.raw(hash.as_bytes())
    }

    /// Writes whether there is something, and what.
    pub(crate) fn option<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) -> &mut Self {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.len(items.len());
        for item in items {
            write(self, item);
        }
        self
    }

    /// Writes bytes with their length before them.
    pub(crate) fn block(&mut self, bytes: &[u8]) -> &mut Self {
        self.len(bytes.len()).raw(bytes)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Fields being read; each is `None` when the bytes do not hold it.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn skip(&mut self, len: usize) -> Option<()> {
        self.bytes(len).map(drop)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads what [`Writer::block`] wrote.
    pub(crate) fn block(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.bytes(len)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.block()?).ok()
    }

    pub(crate) fn id(&mut self) -> Option<TransactionId> {
        TransactionId::from_uuid(Uuid::from_bytes(self.array()?)).ok()
    }

    pub(crate) fn replica(&mut self) -> Option<ReplicaId> {
        Some(ReplicaId::from_uuid(Uuid::from_bytes(self.array()?)))
    }

    pub(crate) fn hash(&mut self) -> Option<ContentHash> {
        self.array().map(ContentHash::from_bytes)
    }

    pub(crate) fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_unix_nanos(self.i64()?)
    }

    pub(crate) fn stream(&mut self) -> Option<StreamId> {
        StreamId::new(self.text()?).ok()
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Reads what [`Writer::option`] wrote.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }

    /// Reads what [`Writer::list`] wrote; a length is believed as far as items follow.
    pub(crate) fn list<T, C: FromIterator<T>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let len = self.u32()?;
        (0..len).map(|_| read(self)).collect()
    }
}
