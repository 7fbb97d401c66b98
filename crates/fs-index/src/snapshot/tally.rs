//! How many there are of a kind, with the first of their paths.

/// How many omissions of one kind there are, and some of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub count: u64,
    /// The first [`Tally::MAX_PATHS`] paths below `events/`.
    pub paths: Vec<String>,
}

impl Tally {
    /// Most paths that are listed of one kind.
    pub const MAX_PATHS: usize = 10;

    pub(crate) const NONE: Self = Self {
        count: 0,
        paths: Vec::new(),
    };

    pub(crate) fn add(&mut self, path: &str) {
        self.count += 1;
        if self.paths.len() < Self::MAX_PATHS {
            self.paths.push(path.to_owned());
        }
    }
}
