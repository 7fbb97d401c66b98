//! Picking the events that are wanted out of what was read, without copying them.
//!
//! **Invariant**: what was picked stays what it is, whatever becomes of the index: it shares the bytes that were read.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::IndexError;
use crate::events::{Events, RawEvent, TOGETHER};
use crate::index::Index;
use crate::position::Epoch;
use crate::scan_events::Effort;

/// Where fewer transactions of a group are wanted, they are read one by one.
const FEW: usize = 8;

/// So many that are read one by one are read at a time.
const MOST_ALONE: usize = 1024;

/// So many reads of the journal are little work.
const FEW_READS: usize = 4;

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
    epoch: Epoch,
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
        Some(part.events.raw(event, part.epoch))
    }

    /// Returns the events in their order.
    pub fn iter(&self) -> impl Iterator<Item = RawEvent<'_>> {
        (0..self.len()).filter_map(|nth| self.get(nth))
    }
}

/// No more is to be picked: so many were asked for, or it would be too much work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enough;

/// Events being picked.
pub(crate) struct Picking<F> {
    is_wanted: F,
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

impl Picking<()> {
    /// So many events are little work.
    pub(crate) const LITTLE: u64 = 2048;
}

impl<F: Fn(RawEvent<'_>) -> bool> Picking<F> {
    /// Begins to pick at most `limit` of the events that are wanted.
    pub(crate) fn new(effort: Effort, limit: usize, is_wanted: F) -> Self {
        let (looks, reads) = match effort {
            Effort::Little => (Picking::LITTLE as usize, FEW_READS),
            Effort::Any => (usize::MAX, usize::MAX),
        };
        Self {
            is_wanted,
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

    /// Returns what was picked; `None` when it would have been too much work.
    pub(crate) fn picked(self) -> Option<RawEvents> {
        (!self.is_too_much).then_some(self.raw)
    }

    fn too_much(&mut self) -> Enough {
        self.is_too_much = true;
        Enough
    }

    /// Asks for so many reads of the journal.
    fn read(&mut self, count: usize) -> Result<(), Enough> {
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
        epoch: Epoch,
    ) -> Result<usize, Enough> {
        let part = self.part(events, epoch);
        let places = events.within(numbers, self.next_place);
        let met = places.len();
        self.next_place = places.end;
        for place in places {
            if self.raw.len() >= self.limit {
                return Err(Enough);
            }
            let event = events.at(place);
            if !(self.is_wanted)(events.raw(event, epoch)) {
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

    fn part(&mut self, events: &Arc<Events>, epoch: Epoch) -> u32 {
        let parts = &mut self.raw.parts;
        let is_last = |part: &Part| Arc::ptr_eq(&part.events, events);
        if !parts.last().is_some_and(is_last) {
            let events = Arc::clone(events);
            parts.push(Part { events, epoch });
        }
        place_of(parts.len() - 1)
    }
}

fn place_of(place: usize) -> u32 {
    u32::try_from(place).expect("there is no memory for so many events")
}

impl Index {
    /// Picks from the transactions with numbers in a range, in ingestion order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub(crate) fn pick_within(
        &self,
        numbers: RangeInclusive<u64>,
        picking: &mut Picking<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<Enough>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        for nth in numbers.start() / TOGETHER..=numbers.end() / TOGETHER {
            let group = match self.kept(state, nth) {
                Some(group) => group,
                None => match picking.read(1) {
                    Ok(()) => self.group(state, nth, &numbers)?,
                    Err(enough) => return Ok(Some(enough)),
                },
            };
            if let Err(enough) = picking.pick(&group, &numbers, state.epoch) {
                return Ok(Some(enough));
            }
        }
        Ok(None)
    }

    /// Picks from the transactions with these numbers, in the same order.
    ///
    /// # Errors
    /// As [`Index::pick_within`].
    ///
    /// # Complexity
    /// Where only few numbers lie close to each other, only these records are read.
    pub(crate) fn pick_these(
        &self,
        numbers: &[u64],
        picking: &mut Picking<impl Fn(RawEvent<'_>) -> bool>,
    ) -> Result<Option<Enough>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        for page in numbers.chunks(MOST_ALONE) {
            let mut runs: Vec<(&[u64], Option<Arc<Events>>)> = Vec::new();
            // Of those that are read one by one, in the order of the page.
            let mut kept: Vec<Option<Arc<Events>>> = Vec::new();
            let mut missing: Vec<u64> = Vec::new();
            for run in page.chunk_by(|one, next| one / TOGETHER == next / TOGETHER) {
                let nth = run[0] / TOGETHER;
                let group = match self.kept(state, nth) {
                    None if run.len() >= FEW => match picking.read(1) {
                        Ok(()) => {
                            let numbers = run.iter().copied();
                            let (least, most) = (numbers.clone().min(), numbers.max());
                            let wanted = least.unwrap_or(0)..=most.unwrap_or(0);
                            Some(self.group(state, nth, &wanted)?)
                        }
                        Err(enough) => return Ok(Some(enough)),
                    },
                    group => group,
                };
                if group.is_none() {
                    for number in run {
                        let events = self.kept_alone(state, *number);
                        missing.extend(events.is_none().then_some(*number));
                        kept.push(events);
                    }
                }
                runs.push((run, group));
            }
            let alone = match missing.len() {
                0 => Arc::default(),
                count => match picking.read(count) {
                    Ok(()) => self.alone(state, &missing)?,
                    Err(enough) => return Ok(Some(enough)),
                },
            };
            let mut kept = kept.into_iter();
            for (run, group) in runs {
                for number in run {
                    let lone = match group {
                        Some(_) => None,
                        None => kept.next().flatten(),
                    };
                    let events = group.as_ref().or(lone.as_ref()).unwrap_or(&alone);
                    match picking.pick(events, &(*number..=*number), state.epoch) {
                        Ok(0) => return Err(self.damaged()),
                        Ok(_) => {}
                        Err(enough) => return Ok(Some(enough)),
                    }
                }
            }
        }
        Ok(None)
    }
}
