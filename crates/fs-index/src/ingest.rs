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
    pub(crate) fn plan(&mut self) -> Plan {
        if !self.gone.is_empty() {
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
        Plan { accepted, dropped }
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
        self.once_vanished.clear();
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
        let mut joined = self.number(plan.accepted);
        let reordered = if lost.is_empty() {
            self.history.extend(joined.clone())
        } else {
            self.restart(|stored| !lost.contains(&stored.id()), &joined);
            true
        };
        let cyclic: BTreeSet<_> = self.history.dag().left_out().into_iter().collect();
        if !cyclic.is_empty() {
            let joining: BTreeSet<_> = joined.iter().map(|stored| stored.id()).collect();
            let out: Vec<_> = self
                .history
                .shared()
                .iter()
                .filter(|stored| cyclic.contains(&stored.id()))
                .cloned()
                .collect();
            lost.extend(cyclic.difference(&joining));
            self.candidates.extend(
                out.iter()
                    .map(|stored| (stored.id(), Stored::clone(stored))),
            );
            self.restart(|stored| !cyclic.contains(&stored.id()), &[]);
            joined.retain(|stored| !cyclic.contains(&stored.id()));
            self.cyclic = cyclic;
        }
        for stored in &joined {
            if self.once_vanished.contains(&stored.id()) {
                vanished::release(self.system.disk.as_ref(), &self.layout, stored);
            }
            self.enter(stored);
        }
        self.once_vanished.extend(lost.iter().copied());
        self.gone.clear();
        if !lost.is_empty() {
            self.restate_claims();
        }
        Ok(Settled {
            joined,
            lost,
            reordered,
        })
    }

    /// Builds the history anew of the members to keep and of those that join.
    fn restart(&mut self, keep: impl Fn(&Stored) -> bool, joined: &[Arc<Stored>]) {
        let kept = self
            .history
            .shared()
            .iter()
            .filter(|stored| keep(stored))
            .chain(joined)
            .cloned()
            .collect::<Vec<_>>();
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
