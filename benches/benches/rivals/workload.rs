//! The events that every store is filled with: the same streams, in the same order, with the same data.
//!
//! A transaction has one event. A hundred tenants take turns, and each has so many accounts that an account gets ten
//! events; so what belongs to one tenant is 1 % of everything, and lies scattered over all of it.
//!
//! **Invariant**: what stands at a place of a history is a function of its shape, its size and the place.

use eventcore_types::{Event, StreamId, StreamVersion, StreamWrites};
use serde::{Deserialize, Serialize};

use crate::Fallible;

const TENANTS: u64 = 100;
const EVENTS_PER_ACCOUNT: u64 = 10;

/// What the names of one tenant's streams begin with, and no others.
pub(crate) const TENANT_PREFIX: &str = "tenant-07/";

/// What the names of the same tenant's streams match, and no others; nothing is known of how such a name begins.
pub(crate) const TENANT_GLOB: &str = "*-07/account-*";

/// The stream that has half of all events where the shape is [`Shape::Long`].
pub(crate) const LONG_STREAM: &str = "ledger/long";

/// How the events of a history spread over streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Over the accounts of all tenants.
    Tenants,
    /// Every other event into one stream, the rest over the accounts of all tenants.
    Long,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Long => "long",
        }
    }

    /// Returns the stream of the event at `place` of a history of `size`, and how many events it has before.
    pub(crate) fn stream(self, size: u64, place: u64) -> (String, u64) {
        match self {
            Self::Tenants => account(size, place),
            Self::Long if place.is_multiple_of(2) => (LONG_STREAM.to_owned(), place / 2),
            Self::Long => account(size / 2, place / 2),
        }
    }
}

fn account(size: u64, place: u64) -> (String, u64) {
    let accounts = (size / (TENANTS * EVENTS_PER_ACCOUNT)).max(1);
    let (tenant, turn) = (place % TENANTS, place / TENANTS);
    let name = format!("tenant-{tenant:02}/account-{:05}", turn % accounts);
    (name, turn / accounts)
}

/// Returns how many of the events at the first `size` places belong to the tenant.
pub(crate) fn events_of_tenant(size: u64) -> usize {
    (0..size).filter(|place| place % TENANTS == 7).count()
}

/// Something that happened to an account.
///
/// Small on purpose: turning JSON into values costs every store the same, and the larger the event, the more of that and the less
/// of the store is measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Booked {
    pub(crate) account: StreamId,
    number: u64,
    pub(crate) cents: i64,
}

impl Booked {
    pub(crate) fn new(account: StreamId, number: u64) -> Self {
        Self {
            account,
            number,
            cents: (number as i64 * 7_919) % 100_000 - 50_000,
        }
    }
}

impl Event for Booked {
    fn stream_id(&self) -> &StreamId {
        &self.account
    }

    fn event_type_name() -> &'static str {
        "Booked"
    }
}

/// Returns one event for a stream that has `version` events, as eventcore's traits take it.
pub(crate) fn write(stream: &str, version: u64, number: u64) -> Fallible<StreamWrites> {
    let stream = StreamId::try_new(stream)?;
    Ok(StreamWrites::new()
        .register_stream(stream.clone(), StreamVersion::new(version as usize))?
        .append(Booked::new(stream, number))?)
}
