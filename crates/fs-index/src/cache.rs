//! A cache that forgets what was not asked for lately.
//!
//! Two generations: what is asked for gets into the younger one, and when that is full, the older one is let go. So
//! what it holds is between one and two times what a generation may, and an answer takes constant time.
//!
//! **Invariant**: a value that is found is the one that was put in under this key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    /// So many bytes are in the younger generation at most, but for one value.
    most: usize,
    generations: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Returns a cache of at most twice so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                bytes: 0,
            }),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, bytes)) = generations.old.remove_entry(key)?;
        generations.insert(self.most, key, value.clone(), bytes);
        Some(value)
    }

    /// Puts in a value that takes so many bytes.
    pub(crate) fn insert(&self, key: K, value: V, bytes: usize) {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.most, key, value, bytes);
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, most: usize, key: K, value: V, bytes: usize) {
        if self.bytes >= most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if let Some((_, before)) = self.young.insert(key, (value, bytes)) {
            self.bytes -= before;
        }
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let cache = Cache::new(10);
        for key in 0..100 {
            cache.insert(key, key, 1);
            assert_eq!(cache.get(&0), Some(0), "it was asked for all the time");
        }
        let kept = (0..100).filter(|key| cache.get(key).is_some()).count();
        assert!(
            kept <= 20,
            "{kept} values of 1 byte are kept in 2 x 10 bytes"
        );
        assert_eq!(cache.get(&50), None, "it was not asked for");
    }
}
