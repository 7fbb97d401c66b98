//! How much of each chain is covered: a length for each, where it is not 0.
//!
//! A value never changes, and shares with those that it was made from what it has in common with them. So a clock that adds little to its
//! parents' takes little memory, however many chains these cover.
//!
//! ```text
//!   node of 32 nodes --> node of 32 nodes --> 32 lengths      chain 1,058 is at 1, 1, 2; a tree is as high as its chains ask for
//! ```
//!
//! Persistent tries of this kind are due to P. Bagwell (*Ideal hash trees*, 2001).

use std::sync::Arc;

/// A node has two to the power of this many parts.
const BITS: u32 = 5;

/// What belongs to chains that follow each other; without what is empty, or 0, at the end.
#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    Lengths(Arc<[u32]>),
    Nodes(Arc<[Node]>),
}

/// For each chain the length of a prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    root: Node,
    /// How many levels of nodes stand above the lengths.
    height: u32,
}

/// Returns the place of a chain in a node `level` levels above the lengths.
fn place(chain: u32, level: u32) -> usize {
    let shifted = chain.checked_shr(BITS * level).unwrap_or(0);
    (shifted & ((1 << BITS) - 1)) as usize
}

impl Prefixes {
    /// Returns the length of a chain's prefix.
    ///
    /// # Complexity
    /// O(log c) for c chains, to the base of 32.
    pub(crate) fn length(&self, chain: u32) -> u32 {
        if !self.has_room_for(chain) {
            return 0;
        }
        let (mut node, mut level) = (&self.root, self.height);
        loop {
            match node {
                Node::Empty => return 0,
                Node::Lengths(lengths) => {
                    return lengths.get(place(chain, 0)).copied().unwrap_or(0);
                }
                Node::Nodes(nodes) => match nodes.get(place(chain, level)) {
                    Some(below) => (node, level) = (below, level - 1),
                    None => return 0,
                },
            }
        }
    }

    fn has_room_for(&self, chain: u32) -> bool {
        chain.checked_shr(BITS * (self.height + 1)).unwrap_or(0) == 0
    }

    /// Returns the same with another length of one chain.
    pub(crate) fn with(&self, chain: u32, length: u32) -> Self {
        let mut changed = self.clone();
        changed.set(chain, length);
        changed
    }

    /// Changes the length of one chain.
    ///
    /// # Complexity
    /// O(log c) for c chains.
    pub(crate) fn set(&mut self, chain: u32, length: u32) {
        while !self.has_room_for(chain) {
            self.raise();
        }
        self.root.set(self.height, chain, length);
    }

    fn raise(&mut self) {
        let root = std::mem::take(&mut self.root);
        self.root = Node::of_nodes(vec![root]);
        self.height += 1;
    }

    /// Makes both as high as the higher one.
    fn of_one_height(&self, other: &Self) -> (Self, Self) {
        let (mut one, mut other) = (self.clone(), other.clone());
        while one.height < other.height {
            one.raise();
        }
        while other.height < one.height {
            other.raise();
        }
        (one, other)
    }

    /// Takes the greater of both lengths of each chain.
    ///
    /// # Complexity
    /// O(d log c) for d chains among c in which the two differ and both have some, at most.
    pub(crate) fn add(&mut self, other: &Self) {
        while self.height < other.height {
            self.raise();
        }
        let mut other = other.clone();
        while other.height < self.height {
            other.raise();
        }
        self.root.add(&other.root);
    }

    /// Returns the lesser of both lengths of each chain.
    ///
    /// # Complexity
    /// As [`Prefixes::add`].
    pub(crate) fn meet(&self, other: &Self) -> Self {
        let (one, other) = self.of_one_height(other);
        Self {
            root: one.root.meet(&other.root),
            height: one.height,
        }
    }

    /// Returns the chains of which something is covered, ascending, each with how much.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        Entries {
            nodes: vec![(&self.root, self.height, 0)],
            lengths: (&[], 0),
        }
    }

    /// Returns the chains of which more is covered than in `other`, ascending, each with how much.
    ///
    /// # Complexity
    /// Nothing is looked at that the two share.
    pub(crate) fn beyond(&self, other: &Self) -> Vec<(u32, u32)> {
        let (one, other) = self.of_one_height(other);
        let mut found = Vec::new();
        one.root.add_beyond(&other.root, one.height, 0, &mut found);
        found
    }

    /// Returns whether both are the same.
    ///
    /// # Complexity
    /// As [`Prefixes::beyond`].
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let (one, other) = self.of_one_height(other);
        one.root.equals(&other.root)
    }

    /// Adds the heap bytes of what is not among `seen`, by where it lies.
    pub(crate) fn add_bytes(&self, seen: &mut std::collections::HashSet<usize>) -> usize {
        let mut waiting = vec![&self.root];
        let mut bytes = 0;
        while let Some(node) = waiting.pop() {
            // Beside what is shared, an `Arc` keeps two counters.
            let counters = 2 * size_of::<usize>();
            match node {
                Node::Empty => {}
                Node::Lengths(lengths) => {
                    if seen.insert(Arc::as_ptr(lengths).cast::<u32>() as usize) {
                        bytes += counters + size_of_val(&**lengths);
                    }
                }
                Node::Nodes(nodes) => {
                    if seen.insert(Arc::as_ptr(nodes).cast::<Node>() as usize) {
                        bytes += counters + size_of_val(&**nodes);
                        waiting.extend(nodes.iter());
                    }
                }
            }
        }
        bytes
    }
}

