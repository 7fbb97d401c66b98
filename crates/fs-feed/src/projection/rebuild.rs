//! Why a state is built again from the first event.

use fs_index::Epoch;

use crate::page::IndexSnapshotId;
use crate::projection::progress::Progress;
use crate::projection::projector::Order;

/// Why a state is reset and built from the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rebuild {
    /// There is no state yet.
    First,
    /// The caller wants it.
    Asked,
    /// It was built by another version of the projection.
    Version {
        /// That version.
        from: u32,
    },
    /// It was built in the other order.
    Order,
    /// Events went away, the index was built again, or the store was put back to an earlier state: the cursor means nothing any more.
    Epoch {
        /// The epoch that it was built in.
        from: Option<Epoch>,
    },
    /// Events came that sort before what was applied.
    Topology {
        /// The topology generation that it was built in.
        from: u64,
        /// The present one.
        to: u64,
    },
}

impl Rebuild {
    /// Returns why a state with this progress cannot be gone on with, if it cannot.
    pub(crate) fn needed(
        progress: Option<&Progress>,
        version: u32,
        order: Order,
        snapshot_id: &IndexSnapshotId,
    ) -> Option<Self> {
        let Some(progress) = progress else {
            return Some(Self::First);
        };
        if progress.version != version {
            let from = progress.version;
            return Some(Self::Version { from });
        }
        if progress.order != order {
            return Some(Self::Order);
        }
        let is_untouched = progress.applied == 0 && progress.epoch().is_none();
        if progress.epoch() != snapshot_id.epoch && !is_untouched {
            let from = progress.epoch();
            return Some(Self::Epoch { from });
        }
        if order == Order::Canonical && progress.generation != snapshot_id.generation {
            return Some(Self::Topology {
                from: progress.generation,
                to: snapshot_id.generation,
            });
        }
        None
    }
}
