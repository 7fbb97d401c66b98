//! Which streams of a store hold issues.

use fs_store::{Select, Streams};

/// What the name of an issue's stream begins with.
pub const PREFIX: &str = "issue-";

/// All issues, and nothing else that lies in the same store.
#[derive(Clone, Copy, Debug)]
pub struct Issues;

impl Select for Issues {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id.starts_with(PREFIX)
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }

    fn streams(&self) -> Option<Streams<'_>> {
        Some(Streams {
            prefix: PREFIX,
            selection: "",
        })
    }
}
