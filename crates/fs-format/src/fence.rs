//! The fence: a file in `events/` that keeps programs of eventcore-fs out of a store.
//!
//! Those programs see the flat files of formats 1 and 2 alone, so they would append to their old head as if nothing had
//! been written since. A flat file that is no transaction of theirs makes them refuse to open, and the record's name is in
//! the message that they give.

/// The name of the fence below `events/`. Readers of format 3 pass over it, whatever it holds.
pub const FENCE_NAME: &str = "fence.jsonl";

/// The content of the fence.
pub const FENCE: &str = "{\"record\":\"fence: this store is written by Tributary, whose transactions eventcore-fs does not see\"}\n";
