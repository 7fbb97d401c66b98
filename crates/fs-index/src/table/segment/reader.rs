//! Reading a segment.

use std::path::Path;
use std::sync::Arc;

use fs_format::{CommandId, ContentHash, StreamId, TransactionId};
use fs_io::Disk;

use super::names::NameSearch;
use super::pages::{Nearby, PageCache, Pages};
use super::table::{self, Head, Linked, Named, Section, WIDEST};
use super::{GraphRow, Posting, SegmentError, SegmentId, TxRow};
use crate::links::Links;

/// Entries that are read at a time where all are read.
const CHUNK_ENTRIES: u64 = 256;

/// A segment on disk.
#[derive(Debug)]
pub(crate) struct Segment {
    pages: Pages,
    head: Head,
}

/// The postings of one stream in one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamRun {
    named: Named,
}

impl StreamRun {
    pub(super) fn new(named: Named) -> Self {
        Self { named }
    }

    /// Returns how many events they add.
    pub(crate) fn events(&self) -> u64 {
        self.named.events
    }
}

/// Returns where the links of a transaction end; `None` where no file is so long.
fn end_of(linked: &Linked) -> Option<u64> {
    linked.links_at.checked_add(u64::from(linked.links_len))
}

impl Segment {
    /// Opens the segment `id` at `path`; reads one page.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        id: SegmentId,
        cache: &Arc<PageCache>,
    ) -> Result<Self, SegmentError> {
        let pages = Pages::open(disk, path, id, cache)?;
        let mut bytes = [0; Head::LEN];
        pages.read(0, &mut bytes)?;
        let head = Head::decode(&bytes).filter(|head| head.id == id);
        let head = head.ok_or_else(|| pages.damaged())?;
        let end = pages
            .count()
            .saturating_mul(super::pages::PAYLOAD_BYTES as u64);
        for section in Section::ALL {
            let span = head.spans[section as usize];
            let len = span.count.checked_mul(section.width() as u64);
            let fits = len.and_then(|len| span.start.checked_add(len));
            if fits.is_none_or(|span_end| span_end > end) {
                return Err(pages.damaged());
            }
        }
        Ok(Self { pages, head })
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.pages.id()
    }

    /// Returns the number of transactions.
    pub(crate) fn len(&self) -> u64 {
        self.count(Section::Transactions)
    }

    pub(crate) fn first_number(&self) -> u64 {
        self.head.first_number
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.head.last_number
    }

    pub(crate) fn transaction(&self, number: u64) -> Result<Option<TxRow>, SegmentError> {
        if let Some((_, found)) = self.guess(number)? {
            return Ok(Some(found));
        }
        let at = self.place_of(number)?;
        Ok(self.row_at(at)?.filter(|row| row.number == number))
    }

    /// Returns up to `limit` transactions numbered `number` or higher, ascending.
    pub(crate) fn transactions_from(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<TxRow>, SegmentError> {
        let at = self.place_of(number)?;
        let mut found = Vec::new();
        self.each(Section::Transactions, at, limit as u64, |bytes| {
            found.push(table::read_row(bytes)?);
            Some(())
        })?;
        Ok(found)
    }

    /// Returns up to `limit` transactions numbered `number` or higher as the graph needs them, ascending.
    pub(crate) fn graph_from(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<GraphRow>, SegmentError> {
        let found = self.linked_from(number, limit)?;
        // The links of transactions that follow each other do so too.
        let first = found.first().map_or(0, |(_, linked)| linked.links_at);
        let end = found.last().map_or(Some(0), |(_, it)| end_of(it));
        let all = end.and_then(|end| self.links_between(first, end).transpose());
        let all = all.ok_or_else(|| self.pages.damaged())??;
        let row = |(row, linked): (TxRow, Linked)| {
            let start = usize::try_from(linked.links_at.checked_sub(first)?).ok()?;
            let links = all.get(start..)?.get(..linked.links_len as usize)?;
            Some(GraphRow {
                row,
                content_hash: linked.content_hash,
                links: Links::decode(links)?,
            })
        };
        let rows = found.into_iter().map(row).collect::<Option<_>>();
        rows.ok_or_else(|| self.pages.damaged())
    }

    /// Returns up to `limit` transactions numbered `number` or higher, ascending, each with its content hash.
    pub(crate) fn hashes_from(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<(TxRow, ContentHash)>, SegmentError> {
        let linked = self.linked_from(number, limit)?.into_iter();
        Ok(linked.map(|(row, it)| (row, it.content_hash)).collect())
    }

    /// Returns up to `limit` transactions numbered `number` or higher, ascending, each with where its links lie.
    pub(super) fn linked_from(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<(TxRow, Linked)>, SegmentError> {
        let at = self.place_of(number)?;
        let mut rows = Vec::new();
        self.each(Section::Transactions, at, limit as u64, |bytes| {
            rows.push(table::read_row(bytes)?);
            Some(())
        })?;
        let mut linked = Vec::with_capacity(rows.len());
        self.each(Section::Graph, at, limit as u64, |bytes| {
            linked.push(table::read_linked(bytes)?);
            Some(())
        })?;
        match rows.len() == linked.len() {
            true => Ok(rows.into_iter().zip(linked).collect()),
            false => Err(self.pages.damaged()),
        }
    }

    /// Returns the links of a transaction as they are written.
    pub(super) fn links_at(&self, linked: &Linked) -> Result<Vec<u8>, SegmentError> {
        let end = end_of(linked).ok_or_else(|| self.pages.damaged())?;
        let links = self.links_between(linked.links_at, end)?;
        links.ok_or_else(|| self.pages.damaged())
    }

    /// Returns the links between two places of their section; `None` where it does not reach so far.
    fn links_between(&self, start: u64, end: u64) -> Result<Option<Vec<u8>>, SegmentError> {
        let span = self.head.spans[Section::Links as usize];
        let len = end.checked_sub(start).filter(|_| end <= span.count);
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else {
            return Ok(None);
        };
        let mut links = vec![0; len];
        self.pages.read(span.start + start, &mut links)?;
        Ok(Some(links))
    }

    /// Returns the numbers that a transaction has had, ascending.
    pub(crate) fn numbers_of(&self, id: TransactionId) -> Result<Vec<u64>, SegmentError> {
        self.numbers(Section::Ids, table::key_of(id))
    }

    /// Returns the transactions with ids between two, both included, with their numbers.
    pub(crate) fn ids_between(
        &self,
        low: u128,
        high: u128,
    ) -> Result<Vec<(TransactionId, u64)>, SegmentError> {
        let (low, high) = (low.to_be_bytes(), high.to_be_bytes());
        let first = self.first_pair(Section::Ids, low)?;
        let mut found = Vec::new();
        let mut at = first;
        loop {
            let mut ended = true;
            self.each(Section::Ids, at, CHUNK_ENTRIES, |bytes| {
                let (key, number) = table::read_pair(bytes)?;
                ended = key > high;
                if !ended {
                    found.push((table::id_of(key)?, number));
                }
                Some(())
            })?;
            at += CHUNK_ENTRIES;
            if ended || at >= self.count(Section::Ids) {
                return Ok(found);
            }
        }
    }

    /// Returns the numbers of those who have `parent` as a parent.
    pub(crate) fn children(&self, parent: TransactionId) -> Result<Vec<u64>, SegmentError> {
        self.numbers(Section::Children, table::key_of(parent))
    }

    /// Returns the numbers of those who may have this command id.
    pub(crate) fn commands(&self, id: &CommandId) -> Result<Vec<u64>, SegmentError> {
        self.numbers(Section::Commands, table::command_key(id))
    }

    /// Returns every command's key and the number of its transaction, by both.
    pub(crate) fn command_pairs(&self) -> Result<Vec<([u8; 16], u64)>, SegmentError> {
        let mut pairs = Vec::new();
        self.each(Section::Commands, 0, u64::MAX, |bytes| {
            pairs.push(table::read_pair(bytes)?);
            Some(())
        })?;
        Ok(pairs)
    }

    /// Returns the numbers of those with events of a type, ascending.
    pub(crate) fn numbers_of_type(&self, event_type: &str) -> Result<Vec<u64>, SegmentError> {
        let named = NameSearch::new(self, Section::Types).find(event_type)?;
        let mut numbers = Vec::new();
        if let Some(named) = named {
            self.each(Section::TypeNumbers, named.first, named.count, |bytes| {
                numbers.push(u64::from_le_bytes(bytes.try_into().ok()?));
                Some(())
            })?;
        }
        Ok(numbers)
    }

    /// Returns a search of the streams.
    pub(crate) fn stream_search(&self) -> NameSearch<'_> {
        NameSearch::new(self, Section::Streams)
    }

    /// Returns who writes a stream, in order of the canonical key.
    pub(super) fn postings_in(
        &self,
        pages: &mut Nearby<'_>,
        run: &StreamRun,
    ) -> Result<Vec<Posting>, SegmentError> {
        let (first, count) = (run.named.first, run.named.count);
        let mut found = Vec::new();
        self.each_in(pages, Section::Postings, first, count, |bytes| {
            found.push(table::read_posting(bytes)?);
            Some(())
        })?;
        Ok(found)
    }

    /// Returns the streams whose ids start with `prefix`, in byte order.
    pub(crate) fn streams_with_prefix(&self, prefix: &str) -> Result<Vec<StreamId>, SegmentError> {
        let mut at = self.stream_search().first(prefix)?;
        let mut found = Vec::new();
        while let Some((_, name)) = self.name_at(Section::Streams, at)? {
            if !name.starts_with(prefix) {
                break;
            }
            found.push(StreamId::new(name).map_err(|_| self.pages.damaged())?);
            at += 1;
        }
        Ok(found)
    }

    /// Returns up to `limit` streams behind a name, or the first, in byte order.
    pub(crate) fn streams_behind(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StreamId>, SegmentError> {
        let mut at = self.stream_search().first(after.unwrap_or(""))?;
        let mut found = Vec::new();
        while found.len() < limit {
            let Some((_, name)) = self.name_at(Section::Streams, at)? else {
                break;
            };
            if Some(name.as_str()) != after {
                found.push(StreamId::new(name).map_err(|_| self.pages.damaged())?);
            }
            at += 1;
        }
        Ok(found)
    }

    /// Returns the name at a place of a section of names, with what belongs to it; `None` at the end.
    pub(super) fn name_at(
        &self,
        section: Section,
        at: u64,
    ) -> Result<Option<(Named, String)>, SegmentError> {
        let Some(bytes) = self.entry(section, at)? else {
            return Ok(None);
        };
        let (named, (begin, len)) = self.name_in(&bytes[..section.width()])?;
        let mut name = vec![0; len];
        self.pages.read(begin, &mut name)?;
        let name = String::from_utf8(name).map_err(|_| self.pages.damaged())?;
        Ok(Some((named, name)))
    }

    /// Returns what an entry of names says, and where its name begins and how long it is.
    pub(super) fn name_in(&self, entry: &[u8]) -> Result<(Named, (u64, usize)), SegmentError> {
        let named = table::read_named(entry).ok_or_else(|| self.pages.damaged())?;
        let names = self.head.spans[Section::Names as usize];
        let end = named.name_at.checked_add(u64::from(named.name_len));
        if end.is_none_or(|end| end > names.count) {
            return Err(self.pages.damaged());
        }
        Ok((
            named,
            (names.start + named.name_at, named.name_len as usize),
        ))
    }

    pub(super) fn count(&self, section: Section) -> u64 {
        self.head.spans[section as usize].count
    }

    /// Calls `with` with up to `count` entries from `first` on; `None` from it is damage.
    pub(super) fn each(
        &self,
        section: Section,
        first: u64,
        count: u64,
        with: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), SegmentError> {
        self.each_in(&mut self.nearby(), section, first, count, with)
    }

    /// As [`Segment::each`], by a reader whose page may be at hand.
    fn each_in(
        &self,
        pages: &mut Nearby<'_>,
        section: Section,
        first: u64,
        count: u64,
        mut with: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), SegmentError> {
        let span = self.head.spans[section as usize];
        let width = section.width();
        let mut at = first.min(span.count);
        let end = at.saturating_add(count).min(span.count);
        let mut bytes = vec![0; width * CHUNK_ENTRIES.min(end - at) as usize];
        while at < end {
            let now = CHUNK_ENTRIES.min(end - at);
            let part = &mut bytes[..width * now as usize];
            pages.read(span.start + at * width as u64, part)?;
            for entry in part.chunks_exact(width) {
                with(entry).ok_or_else(|| self.pages.damaged())?;
            }
            at += now;
        }
        Ok(())
    }

    /// Returns where the entry at a place of a section begins; `None` at the end.
    pub(super) fn place_in(&self, section: Section, at: u64) -> Option<u64> {
        let span = self.head.spans[section as usize];
        (at < span.count).then(|| span.start + at * section.width() as u64)
    }

    /// Returns a reader for bytes that lie close to each other.
    pub(super) fn nearby(&self) -> Nearby<'_> {
        self.pages.nearby()
    }

    pub(super) fn damaged(&self) -> SegmentError {
        self.pages.damaged()
    }

    pub(super) fn entry(
        &self,
        section: Section,
        at: u64,
    ) -> Result<Option<[u8; WIDEST]>, SegmentError> {
        let Some(place) = self.place_in(section, at) else {
            return Ok(None);
        };
        let mut bytes = [0; WIDEST];
        self.pages.read(place, &mut bytes[..section.width()])?;
        Ok(Some(bytes))
    }

    fn row_at(&self, at: u64) -> Result<Option<TxRow>, SegmentError> {
        let Some(bytes) = self.entry(Section::Transactions, at)? else {
            return Ok(None);
        };
        let row = table::read_row(&bytes);
        row.map(Some).ok_or_else(|| self.pages.damaged())
    }

    /// Returns a transaction with its place where no number before it is missing.
    fn guess(&self, number: u64) -> Result<Option<(u64, TxRow)>, SegmentError> {
        let Some(at) = number.checked_sub(self.head.first_number) else {
            return Ok(None);
        };
        let found = self.row_at(at)?;
        let found = found.filter(|found| found.number == number);
        Ok(found.map(|found| (at, found)))
    }

    /// Returns the place of the first transaction numbered `number` or higher.
    fn place_of(&self, number: u64) -> Result<u64, SegmentError> {
        if let Some((at, _)) = self.guess(number)? {
            return Ok(at);
        }
        self.search(self.len(), |at| {
            let found = self.row_at(at)?;
            Ok(found.is_none_or(|found| found.number >= number))
        })
    }

    fn numbers(&self, section: Section, key: [u8; 16]) -> Result<Vec<u64>, SegmentError> {
        let mut at = self.first_pair(section, key)?;
        let mut numbers = Vec::new();
        while let Some(bytes) = self.entry(section, at)? {
            let pair = table::read_pair(&bytes).ok_or_else(|| self.pages.damaged())?;
            if pair.0 != key {
                break;
            }
            numbers.push(pair.1);
            at += 1;
        }
        Ok(numbers)
    }

    /// Returns the place of the first pair whose key is `key` or greater.
    fn first_pair(&self, section: Section, key: [u8; 16]) -> Result<u64, SegmentError> {
        let count = self.count(section);
        // Most ids that are asked for are newer than all that are here.
        if let Some(last) = self.entry(section, count.saturating_sub(1))?
            && last[..16] < key[..]
        {
            return Ok(count);
        }
        self.search(count, |at| {
            let entry = self.entry(section, at)?;
            Ok(entry.is_none_or(|entry| entry[..16] >= key[..]))
        })
    }

    /// Returns the first of `count` places for which `is_there` holds; from there on it holds for all.
    pub(super) fn search(
        &self,
        count: u64,
        mut is_there: impl FnMut(u64) -> Result<bool, SegmentError>,
    ) -> Result<u64, SegmentError> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_there(middle)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}