impl Node {
    fn of_lengths(mut lengths: Vec<u32>) -> Self {
        while lengths.pop_if(|length| *length == 0).is_some() {}
        match lengths.is_empty() {
            true => Self::Empty,
            false => Self::Lengths(lengths.into()),
        }
    }

    fn of_nodes(mut nodes: Vec<Self>) -> Self {
        while nodes.pop_if(|node| matches!(node, Self::Empty)).is_some() {}
        match nodes.is_empty() {
            true => Self::Empty,
            false => Self::Nodes(nodes.into()),
        }
    }

    fn lengths(&self) -> &[u32] {
        match self {
            Self::Lengths(lengths) => lengths,
            _ => &[],
        }
    }

    fn nodes(&self) -> &[Self] {
        match self {
            Self::Nodes(nodes) => nodes,
            _ => &[],
        }
    }

    fn set(&mut self, level: u32, chain: u32, length: u32) {
        let at = place(chain, level);
        if level == 0 {
            if let Self::Lengths(lengths) = self
                && let Some(place) = Arc::get_mut(lengths).and_then(|own| own.get_mut(at))
            {
                *place = length;
                return;
            }
            let mut lengths = self.lengths().to_vec();
            lengths.resize(lengths.len().max(at + 1), 0);
            lengths[at] = length;
            *self = Self::of_lengths(lengths);
            return;
        }
        if let Self::Nodes(nodes) = self
            && let Some(node) = Arc::get_mut(nodes).and_then(|own| own.get_mut(at))
        {
            return node.set(level - 1, chain, length);
        }
        let mut nodes = self.nodes().to_vec();
        nodes.resize(nodes.len().max(at + 1), Self::Empty);
        nodes[at].set(level - 1, chain, length);
        *self = Self::of_nodes(nodes);
    }

    /// Returns whether both are one and the same value.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Lengths(one), Self::Lengths(other)) => Arc::ptr_eq(one, other),
            (Self::Nodes(one), Self::Nodes(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Returns whether each length is at most that in another node of the same level.
    fn is_within(&self, other: &Self) -> bool {
        let nothing = Self::Empty;
        let other_of = |nth: usize| other.nodes().get(nth).unwrap_or(&nothing);
        let mut nodes = self.nodes().iter().enumerate();
        self.is(other)
            || paired(self.lengths(), other.lengths()).all(|(one, other)| one <= other)
                && nodes.all(|(nth, node)| node.is_within(other_of(nth)))
    }

    /// Takes what another node of the same level has more: where the result is as one of them, it is that one.
    fn add(&mut self, other: &Self) {
        if other.is_within(self) {
            return;
        }
        if self.is_within(other) {
            *self = other.clone();
            return;
        }
        match (&mut *self, other) {
            (Self::Lengths(one), Self::Lengths(two)) => {
                let joined = paired(one, two).map(|(one, two)| one.max(two));
                *self = Self::of_lengths(joined.collect());
            }
            (Self::Nodes(one), Self::Nodes(two)) => {
                let own = Arc::get_mut(one).filter(|own| own.len() >= two.len());
                if let Some(own) = own {
                    let pairs = own.iter_mut().zip(two.iter());
                    pairs.for_each(|(one, two)| one.add(two));
                    return;
                }
                let mut nodes = one.to_vec();
                nodes.resize(nodes.len().max(two.len()), Self::Empty);
                let pairs = nodes.iter_mut().zip(two.iter());
                pairs.for_each(|(one, two)| one.add(two));
                *self = Self::of_nodes(nodes);
            }
            // Nodes of one level are of one kind, and one that is empty lies within the other.
            _ => {}
        }
    }

    /// Returns the lesser of both lengths of each chain; both nodes are of one level.
    fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Empty, _) | (_, Self::Empty) => Self::Empty,
            (one, other) if one.is(other) => one.clone(),
            (Self::Lengths(one), Self::Lengths(two)) => {
                let met = one.iter().zip(two.iter());
                Self::of_lengths(met.map(|(one, two)| *one.min(two)).collect())
            }
            (one, two) => {
                let met = one.nodes().iter().zip(two.nodes());
                let met: Vec<Self> = met.map(|(one, two)| one.meet(two)).collect();
                let are_same = met.len() == one.nodes().len()
                    && met.iter().zip(one.nodes()).all(|(met, one)| met.is(one));
                if are_same {
                    self.clone()
                } else {
                    Self::of_nodes(met)
                }
            }
        }
    }

    fn add_beyond(&self, other: &Self, level: u32, first: u32, found: &mut Vec<(u32, u32)>) {
        if self.is(other) {
            return;
        }
        let pairs = (first..).zip(paired(self.lengths(), other.lengths()));
        let more = pairs.filter(|(_, (one, other))| one > other);
        found.extend(more.map(|(chain, (length, _))| (chain, length)));
        for (nth, node) in (0u32..).zip(self.nodes()) {
            let other = other.nodes().get(nth as usize).unwrap_or(&Self::Empty);
            let first = first + (nth << (BITS * level));
            node.add_beyond(other, level.saturating_sub(1), first, found);
        }
    }

    fn equals(&self, other: &Self) -> bool {
        self.is(other) || self.is_within(other) && other.is_within(self)
    }
}

