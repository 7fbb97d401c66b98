//! Long histories: no recursion, and no work for each pair.

use fs_merge::{Outcome, forks, settle, stale_reads};

use crate::disk::Place;
use crate::model::Model;

/// Runs on a stack that no recursion over a long history fits in.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
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
    let place = Place::of(&model);
    on_a_small_stack(|| {
        assert_eq!(forks(&place.store).unwrap(), []);
        assert_eq!(stale_reads(&place.store).unwrap(), []);
    });
}

/// ```text
///        A1 -- A2 -- ... -- A3000      nine million pairs conflict
///   R --<
///        B1 -- B2 -- ... -- B3000
/// ```
#[test]
fn long_branches_are_shown_whole_and_settled() {
    const LENGTH: usize = 3_000;
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
    });
}
