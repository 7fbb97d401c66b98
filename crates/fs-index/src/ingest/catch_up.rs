//! Catching up with what other handles have written: the manifest, its segments, and the end of the journal.
//!
//! **Invariant**: two handles at the same place of the journal know the same. What cannot be read as it was written is not
//! believed, and left for the holder of the write lock to mend.

use std::sync::Arc;

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::apply::Replayed;
use crate::log::journal::{Journal, JournalChange};
use crate::table::catalog::Catalog;
use crate::table::manifest::Manifest;
use crate::table::segment::Segment;

/// A tail of more transactions is left for the manifest that another handle has written meanwhile.
const MAX_FOLLOWED_TAIL: usize = 4096;

/// How often a manifest is read again that was replaced while its segments were opened.
const MAX_MANIFEST_READS: usize = 5;

/// How far the journal was caught up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caught {
    /// To its end.
    Up,
    /// To a place from where on a manifest or a journal is needed that is not there yet. What is known can be served.
    Behind,
    /// There is nothing to serve.
    Nothing,
}

impl Index {
    /// Reads what there is of the index; returns whether that can be answered from. No directory is looked at.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn load(&mut self) -> Result<bool, IndexError> {
        let loaded = match self.catch_up() {
            Ok(caught) => Ok(caught == Caught::Up && !self.has_lost_its_end()),
            Err(IndexError::Damaged { .. }) => {
                self.forget();
                Ok(false)
            }
            Err(error) => Err(error),
        };
        self.publish();
        loaded
    }

    /// Reads the journal's new records.
    pub(crate) fn catch_up(&mut self) -> Result<Caught, IndexError> {
        let known = self.snapshot.ingestion_end();
        self.is_reloaded = false;
        let caught = self.try_catch_up()?;
        if self.is_reloaded {
            // What was read of the journal before may not be in it any more.
            self.forget_cached_unless_holds(known)?;
        }
        Ok(caught)
    }

    fn try_catch_up(&mut self) -> Result<Caught, IndexError> {
        if self.snapshot.catalog.tail.len() > MAX_FOLLOWED_TAIL {
            self.load_manifest_beyond(self.covered)?;
        }
        for _ in 0..MAX_MANIFEST_READS {
            if !self.is_loaded() && !self.load_manifest()? {
                return Ok(Caught::Nothing);
            }
            let look = self.journal.poll()?;
            self.snapshot.journal = self.journal.reader();
            match look {
                JournalChange::Added { entries, cut } => {
                    self.cut = cut;
                    match self.replay(&entries)? {
                        Replayed::All => return Ok(Caught::Up),
                        Replayed::UpTo(place) => {
                            self.journal.rewind(place);
                            if !self.load_manifest_beyond(place)? {
                                return Ok(Caught::Behind);
                            }
                        }
                        Replayed::Refuted => {
                            self.forget();
                            return Ok(Caught::Nothing);
                        }
                    }
                }
                JournalChange::Replaced if self.load_manifest()? => {}
                // What is known of it is of a time that did not happen any more.
                JournalChange::PutBack => self.forget(),
                // The files that are held open still answer.
                JournalChange::Replaced | JournalChange::Unusable => return Ok(Caught::Behind),
            }
        }
        Ok(Caught::Nothing)
    }

    /// Starts from the manifest; returns whether there is one that belongs to the journal.
    fn load_manifest(&mut self) -> Result<bool, IndexError> {
        self.load_manifest_beyond(0)
    }

    fn load_manifest_beyond(&mut self, place: u64) -> Result<bool, IndexError> {
        for _ in 0..MAX_MANIFEST_READS {
            let manifest = Manifest::load(self.system.disk.as_ref(), &self.layout)?;
            let Some(manifest) = manifest.filter(|manifest| manifest.covered > place) else {
                return Ok(false);
            };
            let segments: Result<Vec<_>, _> = manifest
                .segments
                .iter()
                .map(|id| self.open_segment(*id).map(Arc::new))
                .collect();
            let Ok(segments) = segments else {
                // Replaced in between, or damaged.
                continue;
            };
            let mut journal = Journal::new(&self.system, &self.layout);
            if !journal.resume(manifest.journal_id, manifest.covered, manifest.mark)? {
                return Ok(false);
            }
            self.journal = journal;
            self.is_reloaded = true;
            self.covered = manifest.covered;
            self.directories = manifest.directories;
            self.start_at(manifest.state, Catalog::of(segments));
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn open_segment(&self, id: [u8; 16]) -> Result<Segment, IndexError> {
        let path = self.layout.segment(id);
        Ok(Segment::open(
            self.system.disk.as_ref(),
            &path,
            id,
            &self.page_cache,
        )?)
    }

    /// Returns whether a power cut took records of the journal that may have been read.
    pub(crate) fn has_lost_its_end(&self) -> bool {
        let state = self.snapshot.state.as_ref();
        self.cut && state.is_some_and(|state| self.is_another_boot(state))
    }
}
