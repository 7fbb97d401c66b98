//! Replicas that append, exchange files and get into trouble, as a script says.
//!
//! **Invariant**: replicas learn from each other by files alone. Whatever happens here can happen to real clones.

use std::collections::BTreeSet;

use fs_format::{Header, TransactionId};
use fs_merge::{ReadAs, Resolver};
use fs_store::{Answer, FileEventStore, StoredEvent};

use crate::action::Action;
use crate::carrying::id_of;
use crate::fault::Fault;
use crate::place::{Files, Medium, Place};
use crate::script::{Arriving, LineEnds, Step};
use crate::settling::Answered;
use crate::words::Names;

/// The time when a world begins, in nanoseconds since 1970: in September 2020, well before now.
const BEGIN: i64 = 1_600_000_000_000_000_000;

/// How long a step takes, in nanoseconds: a second and a bit, so that no two steps have stamps with the same fraction.
const STEP: i64 = 1_000_000_007;

const SECOND: i64 = 1_000_000_000;

/// A number of replicas, each with a store and a clock of its own.
#[derive(Debug)]
pub struct World {
    pub(crate) replicas: Vec<Replica>,
    /// How many places were made, for the seeds of their randomness.
    places: u64,
    steps: i64,
    pub(crate) names: Names,
    pub(crate) story: Vec<String>,
    pub(crate) answered: Vec<Answered>,
}

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) place: Place,
    pub(crate) side: usize,
    ahead_seconds: i32,
    /// The files of its other branch, once it has one.
    aside: Option<Files>,
}

impl World {
    /// Makes this many empty replicas in memory.
    ///
    /// # Errors
    /// [`Fault::Store`].
    pub fn in_memory(replicas: usize) -> Result<Self, Fault> {
        Self::on(Medium::Memory, replicas)
    }

    /// Makes this many empty replicas in directories of the real disk, which go away with the world.
    ///
    /// # Errors
    /// [`Fault::Store`].
    pub fn on_disk(replicas: usize) -> Result<Self, Fault> {
        Self::on(Medium::Disk, replicas)
    }

    pub(crate) fn on(medium: Medium, replicas: usize) -> Result<Self, Fault> {
        let mut world = Self {
            replicas: Vec::with_capacity(replicas),
            places: 0,
            steps: 0,
            names: Names::default(),
            story: Vec::new(),
            answered: Vec::new(),
        };
        for replica in 0..replicas {
            let seed = world.next_seed();
            let place = Place::new(medium, seed).map_err(Fault::store(replica))?;
            world.replicas.push(Replica {
                place,
                side: 0,
                ahead_seconds: 0,
                aside: None,
            });
        }
        world.let_time_pass();
        Ok(world)
    }

    /// Returns the store of a replica.
    ///
    /// # Panics
    /// When there is no such replica.
    pub fn store(&self, replica: usize) -> &FileEventStore {
        self.replicas[replica].place.store()
    }

    /// Returns what has happened so far, a sentence a step.
    pub fn story(&self) -> &[String] {
        &self.story
    }

