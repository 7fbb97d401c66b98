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

use crate::error::IndexError;
use crate::examine::Watched;
use crate::history::History;
use crate::index::{Index, arrival_of};
use crate::position::Epoch;
use crate::record;
use crate::stored::Stored;
use crate::trouble::{Reason, Trouble};
use crate::vanished;

/// What is to change in the history.
pub(crate) struct Plan {
    accepted: Vec<TransactionId>,
    dropped: BTreeSet<TransactionId>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.dropped.is_empty()
    }
}

/// What has changed in the history.
struct Settled {
    joined: Vec<Arc<Stored>>,
    lost: BTreeSet<TransactionId>,
    reordered: bool,
}

impl Index {
    /// Works out which candidates join the history and which members leave it.
    ///
    /// # Complexity
    /// O(c) for c candidates and their parents; that of the whole history when a file has ceased to be what it was.
    pub(crate) fn plan(&mut self) -> Plan {
        if self.unsettled {
            self.cyclic.clear();
            self.restate_claims();
        }
        let contradicted = |stored: &Stored| {
            self.claims
                .contradiction(stored.id(), stored.content_hash)
                .is_some()
        };
        let accepted = self
            .candidates
            .values()
            .filter(|stored| !contradicted(stored))
            .map(Stored::id)
            .filter(|id| !self.cyclic.contains(id))
            .collect();
        let mut dropped: BTreeSet<_> = self
            .gone
            .iter()
            .copied()
            .filter(|id| self.history.find(*id).is_some())
            .collect();
        if self.unsettled {
            let members = self.history.shared().iter();
            dropped.extend(
                members
                    .filter(|stored| contradicted(stored))
                    .map(|stored| stored.id()),
            );
        } else {
            let parents = self
                .candidates
                .values()
                .flat_map(|stored| &stored.header.parents);
            dropped.extend(
                parents
                    .filter_map(|parent| self.history.find(parent.transaction_id))
                    .filter(|stored| contradicted(stored))
                    .map(Stored::id),
            );
        }
        let plan = Plan { accepted, dropped };
        self.unsettled &= !plan.is_empty();
        plan
    }

    /// Lists every candidate that stays out among the troubles.
    pub(crate) fn list_rejected(&mut self) {
        for stored in self.candidates.values() {
            let reason = match self.claims.contradiction(stored.id(), stored.content_hash) {
                Some(children) => Reason::Altered { children },
                None => Reason::Cycle,
            };
            let path = stored.relative_path();
            self.troubles
                .insert(path.clone(), Watched::of(stored, Trouble { path, reason }));
        }
    }

    /// Journals what came and went.
    pub(crate) fn apply(&mut self) -> Result<(), IndexError> {
        let plan = self.plan();
        let mut payloads = Vec::new();
        if self.is_another_boot()
            && let Some(boot_id) = self.system.machine.boot_id.clone()
        {
            payloads.push(record::boot(&boot_id));
            self.boot_id = Some(boot_id);
        }
        if !plan.is_empty() {
            let settled = self.settle(plan)?;
            let mut generation = self.history.topology_generation();
            if !settled.lost.is_empty() {
                generation += 1;
                let epoch = self.draw_epoch()?;
                payloads.extend(settled.lost.iter().map(|id| record::vanished(*id)));
                payloads.push(record::epoch(epoch, generation));
                self.history.set_epoch(epoch, generation);
            } else if settled.reordered {
                generation += 1;
                payloads.push(record::generation(generation));
                self.history.set_generation(generation);
            }
            payloads.extend(settled.joined.iter().map(|stored| arrival_of(stored)));
        }
        if !payloads.is_empty() {
            self.journal.append(
                self.system.disk.as_ref(),
                &self.layout.journal(),
                &payloads,
                SyncPolicy::Durable,
            )?;
        }
        self.list_rejected();
        Ok(())
    }

    /// Writes a new journal of everything that is there, under a new epoch.
    pub(crate) fn rebuild(&mut self) -> Result<(), IndexError> {
        self.keep_gone(&self.gone.clone(), SyncPolicy::Durable)?;
        let members = self
            .history
            .shared()
            .iter()
            .filter(|stored| !self.gone.contains(&stored.id()));
        let members: Vec<Stored> = members.map(|stored| Stored::clone(stored)).collect();
        self.candidates
            .extend(members.into_iter().map(|stored| (stored.id(), stored)));
        self.gone.clear();
        self.cyclic.clear();
        self.next_number = 1;
        self.last_appended.clear();
        self.once_vanished = vanished::kept(self.system.disk.as_ref(), &self.layout);
        self.boot_id = self.system.machine.boot_id.clone();
        let generation = self.history.topology_generation();
        self.history = History::default();
        self.restate_claims();
        let plan = self.plan();
        let settled = self.settle(plan)?;
        let epoch = self.draw_epoch()?;
        self.history.set_epoch(epoch, generation);
        let mut payloads = vec![record::epoch(epoch, generation)];
        payloads.extend(self.boot_id.iter().map(|boot_id| record::boot(boot_id)));
        // What is known and left out is not taken for a lost record later.
        self.once_vanished.extend(self.candidates.keys());
        payloads.extend(self.once_vanished.iter().map(|id| record::vanished(*id)));
        payloads.extend(settled.joined.iter().map(|stored| arrival_of(stored)));
        let mut id = [0; 16];
        self.system
            .random
            .fill(&mut id)
            .map_err(IndexError::Random)?;
        self.journal
            .replace(self.system.disk.as_ref(), &self.layout, id, &payloads)?;
        self.list_rejected();
        Ok(())
    }

