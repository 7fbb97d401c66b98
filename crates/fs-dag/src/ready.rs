//! A set of small numbers that gives up its least quickly.
//!
//! A bit for each number, and above each layer of words another with a bit for each word that is not zero: adding and
//! taking touch one word a layer, four layers for sixteen million numbers.

/// A set of numbers below a bound.
pub(crate) struct ReadySet {
    /// The lowest layer first; the last is one word.
    layers: Vec<Vec<u64>>,
}

impl ReadySet {
    /// Returns an empty set for numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Self {
        let mut layers = Vec::new();
        let mut words = bound.div_ceil(64).max(1);
        while words > 1 {
            layers.push(vec![0; words]);
            words = words.div_ceil(64);
        }
        layers.push(vec![0; 1]);
        Self { layers }
    }

    /// Adds a number below the bound.
    pub(crate) fn insert(&mut self, number: usize) {
        let mut at = number;
        for layer in &mut self.layers {
            let word = &mut layer[at / 64];
            let was_empty = *word == 0;
            *word |= 1 << (at % 64);
            if !was_empty {
                break;
            }
            at /= 64;
        }
    }

    /// Takes the least number out.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let mut at = 0;
        for layer in self.layers.iter().rev() {
            let word = layer[at];
            if word == 0 {
                return None;
            }
            at = at * 64 + word.trailing_zeros() as usize;
        }
        let least = at;
        for layer in &mut self.layers {
            let word = &mut layer[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_an_ordered_set(steps in proptest::collection::vec(proptest::option::of(0usize..5000), 0..300), extra in 0usize..70) {
            let mut ready = ReadySet::new(5000 + extra);
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Some(number) => {
                        ready.insert(number);
                        model.insert(number);
                    }
                    None => prop_assert_eq!(ready.pop(), model.pop_first(), "the least comes first"),
                }
            }
            while let Some(least) = model.pop_first() {
                prop_assert_eq!(ready.pop(), Some(least), "nothing is lost");
            }
            prop_assert_eq!(ready.pop(), None, "nothing is left");
        }
    }

    #[test]
    fn an_empty_set_gives_nothing() {
        assert_eq!(ReadySet::new(0).pop(), None);
    }
}
