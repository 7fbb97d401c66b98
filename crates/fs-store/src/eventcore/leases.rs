//! Leadership of projections, as EventCore's runner asks for it.

use eventcore_types::ProjectorCoordinator;

use crate::blocking::blocking;
use crate::lease::{Lease, LeaseError};
use crate::store::FileEventStore;

impl ProjectorCoordinator for FileEventStore {
    type Error = LeaseError;
    type Guard = Lease;

    async fn try_acquire(&self, subscription_name: &str) -> Result<Self::Guard, Self::Error> {
        let (store, name) = (self.clone(), subscription_name.to_owned());
        blocking(move || store.lease(&name)).await
    }
}
