//! The example store of `docs/format.md`, section 14: what the text says of it is what is computed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_merge::{Outcome, forks, settle};
use fs_store::{FileEventStore, StoreOptions};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn text() -> String {
    std::fs::read_to_string(source("docs/format.md")).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    let path = format!("crates/fs-format/tests/golden/example/{name}.jsonl");
    std::fs::read(source(&path)).unwrap()
}

/// A store with the files of these names, put there in this order.
struct Example {
    store: FileEventStore,
    directory: tempfile::TempDir,
    names: BTreeMap<TransactionId, &'static str>,
}

impl Example {
    fn new(put: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = StoreOptions::default().create(directory.path()).unwrap();
        let mut names = BTreeMap::new();
        for name in NAMES {
            names.insert(
                fs_format::decode(&bytes(name))
                    .unwrap()
                    .header
                    .transaction_id,
                name,
            );
        }
        let example = Self {
            store,
            directory,
            names,
        };
        for name in put {
            example.put(name);
        }
        example
    }

    fn path(&self, name: &str) -> PathBuf {
        let header = fs_format::decode(&bytes(name)).unwrap().header;
        let place = match header.replica_seq {
            Some(_) => header.transaction_id.relative_path(),
            None => header.transaction_id.file_name(),
        };
        self.directory.path().join("events").join(place)
    }

    fn put(&self, name: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes(name)).unwrap();
    }

    /// Returns the names of transactions in capitals, as the text has them.
    fn named(&self, ids: impl IntoIterator<Item = TransactionId>) -> String {
        let names = ids.into_iter().map(|id| self.names[&id].to_uppercase());
        names.collect::<Vec<_>>().join(" ")
    }

    fn open_forks(&self) -> String {
        let forks = forks(&self.store).unwrap();
        match forks.as_slice() {
            [] => "none".to_owned(),
            forks => forks.iter().map(|fork| fork.id.to_string()).collect(),
        }
    }
}

#[test]
fn order_and_digests_are_those_of_the_text() {
    let text = text();
    let without = Example::new(&["e", "c", "a", "d", "b"]);
    let with = Example::new(&["f", "a", "e", "b", "d", "c"]);
    let rows = [without, with].map(|example| {
        let digest = example.store.digest().unwrap().into_inner();
        let order = example.store.transactions().unwrap();
        let order = example.named(order.iter().map(|header| header.transaction_id));
        let rows = [
            digest.transactions.to_string(),
            digest.set_sha256.to_string(),
            digest.order_sha256.to_string(),
            example.named(digest.heads),
            example.open_forks(),
        ];
        (order, rows)
    });
    let [(_, without), (order, with)] = rows;
    let said = format!("the order of the example is {order}, though");

    assert!(text.contains(&said), "the text must say {said:?}");
    let keys = [
        "transactions",
        "`set_sha256`",
        "`order_sha256`",
        "heads",
        "open forks",
    ];
    for ((key, without), with) in keys.iter().zip(without).zip(with) {
        let row = format!("| {key} | {without} | {with} |");
        assert!(text.contains(&row), "the text must have the row {row:?}");
    }
}

#[test]
fn the_fork_is_that_of_the_text() {
    let example = Example::new(&["a", "b", "c", "d", "e"]);
    let forks = forks(&example.store).unwrap();
    let fork = &forks[0];
    let ids = |of: &[fs_merge::Transaction]| {
        let ids = of.iter().map(|it| it.transaction_id).collect::<Vec<_>>();
        example.named(ids)
    };
    let branches: Vec<_> = fork
        .branches
        .iter()
        .map(|it| ids(&it.transactions))
        .collect();
    let said = format!(
        "The fork of the example has the heads {} and {}, the branches [{}] and [{}], nothing in common, {} on top, the fork point {} and the base version {}.",
        example.named([fork.branches[0].head]),
        example.named([fork.branches[1].head]),
        branches[0],
        branches[1],
        ids(&fork.on_top),
        example.named(fork.streams[0].fork_point.iter().copied()),
        fork.streams[0].base_version,
    );
    assert!(text().contains(&said), "the text must say {said:?}");
    assert!(fork.common.is_empty() && forks.len() == 1);
    assert!(
        example.store.verify().unwrap().is_ok(),
        "format 2 is not asked to date a child after its parent"
    );
    let stale = &fork.stale_reads[0];
    let said = format!(
        "In the example {} makes one of `{}`, which {} wrote.",
        example.named(stale.transactions.iter().copied()),
        stale.stream_id.as_str(),
        example
            .named(stale.written_by.iter().copied())
            .replace(' ', " and "),
    );
    assert!(text().contains(&said), "the text must say {said:?}");
}

#[test]
fn whoever_settles_the_fork_of_the_text_writes_its_last_file() {
    let example = Example::new(&["a", "b", "c", "d", "e"]);
    let fork = &forks(&example.store).unwrap()[0];
    let accepted = Outcome::new().reason("both deposits count");
    settle(&example.store, fork, &accepted).unwrap();
    assert_eq!(
        std::fs::read(example.path("f")).unwrap(),
        bytes("f"),
        "a merge transaction is a function of the fork and the decision"
    );
    assert_eq!(example.open_forks(), "none");
}
