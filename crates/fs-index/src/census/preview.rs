//! A census of the files that are here, and of others that may come.
//!
//! **Invariant**: what comes is judged as it would be by the census after it came.

use std::collections::BTreeMap;

use fs_format::Location;

use super::Census;
use crate::error::IndexError;
use crate::history::History;
use crate::look::Depth;
use crate::preview::{Incoming, Preview};
use crate::scan;
use crate::stored::Stored;
use crate::trouble::{Reason, Trouble};

impl Census {
    /// Works out the history now and with `incoming` files.
    ///
    /// # Errors
    /// As [`Census::observe`].
    pub(crate) fn preview(mut self, incoming: Vec<Incoming>) -> Result<Preview, IndexError> {
        // Without a usable journal every file is read.
        let _ = self.catch_up()?;
        self.survey(Depth::Names)?;
        self.change_as_planned();
        let present = self.history.shared().to_vec();
        let now = History::build(
            present,
            self.history.epoch(),
            self.history.topology_generation(),
        );
        let known: Vec<String> = self.troubles.keys().cloned().collect();
        let mut troubles = BTreeMap::new();
        for Incoming { path, content } in incoming {
            let name = path.rsplit('/').next().unwrap_or(&path);
            if scan::is_harmless(name) {
                continue;
            }
            if let Err(reason) = content.and_then(|bytes| self.take_incoming(&path, bytes)) {
                troubles.insert(path.clone(), Trouble { path, reason });
            }
        }
        self.change_as_planned();
        for (path, watched) in &self.troubles {
            if !known.contains(path) {
                troubles
                    .entry(path.clone())
                    .or_insert_with(|| watched.trouble.clone());
            }
        }
        Ok(Preview {
            now,
            then: self.history,
            troubles: troubles.into_values().collect(),
        })
    }

    fn change_as_planned(&mut self) {
        let plan = self.plan();
        if !plan.is_empty() {
            let _ = self.change(plan);
        }
        self.list_rejected();
    }

    /// Takes a file for one that is here, unless another content of its transaction is.
    fn take_incoming(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), Reason> {
        let location: Location = fs_format::check_name(path).map_err(Reason::Name)?;
        if bytes.len() as u64 > fs_format::limits::MAX_FILE_BYTES {
            let len = bytes.len() as u64;
            return Err(Reason::TooLarge { len });
        }
        let stored = Stored::of_file(bytes, location, 0);
        let stored = stored.map_err(|error| Reason::of_content(&error))?;
        let id = stored.id();
        let here = self.history.find(id).or_else(|| self.candidates.get(&id));
        match here {
            Some(here) if here.content_hash == stored.content_hash => Ok(()),
            Some(_) => Err(Reason::Content(
                "another content than the file of this transaction that is here".to_owned(),
            )),
            None => {
                self.meet(stored);
                Ok(())
            }
        }
    }
}
