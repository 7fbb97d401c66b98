//! Merging segments that follow each other into one.

use std::collections::BTreeSet;
use std::path::Path;
use std::vec;

use fs_format::{ReplicaId, TransactionId};
use fs_io::Disk;

use super::table::{self, Linked, Section};
use super::write::Builder;
use super::{KeyCursor, Posting, Segment, SegmentError, SegmentId};

/// Entries of each part that are in memory at a time.
const CHUNK_ENTRIES: u64 = 1024;

/// Writes the transactions of `parts`, whose numbers ascend from part to part, without those in `dead`.
///
/// # Errors
/// [`SegmentError::Damaged`] for a part, [`SegmentError::Write`] for the new segment.
///
/// # Complexity
/// One pass over the parts. In memory are some entries of each, the postings of one stream, and the names.
pub(crate) fn merge(
    disk: &dyn Disk,
    temp: &Path,
    path: &Path,
    id: SegmentId,
    parts: &[&Segment],
    dead: &BTreeSet<u64>,
) -> Result<(), SegmentError> {
    let mut to = Builder::create(disk, temp, id)?;
    to.begin(Section::Transactions);
    for part in parts {
        let mut at = part.first_number();
        loop {
            let row = part.transactions_from(at, CHUNK_ENTRIES as usize)?;
            let Some(last) = row.last() else { break };
            at = last.number + 1;
            for it in row.iter().filter(|it| !dead.contains(&it.number)) {
                to.transaction(it)?;
            }
        }
    }
    to.begin(Section::Keys);
    let cursors = parts.iter().map(|part| KeyCursor::behind(part, None));
    let mut cursors: Vec<_> = cursors.collect::<Result<_, _>>()?;
    while let Some((nth, least)) = KeyCursor::least(&mut cursors)? {
        cursors[nth].advance();
        if !dead.contains(&least.1) {
            to.put(Section::Keys, &table::timed(least))?;
        }
    }
    to.begin(Section::Graph);
    each_linked(parts, dead, |_, linked| {
        to.linked(linked.content_hash, linked.links_len as usize)
    })?;
    to.begin(Section::Links);
    each_linked(parts, dead, |part, linked| {
        to.links(&part.links_at(linked)?)
    })?;
    for section in [Section::Ids, Section::Children, Section::Commands] {
        to.begin(section);
        let mut cursors: Vec<Pairs<'_>> = parts
            .iter()
            .map(|part| Pairs::new(part, section))
            .collect::<Result<_, _>>()?;
        while let Some(least) = least(&mut cursors)? {
            if !dead.contains(&least.1) {
                to.put(section, &table::pair(least.0, least.1))?;
            }
        }
    }
    to.begin(Section::Postings);
    let mut names = Names::new(parts, Section::Streams)?;
    while let Some((name, of)) = names.next()? {
        let mut postings = Vec::new();
        for (part, named) in of {
            part.each(Section::Postings, named.first, named.count, |bytes| {
                postings.push(table::read_posting(bytes)?);
                Some(())
            })?;
        }
        postings.retain(|posting| !dead.contains(&posting.number));
        sort(&mut postings, |number| {
            for part in parts {
                if let Some(found) = part.transaction(number)? {
                    return Ok(Some((found.replica_id, found.id)));
                }
            }
            Ok(None)
        })?;
        if !postings.is_empty() {
            to.stream(&name, &postings)?;
        }
    }
    to.begin(Section::TypeNumbers);
    let mut names = Names::new(parts, Section::Types)?;
    while let Some((name, of)) = names.next()? {
        let mut numbers = Vec::new();
        for (part, named) in of {
            part.each(Section::TypeNumbers, named.first, named.count, |bytes| {
                numbers.push(u64::from_le_bytes(bytes.try_into().ok()?));
                Some(())
            })?;
        }
        numbers.retain(|number| !dead.contains(number));
        if !numbers.is_empty() {
            to.event_type(&name, &numbers)?;
        }
    }
    to.finish(disk, temp, path)
}

