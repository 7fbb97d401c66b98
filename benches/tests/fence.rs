//! The fence, seen by a published eventcore-fs.
//!
//! This file is compiled against 2.1.0 here, and against 1.0.0 and 1.0.1 by the packages in `benches/fence/`, since no two versions that
//! differ in less than the first number can be dependencies of one package (`cargo xtask fence`).

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test writes into the directory of another store"
)]

use std::fs;
use std::path::Path;

use eventcore_fs::FileEventStore;
use eventcore_types::{Event, EventStore, StreamId, StreamVersion, StreamWrites};
use fs_format::{FENCE, FENCE_NAME, GIT_ATTRIBUTES};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    stream: StreamId,
    n: u64,
}

impl Event for Counted {
    fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    fn event_type_name() -> &'static str {
        "Counted"
    }
}

async fn append(store: &FileEventStore, version: usize) {
    let stream = StreamId::try_new("s").unwrap();
    let event = Counted {
        stream: stream.clone(),
        n: 1,
    };
    let writes = StreamWrites::new()
        .register_stream(stream, StreamVersion::new(version))
        .and_then(|writes| writes.append(event))
        .unwrap();
    assert!(store.append_events(writes).await.is_ok());
}

/// Leaves a transaction of format 3 and the files that come with it.
fn write_beside(events: &Path) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = golden
        .ancestors()
        .map(|above| above.join("crates/fs-format/tests/golden/v3/minimal.jsonl"))
        .find(|golden| golden.exists())
        .unwrap();
    let shard = events.join("01a1/fa");
    fs::create_dir_all(&shard).unwrap();
    let id = "01a1faa7-bfa1-7000-8000-000000000001";
    fs::copy(golden, shard.join(format!("{id}.jsonl"))).unwrap();
    fs::write(events.join(".gitattributes"), GIT_ATTRIBUTES).unwrap();
}

#[tokio::test]
async fn eventcore_fs_appends_blind_beside_format_3_and_refuses_to_open_over_the_fence() {
    let world = tempfile::tempdir().unwrap();
    let events = world.path().join("events");
    append(&FileEventStore::open(world.path()).unwrap(), 0).await;
    write_beside(&events);
    append(&FileEventStore::open(world.path()).unwrap(), 1).await;

    let fence = events.join(FENCE_NAME);
    fs::write(&fence, FENCE).unwrap();
    let Err(refused) = FileEventStore::open(world.path()) else {
        panic!("the fence keeps it out")
    };
    let message = refused.to_string();
    assert!(
        message.contains(FENCE_NAME) && message.contains("Tributary"),
        "its message names the fence and whose it is: {message}"
    );
    fs::remove_file(fence).unwrap();
    append(&FileEventStore::open(world.path()).unwrap(), 2).await;
}
