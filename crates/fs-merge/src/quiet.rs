//! The answer that no fork is open, kept from process to process.
//!
//! Whoever has worked it out from the whole history keeps how far that went and what the heads were. While everything that
//! came since descends from all that was there before, as each ordinary append does, no fork can have come into being
//! ([`descends_from_all`]), and the next process need not load the history to say so.
//!
//! **Invariant**: it is said only when the whole history would say the same.

use fs_format::{Header, TransactionId};
use fs_index::{History, Position};
use fs_store::{FileEventStore, Preview, RefreshError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::above::descends_from_all;

/// Under this name it is kept.
const NAME: &str = "forks";

/// More arrivals are not looked through: the whole history is loaded then.
const MOST: usize = 1024;

/// When no fork was open.
#[derive(Debug, Serialize, Deserialize)]
struct Quiet {
    version: u32,
    /// The place up to which the history was looked at.
    position: Uuid,
    heads: Vec<TransactionId>,
}

const VERSION: u32 = 2;

/// Returns whether it can be told without the history that no fork is open.
pub(crate) fn is_quiet(store: &FileEventStore) -> Result<bool, RefreshError> {
    told(store.kept_answer(NAME), |since| {
        store.headers_since(since, MOST)
    })
}

/// As [`is_quiet`], for a store that is not opened.
pub(crate) fn is_quiet_in(preview: &Preview) -> Result<bool, RefreshError> {
    told(preview.kept_answer(NAME), |since| {
        preview.headers_since(since, MOST)
    })
}

fn told(
    kept: Option<Vec<u8>>,
    headers_since: impl FnOnce(Position) -> Result<Option<Vec<Header>>, RefreshError>,
) -> Result<bool, RefreshError> {
    let Some(quiet) = kept.and_then(|kept| serde_json::from_slice::<Quiet>(&kept).ok()) else {
        return Ok(false);
    };
    if quiet.version != VERSION {
        return Ok(false);
    }
    let Some(arrived) = headers_since(Position::from_uuid(quiet.position))? else {
        return Ok(false);
    };
    let mut heads = quiet.heads;
    for header in arrived {
        if !descends_from_all(&heads, &header) {
            return Ok(false);
        }
        heads = vec![header.transaction_id];
    }
    Ok(true)
}

/// Keeps that no fork is open in this history.
pub(crate) fn keep(store: &FileEventStore, history: &History) {
    let dag = history.dag();
    let Some(end) = history.ingestion_end() else {
        return;
    };
    let quiet = Quiet {
        version: VERSION,
        position: end.to_uuid(),
        heads: dag.heads().into_iter().map(|ix| dag.id(ix)).collect(),
    };
    if let Ok(text) = serde_json::to_vec(&quiet) {
        store.keep_answer(NAME, &text);
    }
}
