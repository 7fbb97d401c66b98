//! Writing a segment.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use fs_format::{ContentHash, StreamId};
use fs_io::Disk;

use super::pages::PageWriter;
use super::table::{self, Head, Linked, Named, Section};
use super::{Entry, Posting, SegmentError, SegmentId, TxRow};

/// Writes a segment of transactions, which come by number, as `temp` and gives it the name `path`.
///
/// Nothing is synced: what a power cut damages is noticed.
///
/// # Errors
/// [`SegmentError::Write`]; nothing has the name `path` then.
///
/// # Complexity
/// O(n log n) for n entries.
pub(crate) fn write(
    disk: &dyn Disk,
    temp: &Path,
    path: &Path,
    id: SegmentId,
    entries: &[&Entry],
) -> Result<(), SegmentError> {
    let mut to = Builder::create(disk, temp, id)?;
    to.begin(Section::Transactions);
    for entry in entries {
        to.transaction(&TxRow::of(entry))?;
    }
    let mut by_key: Vec<&Entry> = entries.to_vec();
    by_key.sort_by_key(|entry| (entry.created_at, entry.replica_id, entry.id));
    to.begin(Section::Keys);
    for entry in &by_key {
        let timed = table::timed((entry.created_at, entry.number));
        to.put(Section::Keys, &timed)?;
    }
    let mut links = Vec::new();
    to.begin(Section::Graph);
    for entry in entries {
        let encoded = entry.links.encode();
        to.linked(entry.content_hash, encoded.len())?;
        links.extend(encoded);
    }
    to.begin(Section::Links);
    to.links(&links)?;
    let pairs = |of: &dyn Fn(&Entry, &mut Vec<table::Bytes24>)| {
        let mut pairs = Vec::with_capacity(entries.len());
        entries.iter().for_each(|entry| of(entry, &mut pairs));
        // As numbers, not as they lie on disk, among those of one key.
        pairs.sort_unstable_by_key(|pair| table::read_pair(pair));
        pairs
    };
    let ids = pairs(&|entry, pairs| pairs.push(table::pair(table::key_of(entry.id), entry.number)));
    to.section(Section::Ids, &ids)?;
    let children = pairs(&|entry, pairs| {
        let parents = entry.links.parents.iter();
        pairs.extend(parents.map(|parent| table::pair(table::key_of(*parent), entry.number)));
    });
    to.section(Section::Children, &children)?;
    let commands = pairs(&|entry, pairs| {
        let command = entry.command_id.iter();
        pairs.extend(command.map(|id| table::pair(table::command_key(id), entry.number)));
    });
    to.section(Section::Commands, &commands)?;

    let mut streams: HashMap<&StreamId, Vec<Posting>> = HashMap::new();
    for entry in by_key {
        for (stream_id, count) in &entry.writes {
            streams.entry(stream_id).or_default().push(Posting {
                created_at: entry.created_at,
                number: entry.number,
                count: *count,
            });
        }
    }
    let mut streams: Vec<_> = streams.into_iter().collect();
    streams.sort_unstable_by_key(|(stream_id, _)| *stream_id);
    to.begin(Section::Postings);
    for (stream_id, postings) in streams {
        to.stream(stream_id.as_str(), &postings)?;
    }
    let mut types: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for entry in entries {
        for event_type in &entry.event_types {
            types.entry(event_type).or_default().push(entry.number);
        }
    }
    to.begin(Section::TypeNumbers);
    for (event_type, numbers) in types {
        to.event_type(event_type, &numbers)?;
    }
    to.finish(disk, temp, path)
}

/// A segment that is being written, section by section.
pub(super) struct Builder {
    pages: PageWriter,
    head: Head,
    /// How many bytes the links of the transactions so far have.
    links_end: u64,
    names: Vec<u8>,
    streams: Vec<Named>,
    types: Vec<Named>,
}

