//! Reads the real histories, where they are.
//!
//! Each is a gzip file with one line a transaction, parents before children: parents, replica, author time, commit
//! time and streams, separated by tabs; a parent is the number of an earlier line.

#![allow(
    clippy::disallowed_methods,
    reason = "what is read is a measuring input, not a store"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fs_dag::Node;
use fs_format::{ReplicaId, Timestamp, TransactionId};
use uuid::Uuid;

/// The names of the histories.
pub(crate) const NAMES: [&str; 3] = ["gitoxide", "rust-analyzer", "git"];

/// Whose clock a history shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Clock {
    /// As recorded; it runs backwards at times.
    Foreign,
    /// As format 3 would have written it: later than every parent.
    Format3,
}

/// Returns the history `name`; `None`, and a notice on stderr, where it is not there.
pub(crate) fn load(name: &str, clock: Clock) -> Option<Vec<Node>> {
    let path = directory().join(format!("{name}.dag.gz"));
    if !path.is_file() {
        eprintln!("skipped: no real histories at {}", path.display());
        return None;
    }
    Some(read(&path, clock))
}

fn directory() -> PathBuf {
    let beside_the_workspace = || {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
        let mut found = above
            .map(|directory| directory.join("shared/data"))
            .filter(|directory| directory.is_dir());
        found
            .next()
            .unwrap_or_else(|| PathBuf::from("../shared/data"))
    };
    std::env::var_os("TRIBUTARY_DATA").map_or_else(beside_the_workspace, PathBuf::from)
}

fn read(path: &Path, clock: Clock) -> Vec<Node> {
    let file = File::open(path).expect("the history opens");
    let mut nodes: Vec<Node> = Vec::new();
    for (number, line) in (0u64..).zip(BufReader::new(GzDecoder::new(file)).lines()) {
        let line = line.expect("the history is UTF-8 text in gzip");
        let mut fields = line.split('\t');
        let parents: Vec<usize> = fields
            .next()
            .expect("parents")
            .split(',')
            .filter(|parent| !parent.is_empty())
            .map(|parent| parent.parse().expect("a line number"))
            .collect();
        let replica: u128 = fields.next().expect("a replica").parse().expect("a number");
        let seconds: i64 = fields
            .next()
            .expect("an author time")
            .parse()
            .expect("a number");
        let recorded =
            Timestamp::from_unix_nanos(seconds.max(0) * 1_000_000_000).expect("a time in range");
        let created_at = match clock {
            Clock::Foreign => recorded,
            Clock::Format3 => {
                let newest = parents.iter().map(|parent| nodes[*parent].created_at).max();
                newest
                    .and_then(|newest| newest.successor())
                    .map_or(recorded, |least| recorded.max(least))
            }
        };
        nodes.push(Node {
            id: id(created_at, number),
            replica_id: ReplicaId::from_uuid(Uuid::from_u128(replica + 1)),
            created_at,
            parents: parents.iter().map(|parent| nodes[*parent].id).collect(),
        });
    }
    nodes
}

/// Returns an id that differs for each `number`.
pub(crate) fn id(created_at: Timestamp, number: u64) -> TransactionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    TransactionId::from_parts(created_at.unix_millis(), random)
}
