//! What a layer above works out from a history, kept along with it.
//!
//! **Invariant**: it is handed back as it was left. Whether it still is that of the history is for its owner to tell: a
//! history grows, and may give way to another.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// One value of each type.
#[derive(Debug, Default)]
pub(crate) struct Derived(Mutex<HashMap<TypeId, Box<dyn Any + Send>>>);

/// A clone has nothing yet.
impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Derived {
    /// Calls `look` with the value of a type, which is its default before the first call.
    ///
    /// Who asks for the same type meanwhile gets a default of its own.
    pub(crate) fn with<D: Any + Default + Send, T>(&self, look: impl FnOnce(&mut D) -> T) -> T {
        let slots = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = slots().remove(&TypeId::of::<D>());
        let mut value = kept
            .and_then(|kept| kept.downcast::<D>().ok())
            .unwrap_or_default();
        let answer = look(&mut value);
        slots().insert(TypeId::of::<D>(), value);
        answer
    }
}
