//! The proof of `Durability::Log`: stories of appends, resets and reopenings on a simulated disk that loses power everywhere, and whose syncs
//! and writes fail everywhere.

mod broken;
mod failures;
mod fates;
mod former;
mod kept;
mod newer;
mod places;
mod power;
mod sites;
mod story;
