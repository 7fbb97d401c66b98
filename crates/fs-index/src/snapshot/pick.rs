//! Picking the events that are wanted out of what was read, without copying them.
//!
//! **Invariant**: what was picked stays what it is, whatever becomes of the index: it shares the bytes that were read.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use crate::error::IndexError;
use crate::position::Sequence;
use crate::snapshot::Snapshot;
use crate::snapshot::events::{Events, GROUP_NUMBERS, RawEvent};
use crate::state::State;

/// Groups with fewer wanted transactions are read record by record.
const MIN_GROUP_READ: usize = 8;

/// Transactions that are looked up at a time where they are read record by record.
const SINGLES_PER_PAGE: usize = 1024;

/// Most reads of the journal on an async caller's thread.
const INLINE_READS: usize = 4;

/// How much work an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Some 100 µs at most: less than it takes to hand the work to another thread and back.
    Inline,
    /// As much as it takes.
    Unlimited,
}

/// Events as their data, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct RawEvents {
    /// What they lie in.
    parts: Vec<Part>,
    /// For each the part and the place in it.
    picked: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct Part {
    events: Arc<Events>,
}

impl RawEvents {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.picked.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.picked.is_empty()
    }

    /// Returns the event at a place, counted from 0.
    pub fn get(&self, nth: usize) -> Option<RawEvent<'_>> {
        let (part, place) = *self.picked.get(nth)?;
        let part = &self.parts[part as usize];
        let event = part.events.at(place as usize);
        Some(part.events.raw(event))
    }

    /// Returns the events in their order.
    pub fn iter(&self) -> impl Iterator<Item = RawEvent<'_>> {
        (0..self.len()).filter_map(|nth| self.get(nth))
    }
}

/// No more is to be picked: so many were asked for, or it would be too much work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanEnd;

/// Events being picked.
pub(crate) struct EventScan<F> {
    is_wanted: F,
    /// Nothing up to this place is wanted.
    after: Option<Sequence>,
    /// So many that are wanted are left out.
    passed_by: usize,
    limit: usize,
    /// Events that may still be looked at.
    looks: usize,
    /// Reads of the journal that may still be made.
    reads: usize,
    is_too_much: bool,
    /// The place behind the last one, where the next one may well be.
    next_place: usize,
    raw: RawEvents,
}

impl EventScan<()> {
    /// Most events decoded on an async caller's thread (about 100 µs).
    pub(crate) const INLINE_EVENTS: u64 = 2048;
}

impl<F: Fn(RawEvent<'_>) -> bool> EventScan<F> {
    /// Begins to pick at most `limit` of the events that are wanted.
    pub(crate) fn new(effort: Budget, limit: usize, is_wanted: F) -> Self {
        let (looks, reads) = match effort {
            Budget::Inline => (EventScan::INLINE_EVENTS as usize, INLINE_READS),
            Budget::Unlimited => (usize::MAX, usize::MAX),
        };
        Self {
            is_wanted,
            after: None,
            passed_by: 0,
            limit,
            looks,
            reads,
            is_too_much: false,
            next_place: 0,
            raw: RawEvents::default(),
        }
    }

    /// Leaves out the first so many.
    pub(crate) fn pass_by(&mut self, count: usize) {
        self.passed_by = count;
    }

    /// Leaves out what lies up to a place.
    pub(crate) fn after(mut self, after: Option<Sequence>) -> Self {
        self.after = after;
        self
    }

    /// Returns what was picked; `None` when it would have been too much work.
    pub(crate) fn picked(self) -> Option<RawEvents> {
        (!self.is_too_much).then_some(self.raw)
    }

    fn too_much(&mut self) -> ScanEnd {
        self.is_too_much = true;
        ScanEnd
    }

    /// Asks for so many reads of the journal.
    fn read(&mut self, count: usize) -> Result<(), ScanEnd> {
        match self.reads.checked_sub(count) {
            Some(reads) => self.reads = reads,
            None => return Err(self.too_much()),
        }
        Ok(())
    }

    /// Picks from the events of transactions with numbers in a range.
    fn pick(
        &mut self,
        events: &Arc<Events>,
        numbers: &RangeInclusive<u64>,
    ) -> Result<usize, ScanEnd> {
        let part = self.part(events);
        let places = events.within(numbers, self.after, self.next_place);
        let met = places.len();
        self.next_place = places.end;
        for place in places {
            if self.raw.len() >= self.limit {
                return Err(ScanEnd);
            }
            let event = events.at(place);
            if !(self.is_wanted)(events.raw(event)) {
                continue;
            }
            if self.passed_by > 0 {
                self.passed_by -= 1;
                continue;
            }
            self.raw.picked.push((part, place_of(place)));
        }
        match self.looks.checked_sub(met) {
            Some(looks) => self.looks = looks,
            None => return Err(self.too_much()),
        }
        Ok(met)
    }

    fn part(&mut self, events: &Arc<Events>) -> u32 {
        let parts = &mut self.raw.parts;
        let is_last = |part: &Part| Arc::ptr_eq(&part.events, events);
        if !parts.last().is_some_and(is_last) {
            let events = Arc::clone(events);
            parts.push(Part { events });
        }
        place_of(parts.len() - 1)
    }
}