/// Returns the lengths of both, as far as the longer list goes.
fn paired(one: &[u32], other: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    let at = |lengths: &[u32], nth: usize| lengths.get(nth).copied().unwrap_or(0);
    let count = one.len().max(other.len());
    (0..count).map(move |nth| (at(one, nth), at(other, nth)))
}

struct Entries<'a> {
    /// Nodes that come next, the last one first, each with its level and its first chain.
    nodes: Vec<(&'a Node, u32, u32)>,
    /// What is left of a node, and its first chain.
    lengths: (&'a [u32], u32),
}

impl Iterator for Entries<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        loop {
            while let ([length, rest @ ..], chain) = self.lengths {
                self.lengths = (rest, chain + 1);
                if *length > 0 {
                    return Some((chain, *length));
                }
            }
            let (node, level, first) = self.nodes.pop()?;
            self.lengths = (node.lengths(), first);
            let below = (0u32..).zip(node.nodes());
            let below = below.filter(|(_, node)| !matches!(node, Node::Empty));
            let below = below.map(|(nth, node)| {
                let first = first + (nth << (BITS * level));
                (node, level.saturating_sub(1), first)
            });
            let start = self.nodes.len();
            self.nodes.extend(below);
            self.nodes[start..].reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    type Lengths = BTreeMap<u32, u32>;

    fn of(lengths: &Lengths) -> Prefixes {
        let begin = Prefixes::default();
        lengths
            .iter()
            .fold(begin, |made, (chain, length)| made.with(*chain, *length))
    }

    fn lengths() -> impl Strategy<Value = Lengths> {
        let chain = prop_oneof![
            4 => 0..70u32,
            2 => 0..40_000u32,
            1 => any::<u32>(),
        ];
        prop::collection::btree_map(chain, 0..4u32, 0..40)
    }

    proptest! {
        #[test]
        fn it_is_as_a_map(one in lengths(), two in lengths(), asked in any::<u32>()) {
            let (a, b) = (of(&one), of(&two));
            let get = |lengths: &Lengths, chain| lengths.get(&chain).copied().unwrap_or(0);
            let nonzero = |lengths: &Lengths| {
                lengths.iter().map(|(c, l)| (*c, *l)).filter(|(_, l)| *l > 0).collect::<Vec<_>>()
            };
            prop_assert_eq!(a.iter().collect::<Vec<_>>(), nonzero(&one));
            let chains: Vec<u32> = one.keys().chain(two.keys()).copied().chain([asked]).collect();
            let met = a.meet(&b);
            let mut joined = a.clone();
            joined.add(&b);
            for chain in &chains {
                let (x, y) = (get(&one, *chain), get(&two, *chain));
                prop_assert_eq!((a.length(*chain), b.length(*chain)), (x, y));
                prop_assert_eq!(joined.length(*chain), x.max(y));
                prop_assert_eq!(met.length(*chain), x.min(y));
            }
            let beyond: Vec<_> = nonzero(&one).into_iter().filter(|(c, l)| *l > get(&two, *c)).collect();
            prop_assert_eq!(a.beyond(&b), beyond);
            prop_assert_eq!(a.equals(&b), nonzero(&one) == nonzero(&two));
            let mut same = a.clone();
            same.add(&met);
            prop_assert!(same.equals(&a), "what is less adds nothing");
            let cleared = chains.iter().fold(joined, |left, chain| left.with(*chain, 0));
            prop_assert_eq!(cleared.iter().next(), None, "nothing is left");
        }
    }

    #[test]
    fn what_is_in_common_is_shared() {
        let many: Lengths = (0..20_000).map(|chain| (chain, 1)).collect();
        let many = of(&many);
        let mut more = many.clone();
        more.add(&of(&[(7, 2)].into()));
        let mut seen = HashSet::new();
        let bytes = many.add_bytes(&mut seen);
        let added = more.add_bytes(&mut seen);
        assert!(added * 20 < bytes, "{added} of {bytes}");
        more.add(&of(&[(7, 1)].into()));
        assert_eq!(more.add_bytes(&mut seen), 0, "that was in it");
        assert_eq!(more.beyond(&many), [(7, 2)]);
    }
}