impl Builder {
    pub(super) fn create(
        disk: &dyn Disk,
        temp: &Path,
        id: SegmentId,
    ) -> Result<Self, SegmentError> {
        Ok(Self {
            pages: PageWriter::create(disk, temp, id)?,
            head: Head {
                id,
                ..Head::default()
            },
            links_end: 0,
            names: Vec::new(),
            streams: Vec::new(),
            types: Vec::new(),
        })
    }

    /// Starts a section; all that is written from here on belongs to it.
    pub(super) fn begin(&mut self, section: Section) {
        self.head.spans[section as usize].start = self.pages.place();
    }

    pub(super) fn put(&mut self, section: Section, entry: &[u8]) -> Result<(), SegmentError> {
        self.head.spans[section as usize].count += 1;
        self.pages.push(entry)
    }

    fn section<B: AsRef<[u8]>>(
        &mut self,
        section: Section,
        entries: &[B],
    ) -> Result<(), SegmentError> {
        self.begin(section);
        for entry in entries {
            self.put(section, entry.as_ref())?;
        }
        Ok(())
    }

    pub(super) fn transaction(&mut self, row: &TxRow) -> Result<(), SegmentError> {
        if self.head.spans[Section::Transactions as usize].count == 0 {
            self.head.first_number = row.number;
        }
        self.head.last_number = row.number;
        self.put(Section::Transactions, &table::row(row))
    }

    /// Writes the content hash of the next transaction, whose links have so many bytes.
    pub(super) fn linked(
        &mut self,
        content_hash: ContentHash,
        links_len: usize,
    ) -> Result<(), SegmentError> {
        let linked = Linked {
            content_hash,
            links_at: self.links_end,
            links_len: u32::try_from(links_len)
                .expect("links are bounded by the limit of a header"),
        };
        self.links_end += links_len as u64;
        self.put(Section::Graph, &table::linked(&linked))
    }

    /// Writes the links of transactions, in the order of their numbers.
    pub(super) fn links(&mut self, links: &[u8]) -> Result<(), SegmentError> {
        self.head.spans[Section::Links as usize].count += links.len() as u64;
        self.pages.push(links)
    }

    /// Writes the postings of the next stream in byte order.
    pub(super) fn stream(&mut self, name: &str, postings: &[Posting]) -> Result<(), SegmentError> {
        let first = self.head.spans[Section::Postings as usize].count;
        for posting in postings {
            self.put(Section::Postings, &table::posting(posting))?;
        }
        let events = postings.iter().map(|posting| posting.count).sum();
        let named = self.name(name, first, postings.len() as u64, events);
        self.streams.push(named);
        Ok(())
    }

    /// Writes the numbers of the next event type in byte order.
    pub(super) fn event_type(&mut self, name: &str, numbers: &[u64]) -> Result<(), SegmentError> {
        let first = self.head.spans[Section::TypeNumbers as usize].count;
        for number in numbers {
            self.put(Section::TypeNumbers, &number.to_le_bytes())?;
        }
        let named = self.name(name, first, numbers.len() as u64, 0);
        self.types.push(named);
        Ok(())
    }

    fn name(&mut self, name: &str, first: u64, count: u64, events: u64) -> Named {
        let name_at = self.names.len() as u64;
        self.names.extend_from_slice(name.as_bytes());
        Named {
            name_at,
            name_len: u32::try_from(name.len()).expect("names are bounded by the limit of a file"),
            first,
            count,
            events,
        }
    }

    /// Writes the names and the head, and gives the file its name.
    pub(super) fn finish(
        mut self,
        disk: &dyn Disk,
        temp: &Path,
        path: &Path,
    ) -> Result<(), SegmentError> {
        let streams: Vec<_> = self.streams.iter().map(table::named).collect();
        self.section(Section::Streams, &streams)?;
        let types: Vec<_> = self.types.iter().map(table::named).collect();
        self.section(Section::Types, &types)?;
        self.begin(Section::Names);
        self.head.spans[Section::Names as usize].count = self.names.len() as u64;
        self.pages.push(&self.names)?;
        self.pages.finish(&self.head.encode())?;
        disk.rename_over(temp, path)
            .map_err(|source| SegmentError::Write {
                path: path.to_owned(),
                source,
            })
    }
}