fn place_of(place: usize) -> u32 {
    u32::try_from(place).expect("there is no memory for so many events")
}

impl Snapshot {
    /// Picks from the transactions with numbers in a range, in ingestion order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub(crate) fn pick_within(
        &self,
        numbers: RangeInclusive<u64>,
        scan: &mut EventScan<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<ScanEnd>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        for nth in numbers.start() / GROUP_NUMBERS..=numbers.end() / GROUP_NUMBERS {
            let group = match self.kept(state, nth) {
                Some(group) => Some(group),
                None => match scan.read(1) {
                    Ok(()) => self.group(state, nth, &numbers)?,
                    Err(end) => return Ok(Some(end)),
                },
            };
            let picked = match group {
                Some(group) => scan.pick(&group, &numbers).err(),
                None => {
                    let these = self.numbers_in_group(state, nth, &numbers)?;
                    self.pick_singly(state, &these, scan)?
                }
            };
            if picked.is_some() {
                return Ok(picked);
            }
        }
        Ok(None)
    }

    /// Picks from the transactions with these numbers, in the same order.
    ///
    /// # Errors
    /// As [`Snapshot::pick_within`].
    ///
    /// # Complexity
    /// Where only few numbers lie close to each other, only these records are read.
    pub(crate) fn pick_these(
        &self,
        numbers: &[u64],
        scan: &mut EventScan<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<ScanEnd>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        for page in numbers.chunks(SINGLES_PER_PAGE) {
            // Parts of the page that lie in one group each, or are read one by one.
            let mut runs: Vec<(Range<usize>, Option<Arc<Events>>)> = Vec::new();
            let mut begin = 0;
            for run in page.chunk_by(|one, next| one / GROUP_NUMBERS == next / GROUP_NUMBERS) {
                let nth = run[0] / GROUP_NUMBERS;
                let group = match self.kept(state, nth) {
                    None if run.len() >= MIN_GROUP_READ => match scan.read(1) {
                        Ok(()) => {
                            let numbers = run.iter().copied();
                            let (least, most) = (numbers.clone().min(), numbers.max());
                            let wanted = least.unwrap_or(0)..=most.unwrap_or(0);
                            self.group(state, nth, &wanted)?
                        }
                        Err(end) => return Ok(Some(end)),
                    },
                    group => group,
                };
                let end = begin + run.len();
                match runs.last_mut() {
                    Some((before, None)) if group.is_none() => before.end = end,
                    _ => runs.push((begin..end, group)),
                }
                begin = end;
            }
            for (run, group) in runs {
                let numbers = &page[run];
                let picked = match group {
                    Some(group) => {
                        let numbers = numbers.iter();
                        let mut picked = numbers.map(|number| self.pick_one(*number, &group, scan));
                        picked.find_map(Result::transpose).transpose()?
                    }
                    None => self.pick_singly(state, numbers, scan)?,
                };
                if picked.is_some() {
                    return Ok(picked);
                }
            }
        }
        Ok(None)
    }

    /// As [`Snapshot::pick_these`], reading record by record.
    fn pick_singly(
        &self,
        state: &State,
        numbers: &[u64],
        scan: &mut EventScan<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<ScanEnd>, IndexError> {
        let kept = numbers
            .iter()
            .map(|number| self.cached_single(state, *number));
        let kept: Vec<Option<Arc<Events>>> = kept.collect();
        let is_missing = |(number, kept): (&u64, &Option<_>)| kept.is_none().then_some(*number);
        let missing: Vec<u64> = numbers.iter().zip(&kept).filter_map(is_missing).collect();
        if let Err(end) = scan.read(missing.len()) {
            return Ok(Some(end));
        }
        let mut missing = missing.as_slice();
        // What was read last, and how many of it were not met yet.
        let (mut read, mut unmet) = (Arc::default(), 0);
        for (number, kept) in numbers.iter().zip(kept) {
            let events = match kept {
                Some(events) => events,
                None => {
                    if unmet == 0 {
                        (read, unmet) = self.alone(state, missing)?;
                        missing = &missing[unmet..];
                    }
                    unmet = unmet.saturating_sub(1);
                    Arc::clone(&read)
                }
            };
            if let Some(end) = self.pick_one(*number, &events, scan)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn pick_one(
        &self,
        number: u64,
        events: &Arc<Events>,
        scan: &mut EventScan<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<ScanEnd>, IndexError> {
        let is_begun = scan.after.is_some_and(|after| after.number() == number);
        match scan.pick(events, &(number..=number)) {
            Ok(0) if !is_begun => Err(self.damaged()),
            Ok(_) => Ok(None),
            Err(end) => Ok(Some(end)),
        }
    }
}
