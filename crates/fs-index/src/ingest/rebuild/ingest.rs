//! Taking transactions into the history and out of it, under the write lock.
//!
//! Whole files become members unless a child contradicts their content (`claims.rs`) or they would close a cycle.
//! Members leave when their files do, or when a child that arrives contradicts them. Members get numbers in the
//! canonical order of what arrives together.
//!
//! **Invariant**: memory and journal change together; when the journal cannot be written, memory is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use fs_dag::{Dag, Node};
use fs_format::TransactionId;
use fs_io::SyncPolicy;

use super::Rebuild;
use super::members::Members;
use crate::error::IndexError;
use crate::ingest::vanished;
use crate::log::journal::Journal;
use crate::log::record::{self, Origin};
use crate::position::{Epoch, RunningHash};
use crate::stored::Stored;
use crate::watch::file::Rejected;
use crate::watch::rejected::{Reason, RejectedFile};

/// What is to change in the history.
pub(super) struct Plan {
    accepted: Vec<TransactionId>,
    dropped: BTreeSet<TransactionId>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.dropped.is_empty()
    }
}

/// What has changed in the history.
pub(super) struct Settled {
    joined: Vec<Arc<Stored>>,
    lost: BTreeSet<TransactionId>,
    reordered: bool,
}

impl Rebuild {
    /// Works out which candidates join the history and which members leave it.
    ///
    /// # Complexity
    /// That of the order of the whole history.
    pub(super) fn plan(&mut self) -> Plan {
        self.restate_claims();
        self.choose_among_copies();
        let contradicted = |stored: &Stored| {
            self.claims
                .contradiction(stored.id(), stored.content_hash)
                .is_some()
        };
        let members = self.members.all().iter();
        let (dropped, kept): (Vec<_>, Vec<_>) =
            members.partition(|stored| self.gone.contains(&stored.id()) || contradicted(stored));
        let mut dropped: BTreeSet<_> = dropped.into_iter().map(|stored| stored.id()).collect();
        let candidates = self.candidates.values();
        let joining: Vec<_> = candidates.filter(|stored| !contradicted(stored)).collect();
        let mut whole = Dag::new();
        let kept = kept.into_iter().map(Arc::as_ref);
        let _ = whole.extend(kept.chain(joining.iter().copied()).map(node));
        self.cyclic = whole.left_out().into_iter().collect();
        let is_member = |id: &TransactionId| self.members.find(*id).is_some();
        let accepted = joining
            .into_iter()
            .map(Stored::id)
            .filter(|id| !self.cyclic.contains(id))
            .collect();
        dropped.extend(self.cyclic.iter().copied().filter(|id| {
            // A member that changed is a candidate too.
            is_member(id) && !self.gone.contains(id)
        }));
        Plan { accepted, dropped }
    }

    /// Lists every candidate that stays out among the rejected files.
    pub(super) fn list_rejected(&mut self) {
        for stored in self.candidates.values() {
            let reason = match self.claims.contradiction(stored.id(), stored.content_hash) {
                Some(children) => Reason::Altered { children },
                None => Reason::Cycle,
            };
            let path = stored.relative_path();
            self.rejected_files.insert(
                path.clone(),
                Rejected::of(stored, RejectedFile { path, reason }),
            );
        }
        self.list_copies();
    }

    /// Journals the transactions that were added and removed.
    pub(super) fn apply(&mut self) -> Result<(), IndexError> {
        let plan = self.plan();
        let mut payloads = Vec::new();
        let mut joined = Vec::new();
        if !plan.is_empty() {
            payloads.push(record::rebuilt());
        }
        if self.is_another_boot()
            && let Some(boot_id) = self.system.machine.boot_id.clone()
        {
            payloads.push(record::boot(&boot_id));
            self.boot_id = Some(boot_id);
        }
        if !plan.is_empty() {
            let settled = self.settle(plan)?;
            let mut generation = self.members.history.topology_generation();
            if !settled.lost.is_empty() {
                generation += 1;
                let epoch = self.draw_epoch()?;
                payloads.extend(settled.lost.iter().map(|id| record::vanished(*id)));
                payloads.push(record::epoch(epoch, generation));
                self.members.history.set_epoch(epoch, generation);
            } else if settled.reordered {
                generation += 1;
                payloads.push(record::generation(generation));
                self.members.history.set_generation(generation);
            }
            joined = settled.joined;
            payloads.extend(joined.iter().map(|stored| stored.record()));
        }
        if !payloads.is_empty() {
            let offsets = self.journal.append(&payloads, SyncPolicy::Durable)?;
            self.place(&joined, &payloads, &offsets);
            self.release(&joined);
        }
        self.list_rejected();
        Ok(())
    }

    /// Deletes the saved bytes of the transactions that have come back, which the journal holds now.
    fn release(&self, joined: &[Arc<Stored>]) {
        let joined = joined.iter().map(Arc::as_ref);
        let returned = joined.filter(|stored| self.once_vanished.contains(&stored.id()));
        vanished::release(self.system.disk.as_ref(), &self.layout, returned);
    }

    /// Takes note of where the last payloads of a batch, the records of `joined`, were written.
    fn place(&mut self, joined: &[Arc<Stored>], payloads: &[Vec<u8>], offsets: &[u64]) {
        let first = payloads.len() - joined.len();
        let written = payloads[first..].iter().zip(&offsets[first..]);
        for (stored, (payload, offset)) in joined.iter().zip(written) {
            let len = u32::try_from(payload.len()).expect("payloads are bounded by the file limit");
            self.places.insert(stored.number, (*offset, len));
        }
    }

