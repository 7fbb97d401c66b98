//! Long histories: no recursion, no work for each pair, and no work on the whole for what arrives.

use fs_merge::{Course, Lineage, OpenForks, Outcome, forks, settle, stale_reads};

use crate::disk::Place;
use crate::memory::Memory;
use crate::model::Model;

/// Runs on a stack that no recursion over a long history fits in.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

fn arrived(model: &Model) -> Memory {
    let mut history = Memory::default();
    history.arrive(model.present().map(|(_, tx)| tx));
    history
}

/// ```text
///   T0 -- T1 -- T2 -- ... -- T19999
/// ```
#[test]
fn a_long_line_has_no_fork() {
    let mut model = Model::default();
    let mut last = model.write(0, &[], &["s"]);
    for _ in 1..20_000 {
        last = model.write(0, &[last], &["s"]);
    }
    let history = arrived(&model);
    on_a_small_stack(|| {
        let mut open = OpenForks::new();
        open.extend(&history);
        assert!(open.is_empty());
    });
}

/// ```text
///        A1 -- A2 -- ... -- A10000      a hundred million pairs conflict
///   R --<                         \
///        B1 -- B2 -- ... -- B10000 `-- N1 -- N2 -- ... on top of the fork
/// ```
#[test]
fn long_branches_are_one_fork_and_grow_one_by_one() {
    const LENGTH: usize = 10_000;
    let mut model = Model::default();
    let root = model.write(0, &[], &["s"]);
    let mut tips = Vec::new();
    for replica in [0, 1] {
        let mut last = root;
        for _ in 0..LENGTH {
            last = model.write(replica, &[last], &["s"]);
        }
        tips.push(last);
    }
    let mut history = arrived(&model);
    on_a_small_stack(|| {
        let mut open = OpenForks::new();
        open.extend(&history);
        let mut last = model.write(0, &tips, &["s"]);
        for _ in 0..LENGTH {
            history.arrive([&model.transactions[last]]);
            assert_eq!(open.extend(&history), Course::Grown, "nothing came late");
            last = model.write(0, &[last], &["s"]);
        }
        let shapes = open.shapes(history.dag());
        assert_eq!(shapes.len(), 1);
        assert_eq!(shapes[0].members.len(), 2 * LENGTH, "all but the root");
        assert_eq!(shapes[0].heads.len(), 2);
        assert_eq!(shapes[0].on_top.len(), LENGTH);

        let settler = model.accept(0, &[last - 1], &["s"]);
        history.arrive([&model.transactions[settler]]);
        assert_eq!(open.extend(&history), Course::Grown, "nothing came late");
        assert!(open.is_empty(), "one transaction settles it");
    });
}

/// ```text
///        A1 -- A2 -- ... -- A400      160,000 pairs conflict
///   R --<
///        B1 -- B2 -- ... -- B400
/// ```
#[test]
fn long_branches_are_shown_whole_and_settled() {
    const LENGTH: usize = 400;
    let mut model = Model::default();
    let root = model.write(0, &[], &["s"]);
    for replica in [0, 1] {
        let mut last = root;
        for _ in 0..LENGTH {
            last = model.write(replica, &[last], &["s"]);
        }
    }
    let place = Place::of(&model);
    on_a_small_stack(|| {
        let open = forks(&place.store).unwrap();
        assert_eq!(open.len(), 1);
        for branch in &open[0].branches {
            assert_eq!(branch.transactions.len(), LENGTH, "the branch is whole");
        }
        settle(&place.store, &open[0], &Outcome::new()).unwrap();
        assert_eq!(forks(&place.store).unwrap(), []);
        assert_eq!(stale_reads(&place.store).unwrap(), []);
    });
}
