//! Records of the journal, verified and kept for the next who asks.
//!
//! Transactions are read in groups of [`TOGETHER`] consecutive numbers, which lie side by side in the journal: whoever
//! reads one usually wants the next.
//!
//! **Invariant**: a group that is kept has every transaction that ever had one of its numbers and has not been dropped;
//! numbers and records of one journal never change.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::cache::Cache;
use crate::error::IndexError;
use crate::index::Index;
use crate::journal::JournalId;

/// So many consecutive numbers make a group.
const TOGETHER: u64 = 64;

/// A group of more bytes is neither read as a whole nor kept.
const LARGE: u64 = 1 << 20;

/// Where fewer transactions of a group are wanted, they are read one by one.
const FEW: usize = 8;

/// Bytes of the groups that are kept: at most twice this.
const KEPT: usize = 16 << 20;

/// Groups by journal and by number.
#[derive(Debug)]
pub(crate) struct Records(Cache<(JournalId, u64), Arc<Group>>);

impl Default for Records {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// The records of a group by number, ascending.
#[derive(Debug)]
struct Group(Vec<(u64, Bytes)>);

impl Group {
    fn within(&self, numbers: RangeInclusive<u64>) -> &[(u64, Bytes)] {
        let first = self
            .0
            .partition_point(|(number, _)| number < numbers.start());
        let end = self
            .0
            .partition_point(|(number, _)| number <= numbers.end());
        self.0.get(first..end).unwrap_or(&[])
    }
}

impl Index {
    /// Returns the records of the transactions with numbers in a range, ascending.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub(crate) fn records_within(
        &self,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<Bytes>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for nth in numbers.start() / TOGETHER..=numbers.end() / TOGETHER {
            let group = match self.kept(nth) {
                Some(group) => group,
                None => self.group(nth, numbers.clone())?,
            };
            let wanted = group.within(numbers.clone()).iter();
            let live = wanted.filter(|(number, _)| !state.dead.contains(number));
            found.extend(live.map(|(_, record)| record.clone()));
        }
        Ok(found)
    }

    /// Returns the records of the transactions with these numbers, in the same order.
    ///
    /// # Errors
    /// As [`Index::records_within`].
    ///
    /// # Complexity
    /// Where only few numbers lie close to each other, only these records are read.
    pub(crate) fn records_of(&self, numbers: &[u64]) -> Result<Vec<Bytes>, IndexError> {
        let mut found = Vec::with_capacity(numbers.len());
        for run in numbers.chunk_by(|one, next| one / TOGETHER == next / TOGETHER) {
            let nth = run[0] / TOGETHER;
            let group = match self.kept(nth) {
                Some(group) => group,
                None if run.len() >= FEW => self.group(nth, 0..=u64::MAX)?,
                None => {
                    found.extend(self.payloads(&self.places(run.iter().copied())?)?);
                    continue;
                }
            };
            for number in run {
                let at = group.0.binary_search_by_key(number, |(number, _)| *number);
                let (_, record) = &group.0[at.map_err(|_| self.damaged())?];
                found.push(record.clone());
            }
        }
        Ok(found)
    }

    fn kept(&self, nth: u64) -> Option<Arc<Group>> {
        self.records.0.get((self.journal.id()?, nth))
    }

    /// Reads a group, and keeps it; of one that is large or not complete yet, only the numbers that are wanted.
    fn group(&self, nth: u64, wanted: RangeInclusive<u64>) -> Result<Arc<Group>, IndexError> {
        let (first, last) = (nth * TOGETHER, nth * TOGETHER + (TOGETHER - 1));
        let none = std::collections::BTreeSet::new();
        let mut places = self
            .catalog
            .transactions_from(first, TOGETHER as usize, &none)?;
        places.retain(|place| place.number <= last);
        let bytes: u64 = places.iter().map(|place| u64::from(place.len)).sum();
        let is_kept = last <= self.last_number() && bytes <= LARGE;
        if !is_kept {
            places.retain(|place| wanted.contains(&place.number));
        }
        let records = self.payloads(&places)?;
        let numbers = places.iter().map(|place| place.number);
        let group = Arc::new(Group(numbers.zip(records).collect()));
        if let Some(journal_id) = self.journal.id().filter(|_| is_kept) {
            let bytes = usize::try_from(bytes).expect("it is not large");
            self.records
                .0
                .insert((journal_id, nth), Arc::clone(&group), bytes);
        }
        Ok(group)
    }
}