    /// Writes a new journal of everything that is there, under a new epoch.
    pub(super) fn rewrite(&mut self) -> Result<(), IndexError> {
        self.keep_gone(&self.gone)?;
        let members = self
            .members
            .all()
            .iter()
            .filter(|stored| !self.gone.contains(&stored.id()));
        let members: Vec<Stored> = members.map(|stored| Stored::clone(stored)).collect();
        self.candidates
            .extend(members.into_iter().map(|stored| (stored.id(), stored)));
        self.gone.clear();
        self.cyclic.clear();
        self.next_number = 1;
        let mut id = [0; 16];
        self.system
            .random
            .fill(&mut id)
            .map_err(IndexError::Random)?;
        self.running_hash = RunningHash::of_empty(&id);
        self.places.clear();
        self.last_appended.clear();
        self.once_vanished = vanished::kept(self.system.disk.as_ref(), &self.layout);
        self.boot_id = self.system.machine.boot_id.clone();
        let generation = self.members.history.topology_generation();
        self.members = Members::default();
        self.restate_claims();
        let plan = self.plan();
        let settled = self.settle(plan)?;
        let epoch = self.draw_epoch()?;
        self.members.history.set_epoch(epoch, generation);
        let mut payloads = vec![record::rebuilt(), record::epoch(epoch, generation)];
        payloads.extend(self.boot_id.iter().map(|boot_id| record::boot(boot_id)));
        // What is known and left out is not taken for a lost record later.
        self.once_vanished.extend(self.candidates.keys());
        payloads.extend(self.once_vanished.iter().map(|id| record::vanished(*id)));
        payloads.extend(settled.joined.iter().map(|stored| stored.record()));
        self.journal
            .replace(&self.layout, id, &payloads, SyncPolicy::Durable)?;
        let offsets = Journal::offsets_in_new(&payloads);
        self.place(&settled.joined, &payloads, &offsets);
        self.release(&settled.joined);
        self.list_rejected();
        Ok(())
    }

    /// Changes the history, and keeps what leaves it.
    fn settle(&mut self, plan: Plan) -> Result<Settled, IndexError> {
        self.keep_gone(&plan.dropped)?;
        let settled = self.change(plan);
        for stored in &settled.joined {
            if stored.origin == Origin::Appended {
                let header = &stored.header;
                self.enter(header.replica_id, header.replica_seq, stored.id());
            }
        }
        self.once_vanished.extend(settled.lost.iter().copied());
        Ok(settled)
    }

    /// Changes the history in memory, and nothing else.
    pub(super) fn change(&mut self, plan: Plan) -> Settled {
        let lost = plan.dropped;
        let joined = self.number(plan.accepted);
        if !lost.is_empty() {
            self.leave(|stored| lost.contains(&stored.id()));
            self.gone.clear();
        }
        let reordered = self.members.extend(&joined);
        for stored in &joined {
            self.rejected_files.remove(&stored.relative_path());
        }
        self.restate_claims();
        Settled {
            joined,
            lost,
            reordered,
        }
    }

    /// Builds the history anew without some members; those whose files are there are candidates from now on.
    fn leave(&mut self, leaves: impl Fn(&Stored) -> bool) {
        let (leaving, kept): (Vec<_>, Vec<_>) = self
            .members
            .all()
            .iter()
            .cloned()
            .partition(|stored| leaves(stored));
        for stored in leaving {
            if !self.gone.contains(&stored.id()) {
                self.candidates.insert(stored.id(), Stored::clone(&stored));
            }
        }
        self.members = Members::build(
            kept,
            self.members.history.epoch(),
            self.members.history.topology_generation(),
        );
    }

    /// Takes candidates out and gives them numbers, in their canonical order among themselves.
    fn number(&mut self, ids: Vec<TransactionId>) -> Vec<Arc<Stored>> {
        let mut batch = Dag::new();
        let candidates = ids.iter().filter_map(|id| self.candidates.get(id));
        let nodes = candidates.map(node);
        let _ = batch.extend(nodes);
        let order: Vec<_> = batch
            .order()
            .iter()
            .map(|ix| batch.id(*ix))
            .chain(batch.left_out())
            .collect();
        let mut numbered = Vec::with_capacity(order.len());
        for id in order {
            if let Some(mut stored) = self.candidates.remove(&id) {
                self.running_hash = stored.follow(self.next_number, self.running_hash);
                self.next_number += 1;
                if self.own.contains(&stored.header.replica_id) {
                    // A process died after it published its own file and before it journaled it.
                    stored.origin = Origin::Appended;
                }
                numbered.push(Arc::new(stored));
            }
        }
        numbered
    }

    /// Keeps the bytes of members whose files are gone.
    fn keep_gone(&self, leaving: &BTreeSet<TransactionId>) -> Result<(), IndexError> {
        let gone = leaving
            .iter()
            .filter(|id| self.gone.contains(id))
            .filter_map(|id| self.members.find(*id));
        let disk = self.system.disk.as_ref();
        let kept = gone.map(|stored| vanished::keep(disk, &self.layout, stored));
        let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
        vanished::make_durable(disk, &self.layout, &kept)
    }

    fn draw_epoch(&self) -> Result<Epoch, IndexError> {
        Epoch::draw(self.system.random.as_ref()).map_err(IndexError::Random)
    }
}

fn node(stored: &Stored) -> Node {
    let parents = stored.header.parents.iter();
    Node {
        id: stored.id(),
        replica_id: stored.header.replica_id,
        created_at: stored.header.created_at,
        parents: parents.map(|parent| parent.transaction_id).collect(),
    }
}
