//! Files on their way from one replica to another.
//!
//! **Invariant**: a file comes as it was sent, but for its line ends, and never in the place of one that is there. After
//! each change the store has looked.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::TransactionId;

use crate::fault::Fault;
use crate::place::Files;
use crate::script::{Arriving, LineEnds};
use crate::world::World;

impl World {
    /// Lets all replicas that reach each other exchange their files.
    pub(crate) fn exchange(&mut self) -> Result<(), Fault> {
        let mut of_side: BTreeMap<usize, Files> = BTreeMap::new();
        for replica in 0..self.replicas.len() {
            let files = self.files(replica)?;
            let union = of_side.entry(self.replicas[replica].side).or_default();
            for (path, bytes) in files {
                union.entry(path).or_insert(bytes);
            }
        }
        for replica in 0..self.replicas.len() {
            if let Some(files) = of_side.get(&self.replicas[replica].side) {
                self.deliver(files, replica, Arriving::All, LineEnds::Kept)?;
            }
        }
        Ok(())
    }

    pub(crate) fn files(&self, replica: usize) -> Result<Files, Fault> {
        let files = self.replicas[replica].place.files();
        files.map_err(Fault::store(replica))
    }

    fn paths(&self, replica: usize) -> Result<BTreeSet<String>, Fault> {
        let paths = self.replicas[replica].place.paths();
        paths.map_err(Fault::store(replica))
    }

    /// Gives files to a replica; returns which transactions are new to it.
    pub(crate) fn deliver(
        &self,
        files: &Files,
        to: usize,
        arriving: Arriving,
        line_ends: LineEnds,
    ) -> Result<BTreeSet<TransactionId>, Fault> {
        let place = &self.replicas[to].place;
        let held = self.paths(to)?;
        let missing = files.iter().filter(|(path, _)| !held.contains(*path));
        let mut came = BTreeSet::new();
        for (index, (path, bytes)) in missing.enumerate() {
            if let Arriving::Part(mask) = arriving
                && mask >> (index % 64) & 1 == 0
            {
                continue;
            }
            let put = match line_ends {
                LineEnds::Kept => place.put(path, bytes),
                LineEnds::Crlf => place.put(path, &with_crlf(bytes)),
            };
            put.map_err(Fault::store(to))?;
            came.extend(id_of(path));
        }
        if !came.is_empty() {
            self.refresh(to)?;
        }
        Ok(came)
    }

    /// Lets a replica have these files and no others.
    pub(crate) fn replace(&self, replica: usize, files: &Files) -> Result<(), Fault> {
        let held = self.paths(replica)?;
        let place = &self.replicas[replica].place;
        for path in held.iter().filter(|path| !files.contains_key(*path)) {
            place.remove(path).map_err(Fault::store(replica))?;
        }
        self.deliver(files, replica, Arriving::All, LineEnds::Kept)?;
        self.refresh(replica)
    }

    fn refresh(&self, replica: usize) -> Result<(), Fault> {
        let refreshed = self.store(replica).refresh();
        refreshed.map_err(Fault::store(replica))
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' && converted.last() != Some(&b'\r') {
            converted.push(b'\r');
        }
        converted.push(*byte);
    }
    converted
}

/// Returns which transaction a file is of.
pub(crate) fn id_of(path: &str) -> Option<TransactionId> {
    let name = path.rsplit('/').next()?.strip_suffix(".jsonl")?;
    TransactionId::parse(name).ok()
}
