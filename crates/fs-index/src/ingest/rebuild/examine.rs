//! Looking at one file with regard to what is known of its transaction.

use fs_format::Location;

use super::Rebuild;
use crate::log::record::Place;
use crate::stored::Stored;
use crate::watch::file::{self, Found, Named, Rejected};
use crate::watch::rejected::Reason;

/// What was found.
pub(crate) enum Examined {
    /// The file that the history knows, or nothing of interest.
    Unchanged,
    /// No file where this transaction would be.
    Gone(Location),
    /// A transaction that the history does not know.
    Whole(Box<Stored>),
    /// A transaction that lies sharded as well.
    Copy(Box<Stored>),
    /// A file that cannot be used.
    Rejected(Rejected),
}

impl Rebuild {
    /// Looks at the file of this path; what the history knows already is not opened again.
    pub(super) fn examine(&self, path: &str) -> Examined {
        let (location, stat) = match file::name(&self.system, &self.layout, path) {
            Named::File(location, stat) => (location, stat),
            Named::Rejected(rejected) => return Examined::Rejected(rejected),
            Named::Missing(Ok(location)) => return Examined::Gone(location),
            // A name that is listed and not found is not UTF-8.
            Named::Missing(Err(error)) if self.listed.contains_key(path) => {
                return Examined::Rejected(Rejected::new(path, None, Reason::Name(error)));
            }
            Named::Missing(Err(_)) => return Examined::Unchanged,
        };
        let id = location.transaction_id();
        let member = self
            .members
            .find(id)
            .filter(|it| !self.gone.contains(&it.id()));
        if member.is_some_and(|it| it.place == Place::of(&location)) {
            return Examined::Unchanged;
        }
        let others = [member, self.candidates.get(&id)];
        let is_sharded_too = Place::of(&location) == Place::Flat
            && others
                .into_iter()
                .flatten()
                .any(|it| it.place == Place::Sharded);
        match file::decode(&self.system, &self.layout, path, location, &stat) {
            Found::Missing(_) => Examined::Gone(location),
            Found::Whole(stored) if is_sharded_too => Examined::Copy(stored),
            Found::Whole(stored) => Examined::Whole(stored),
            Found::Rejected(rejected) => Examined::Rejected(rejected),
        }
    }
}
