//! What crates above need of an opened store beyond what applications do.
//!
//! **Invariant**: a question is answered by one snapshot; nothing here changes what is stored.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_index::{IndexError, Layout, Snapshot};
use fs_io::System;

use crate::completeness::Answer;
use crate::error::RefreshError;
use crate::store::FileEventStore;

/// What a crate above keeps for an opened store, one value of a type for all clones of a handle.
pub trait Companion: Any + Send + Sync {
    /// Hears that this process has appended something, or has ingested what came or went. Must be quick, and must not ask the store.
    fn wake(&self);
}

impl FileEventStore {
    /// Asks a snapshot of the store as of now, and tells what that is known to lack.
    ///
    /// The question is asked a second time when a part of the index was damaged and had to be built anew.
    ///
    /// # Errors
    /// [`RefreshError`] when the history cannot be brought up to date; what the question fails with.
    pub fn ask<T>(
        &self,
        question: impl Fn(&Snapshot) -> Result<T, IndexError>,
    ) -> Result<Answer<T>, RefreshError> {
        self.inner.answer(question)
    }

    /// Returns the companion of a type, which is made when there is none yet. It goes away with the last clone of the handle.
    pub fn companion<C: Companion + Default>(&self) -> Arc<C> {
        self.inner.companions.get()
    }

    /// Returns the system that the store lies on.
    pub fn system(&self) -> &System {
        &self.inner.system
    }

    /// Returns where the files of the store lie.
    pub fn layout(&self) -> &Layout {
        &self.inner.layout
    }
}

/// The companions of an opened store.
#[derive(Default)]
pub(crate) struct Companions(Mutex<HashMap<TypeId, Arc<dyn Companion>>>);

impl Companions {
    fn get<C: Companion + Default>(&self) -> Arc<C> {
        let mut companions = self.lock();
        let companion = companions
            .entry(TypeId::of::<C>())
            .or_insert_with(|| Arc::new(C::default()));
        let companion: Arc<dyn Any + Send + Sync> = Arc::clone(companion) as _;
        companion.downcast().unwrap_or_default()
    }

    /// Tells all of them.
    pub(crate) fn wake(&self) {
        self.lock().values().for_each(|companion| companion.wake());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TypeId, Arc<dyn Companion>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Companions")
            .field(&self.lock().len())
            .finish()
    }
}
