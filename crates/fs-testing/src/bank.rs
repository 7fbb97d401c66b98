//! The events of a small bank, as an application of EventCore has them.

use eventcore_types::{Event, StreamId};
use serde::{Deserialize, Serialize};

/// What happens to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Banked {
    /// Money was paid in.
    Deposited {
        /// The account.
        account: StreamId,
        /// How much.
        cents: u64,
    },
    /// Money was paid out.
    Withdrawn {
        /// The account.
        account: StreamId,
        /// How much.
        cents: u64,
    },
}

impl Event for Banked {
    fn stream_id(&self) -> &StreamId {
        match self {
            Self::Deposited { account, .. } | Self::Withdrawn { account, .. } => account,
        }
    }

    fn event_type_name() -> &'static str {
        "Banked"
    }
}

/// Returns the stream of an account.
pub fn account(name: &str) -> StreamId {
    StreamId::try_new(name).expect("a name without wildcards")
}