/// Calls `each` with what the graph has of each transaction that is not in `dead`, by number.
fn each_linked(
    parts: &[&Segment],
    dead: &BTreeSet<u64>,
    mut each: impl FnMut(&Segment, &Linked) -> Result<(), SegmentError>,
) -> Result<(), SegmentError> {
    for part in parts {
        let mut at = part.first_number();
        loop {
            let rows = part.linked_from(at, CHUNK_ENTRIES as usize)?;
            let Some((last, _)) = rows.last() else { break };
            at = last.number + 1;
            for (row, linked) in &rows {
                if !dead.contains(&row.number) {
                    each(part, linked)?;
                }
            }
        }
    }
    Ok(())
}

/// Sorts who writes a stream by canonical key; `rest` tells what a key has behind the time, and is asked about ties
/// only.
pub(crate) fn sort<E>(
    postings: &mut [Posting],
    rest: impl Fn(u64) -> Result<Option<(ReplicaId, TransactionId)>, E>,
) -> Result<(), E> {
    if postings.is_sorted_by(|a, b| a.created_at < b.created_at) {
        return Ok(());
    }
    postings.sort_by_key(|posting| posting.created_at);
    for ties in postings.chunk_by_mut(|a, b| a.created_at == b.created_at) {
        if ties.len() > 1 {
            let mut keyed = Vec::with_capacity(ties.len());
            for posting in ties.iter() {
                keyed.push((rest(posting.number)?, *posting));
            }
            keyed.sort_by_key(|(key, _)| *key);
            for (place, (_, posting)) in ties.iter_mut().zip(keyed) {
                *place = posting;
            }
        }
    }
    Ok(())
}

type Pair = ([u8; 16], u64);

/// The pairs of one section of one part.
struct Pairs<'a> {
    part: &'a Segment,
    section: Section,
    at: u64,
    read: vec::IntoIter<Pair>,
    next: Option<Pair>,
}

impl<'a> Pairs<'a> {
    fn new(part: &'a Segment, section: Section) -> Result<Self, SegmentError> {
        let mut pairs = Self {
            part,
            section,
            at: 0,
            read: Vec::new().into_iter(),
            next: None,
        };
        pairs.advance()?;
        Ok(pairs)
    }

    fn advance(&mut self) -> Result<(), SegmentError> {
        if self.read.len() == 0 {
            let mut read = Vec::new();
            self.part
                .each(self.section, self.at, CHUNK_ENTRIES, |bytes| {
                    read.push(table::read_pair(bytes)?);
                    Some(())
                })?;
            self.at += CHUNK_ENTRIES;
            self.read = read.into_iter();
        }
        self.next = self.read.next();
        Ok(())
    }
}

/// Takes the least of the next pairs.
fn least(cursors: &mut [Pairs<'_>]) -> Result<Option<Pair>, SegmentError> {
    let least = cursors
        .iter_mut()
        .filter(|cursor| cursor.next.is_some())
        .min_by_key(|cursor| cursor.next);
    let Some(cursor) = least else {
        return Ok(None);
    };
    let pair = cursor.next;
    cursor.advance()?;
    Ok(pair)
}

/// A part, a place in its names, and the name at this place.
type Named<'a> = (&'a Segment, u64, Option<(table::Named, String)>);

/// The names of all parts, in byte order, each with the parts that have it.
struct Names<'a> {
    section: Section,
    parts: Vec<Named<'a>>,
}

type Shared<'a> = (String, Vec<(&'a Segment, table::Named)>);

impl<'a> Names<'a> {
    fn new(parts: &[&'a Segment], section: Section) -> Result<Self, SegmentError> {
        let parts = parts
            .iter()
            .map(|part| Ok((*part, 0, part.name_at(section, 0)?)))
            .collect::<Result<_, SegmentError>>()?;
        Ok(Self { section, parts })
    }

    fn next(&mut self) -> Result<Option<Shared<'a>>, SegmentError> {
        let heads = self.parts.iter().filter_map(|(_, _, next)| next.as_ref());
        let Some(name) = heads.map(|(_, name)| name).min().cloned() else {
            return Ok(None);
        };
        let mut of = Vec::new();
        for (part, at, next) in &mut self.parts {
            if let Some((named, _)) = next.take_if(|(_, next)| *next == name) {
                of.push((*part, named));
                *at += 1;
                *next = part.name_at(self.section, *at)?;
            }
        }
        Ok(Some((name, of)))
    }
}