    /// Lets a step happen; the resolver is for steps that reconcile.
    ///
    /// # Errors
    /// [`Fault`].
    ///
    /// # Panics
    /// When the step is about a replica that there is not.
    pub fn play<E: ReadAs, A: Action>(
        &mut self,
        step: &Step<A>,
        resolver: &impl Resolver<E>,
    ) -> Result<(), Fault> {
        self.let_time_pass();
        match step {
            Step::Act { replica, action } => return self.act(*replica, action),
            Step::Reconcile { replica } => {
                self.story.push(format!("{step}"));
                self.reconcile(*replica, resolver)?;
            }
            Step::Pull {
                from,
                to,
                arriving,
                line_ends,
            } => {
                let is_cut = self.replicas[*from].side != self.replicas[*to].side;
                let files = self.files(*from)?;
                let came = match is_cut {
                    true => BTreeSet::new(),
                    false => self.deliver(&files, *to, *arriving, *line_ends)?,
                };
                let came = match (is_cut, came.is_empty()) {
                    (true, _) => "nothing comes through".to_owned(),
                    (false, true) => "nothing new".to_owned(),
                    (false, false) => self.names.list(came),
                };
                self.story.push(format!("{step}: {came}"));
            }
            Step::Exchange => {
                self.story.push(format!("{step}"));
                self.exchange()?;
            }
            Step::Partition { sides } => {
                self.story.push(format!("{step}"));
                for (replica, of) in self.replicas.iter_mut().enumerate() {
                    of.side = sides.get(replica).copied().unwrap_or(0);
                }
            }
            Step::Skew { replica, seconds } => {
                self.story.push(format!("{step}"));
                self.replicas[*replica].ahead_seconds = *seconds;
            }
            Step::Reset { replica, count } => {
                let transactions = self.transactions(*replica)?;
                let newest = transactions.iter().rev().take(*count);
                let gone: BTreeSet<_> = newest.map(|header| header.transaction_id).collect();
                let mut files = self.files(*replica)?;
                files.retain(|path, _| id_of(path).is_none_or(|id| !gone.contains(&id)));
                self.replace(*replica, &files)?;
                let gone = self.names.list(gone);
                self.story.push(format!("{step}: {gone}"));
            }
            Step::Switch { replica } => {
                let files = self.files(*replica)?;
                let aside = self.replicas[*replica].aside.replace(files.clone());
                self.replace(*replica, &aside.unwrap_or(files))?;
                let now = self.names.list(self.ids(*replica)?);
                self.story.push(format!("{step}, which has: {now}"));
            }
            Step::Copy { from, to } => {
                self.story.push(format!("{step}"));
                if from != to {
                    let seed = self.next_seed();
                    let copy = self.replicas[*from].place.copy(seed);
                    self.replicas[*to].place = copy.map_err(Fault::store(*to))?;
                    self.replicas[*to].aside = None;
                }
            }
        }
        Ok(())
    }

    /// Ends all partitions, and merges the other branch of each replica.
    pub(crate) fn come_together(&mut self) -> Result<(), Fault> {
        self.let_time_pass();
        for replica in 0..self.replicas.len() {
            self.replicas[replica].side = 0;
            if let Some(files) = self.replicas[replica].aside.take() {
                self.story
                    .push(format!("replica {replica} merges its other branch"));
                self.deliver(&files, replica, Arriving::All, LineEnds::Kept)?;
            }
        }
        Ok(())
    }

    fn act<A: Action>(&mut self, replica: usize, action: &A) -> Result<(), Fault> {
        let acted = action.act(self.store(replica), replica);
        acted.map_err(|source| Fault::Action { replica, source })?;
        let mut new = self.name_new(replica)?;
        if new.is_empty() {
            new.push(format!("nothing, by {action:?}"));
        }
        let new = new.join("; ");
        self.story.push(format!("replica {replica} appends {new}"));
        Ok(())
    }

    /// Gives names to the transactions that are new at a replica; returns what they do.
    pub(crate) fn name_new(&mut self, replica: usize) -> Result<Vec<String>, Fault> {
        let mut new = self.transactions(replica)?;
        new.retain(|header| !self.names.contains(header.transaction_id));
        if new.is_empty() {
            return Ok(Vec::new());
        }
        for header in &new {
            self.names.name(header);
        }
        let events = self.events(replica)?;
        let told = new.iter().map(|header| {
            let own = events.iter();
            let own = own.filter(|event| event.transaction_id == header.transaction_id);
            self.names.transaction(header, &own.collect::<Vec<_>>())
        });
        Ok(told.collect())
    }

    pub(crate) fn transactions(&self, replica: usize) -> Result<Vec<Header>, Fault> {
        let transactions = self.store(replica).transactions();
        let transactions = transactions.map(Answer::into_inner);
        transactions.map_err(Fault::store(replica))
    }

    /// Returns the transactions of a replica in canonical order.
    pub(crate) fn ids(&self, replica: usize) -> Result<Vec<TransactionId>, Fault> {
        let transactions = self.transactions(replica)?.into_iter();
        Ok(transactions.map(|header| header.transaction_id).collect())
    }

    pub(crate) fn events(&self, replica: usize) -> Result<Vec<StoredEvent>, Fault> {
        let events = self.store(replica).canonical_events();
        let events = events.map(Answer::into_inner);
        events.map_err(Fault::store(replica))
    }

    pub(crate) fn let_time_pass(&mut self) {
        self.steps += 1;
        for replica in &self.replicas {
            let ahead = i64::from(replica.ahead_seconds) * SECOND;
            replica.place.set_clock(BEGIN + self.steps * STEP + ahead);
        }
    }

    fn next_seed(&mut self) -> u64 {
        self.places += 1;
        self.places
    }
}