    /// Changes the history in memory.
    fn settle(&mut self, plan: Plan) -> Result<Settled, IndexError> {
        let mut lost = plan.dropped;
        // The journal has the bytes too, and is synced before it says that they are gone.
        self.keep_gone(&lost, SyncPolicy::None)?;
        let before = self.next_number;
        let mut joined = self.number(plan.accepted);
        if !lost.is_empty() {
            self.leave(|stored| lost.contains(&stored.id()));
            self.gone.clear();
        }
        let mut reordered = self.history.extend(joined.clone());
        let cyclic: BTreeSet<_> = self.history.dag().left_out().into_iter().collect();
        if !cyclic.is_empty() {
            let joining: BTreeSet<_> = joined.iter().map(|stored| stored.id()).collect();
            lost.extend(cyclic.difference(&joining));
            joined.retain(|stored| !cyclic.contains(&stored.id()));
            self.leave(|stored| cyclic.contains(&stored.id()) || joining.contains(&stored.id()));
            for stored in &joined {
                self.candidates.remove(&stored.id());
            }
            // Others do not know of numbers that are not journaled.
            self.next_number = joined.last().map_or(before, |stored| stored.number + 1);
            reordered = self.history.extend(joined.clone());
            self.cyclic = cyclic;
        }
        for stored in &joined {
            if self.once_vanished.contains(&stored.id()) {
                vanished::release(self.system.disk.as_ref(), &self.layout, stored);
            }
            self.troubles.remove(&stored.relative_path());
            self.enter(stored);
        }
        self.once_vanished.extend(lost.iter().copied());
        self.unsettled = false;
        if !lost.is_empty() {
            self.restate_claims();
        }
        Ok(Settled {
            joined,
            lost,
            reordered,
        })
    }

    /// Builds the history anew without some members; those whose files are there are candidates from now on.
    fn leave(&mut self, leaves: impl Fn(&Stored) -> bool) {
        let (leaving, kept): (Vec<_>, Vec<_>) = self
            .history
            .shared()
            .iter()
            .cloned()
            .partition(|stored| leaves(stored));
        for stored in leaving {
            if !self.gone.contains(&stored.id()) {
                self.candidates.insert(stored.id(), Stored::clone(&stored));
            }
        }
        self.history = History::build(
            kept,
            self.history.epoch(),
            self.history.topology_generation(),
        );
    }

    /// Takes candidates out and gives them numbers, in their canonical order among themselves.
    fn number(&mut self, ids: Vec<TransactionId>) -> Vec<Arc<Stored>> {
        let mut batch = Dag::new();
        let nodes = ids
            .iter()
            .filter_map(|id| self.candidates.get(id))
            .map(|stored| Node {
                id: stored.id(),
                replica_id: stored.header.replica_id,
                created_at: stored.header.created_at,
                parents: stored
                    .header
                    .parents
                    .iter()
                    .map(|parent| parent.transaction_id)
                    .collect(),
            });
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
                stored.number = self.next_number;
                self.next_number += 1;
                numbered.push(Arc::new(stored));
            }
        }
        numbered
    }

    /// Keeps the bytes of members whose files are gone.
    fn keep_gone(
        &self,
        leaving: &BTreeSet<TransactionId>,
        sync: SyncPolicy,
    ) -> Result<(), IndexError> {
        let gone = leaving
            .iter()
            .filter(|id| self.gone.contains(id))
            .filter_map(|id| self.history.find(*id));
        for stored in gone {
            vanished::keep(self.system.disk.as_ref(), &self.layout, stored, sync)?;
        }
        Ok(())
    }

    fn draw_epoch(&self) -> Result<Epoch, IndexError> {
        let mut bytes = [0; 8];
        while bytes == [0; 8] {
            self.system
                .random
                .fill(&mut bytes)
                .map_err(IndexError::Random)?;
        }
        Ok(Epoch::from_u64(u64::from_be_bytes(bytes)))
    }
}
