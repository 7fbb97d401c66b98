//! What a merge would do is what it does, whichever way it is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fs_format::TransactionId;
use fs_index::Incoming;
use fs_merge::{ForkContext, ForkId, MergePreview, Raw, Reconcile, policy, preview_merge};
use fs_store::{FileEventStore, Progress};
use proptest::prelude::*;

use crate::disk::Place;
use crate::model::Model;
use crate::random::histories;
use crate::rounds::spread;

/// What comes to one store with what another has.
fn incoming(ours: &Place, theirs: &Place) -> Vec<Incoming> {
    let own = ours.files();
    let files = theirs.files().into_iter();
    files
        .filter(|(path, _)| !own.contains_key(path))
        .map(|(path, bytes)| Incoming {
            path,
            content: Ok(bytes),
            is_theirs: true,
        })
        .collect()
}

fn previewed(root: &Path, incoming: &[Incoming]) -> MergePreview {
    preview_merge(root, incoming.to_vec(), &[], Progress::default()).unwrap()
}

/// Compares a preview with the forks before and after the merge.
fn assert_told(told: &MergePreview, before: &[ForkContext], after: &[ForkContext], how: &str) {
    let ids = |forks: &[ForkContext]| {
        forks
            .iter()
            .map(|it| it.id.clone())
            .collect::<BTreeSet<_>>()
    };
    let (before_ids, after_ids) = (ids(before), ids(after));
    let outlines = told.open.iter().chain(&told.new);
    let all: BTreeSet<ForkId> = outlines.clone().map(|it| it.id.clone()).collect();
    assert_eq!(all, after_ids, "{how}: the forks after the merge are told");
    let new: BTreeSet<ForkId> = told.new.iter().map(|it| it.id.clone()).collect();
    let expected = after_ids.difference(&before_ids).cloned().collect();
    assert_eq!(new, expected, "{how}: those are new that were not open");
    for outline in outlines {
        let fork = after.iter().find(|fork| fork.id == outline.id).unwrap();
        let streams = fork.streams.iter().map(|it| it.stream_id.clone());
        assert!(
            outline.streams.iter().cloned().eq(streams),
            "{how}: the streams"
        );
        let branches = fork.branches.iter();
        let sizes = branches.map(|it| (it.head, it.transactions.len() as u64));
        let told = outline.branches.iter().map(|it| (it.head, it.transactions));
        assert!(told.eq(sizes), "{how}: the branches");
    }
    for id in &told.settled {
        assert!(
            before_ids.contains(id) && !after_ids.contains(id),
            "{how}: {id} is settled"
        );
    }
}

/// Puts some of the files of a merge under way into the work tree.
fn put(root: &Path, incoming: &[Incoming], which: u64) {
    let chosen = incoming.iter().enumerate();
    for (_, file) in chosen.filter(|(index, _)| which >> (index % 64) & 1 == 1) {
        let path = root.join("events").join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.content.as_ref().unwrap()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_told_is_what_happens(
        model in histories(),
        parts in prop::array::uniform2(any::<u64>()),
        settles in any::<bool>(),
        there in any::<u64>(),
    ) {
        let clones = spread(&model, &parts);
        let (ours, theirs) = (&clones[0], &clones[1]);
        if settles {
            let settle = || Reconcile::new(&ours.store).anyway().run::<Raw>(&policy::AcceptAll);
            while !settle().unwrap().is_empty() {}
        }
        // When none is open, that is kept.
        let before = ours.forks();
        let incoming = incoming(ours, theirs);
        let merged = Place::empty();
        merged.pull(ours);
        merged.pull(theirs);
        let after = merged.forks();
        let root = ours.store.root();

        let told = previewed(root, &incoming);
        assert_told(&told, &before, &after, "by the index");
        put(root, &incoming, there);
        let under_way = previewed(root, &incoming);
        assert_told(&under_way, &before, &after, "while the merge is under way");
        assert_eq!(under_way.settled, told.settled);
        ours.store.refresh().unwrap();
        let _ = ours.forks();
        let taken_in = previewed(root, &incoming);
        assert_told(&taken_in, &before, &after, "when its files were taken in");
        assert_eq!(taken_in.settled, told.settled);
        fs::remove_dir_all(root.join("index")).unwrap();
        let census = previewed(root, &incoming);
        assert_told(&census, &before, &after, "without an index");
        assert_eq!(census.settled, told.settled);
        assert_eq!(census.arriving, told.arriving, "however it is told");
    }
}

fn ids(of: &[Incoming]) -> BTreeSet<TransactionId> {
    let names = of.iter().map(|it| fs_format::check_name(&it.path).unwrap());
    names.map(|location| location.transaction_id()).collect()
}

/// ```text
///   0 .. 99 -- 100 .. 102        here
///         \
///          '-- 103, 104          what comes
/// ```
#[test]
fn only_what_the_other_side_did_not_have_is_read() {
    let mut model = Model::default();
    let mut parents = Vec::new();
    for _ in 0..103 {
        parents = vec![model.write(0, &parents, &["s"])];
    }
    let other = model.write(1, &[99], &["s"]);
    model.write(1, &[other], &["t"]);
    let here = Place::with_some(&model, &(0..103).collect::<Vec<_>>());
    assert_eq!(here.forks(), [], "which is kept");
    let incoming = incoming(&here, &Place::of(&model));
    let root = here.store.root();
    let preview = FileEventStore::preview(root, incoming.clone(), Progress::default()).unwrap();
    let foreseen = preview.load(true).unwrap();
    assert_eq!(
        foreseen.history().len(),
        3,
        "three are not below what comes"
    );
    assert_eq!(foreseen.merge().arrived, ids(&incoming));

    let journal = fs_index::Layout::new(root).journal();
    let mut damaged = fs::read(&journal).unwrap();
    damaged[1000..20_000].fill(0);
    fs::write(&journal, &damaged).unwrap();
    let told = previewed(root, &incoming);
    assert_eq!(
        (told.arriving, told.new.len()),
        (2, 1),
        "the rest is not looked at"
    );
    assert_eq!(
        told.new[0]
            .branches
            .iter()
            .map(|it| it.transactions)
            .sum::<u64>(),
        4
    );
}
