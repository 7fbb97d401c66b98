//! Long histories: no recursion, no work for each pair, and no work on the whole for what arrives.

use fs_format::Header;
use fs_merge::{Course, Lineage, OpenForks, Outcome, forks, settle, stale_reads};

use crate::disk::Place;
use crate::memory::{Memory, header};
use crate::model::{Model, stream};

/// Runs on a stack that no recursion over a long history fits in.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// Appends what writes one stream on `last`, `count` times.
fn line(number: u64, last: &Header, count: u64) -> Vec<Header> {
    let mut line: Vec<Header> = Vec::new();
    for number in number..number + count {
        let on = line.last().unwrap_or(last);
        line.push(header(number, 0, &[on], &[stream("s")], &[]));
    }
    line
}

/// ```text
///   T0 -- T1 -- T2 -- ... -- T100000
/// ```
#[test]
fn a_long_line_has_no_fork() {
    let root = header(0, 0, &[], &[stream("s")], &[]);
    let mut history = Memory::default();
    history.arrive(line(1, &root, 100_000));
    history.arrive(vec![root]);
    on_a_small_stack(|| {
        let mut open = OpenForks::new();
        open.extend(&history);
        assert!(open.is_empty());
    });
}

/// ```text
///        A1 -- A2 -- ... -- A20000      four hundred million pairs conflict
///   R --<                         \
///        B1 -- B2 -- ... -- B20000 `-- N1 -- N2 -- ... on top of the fork
/// ```
#[test]
fn long_branches_are_one_fork_and_grow_one_by_one() {
    const LENGTH: usize = 20_000;
    let root = header(0, 0, &[], &[stream("s")], &[]);
    let mut history = Memory::default();
    let sides = [LENGTH as u64, 2 * LENGTH as u64].map(|from| line(from, &root, LENGTH as u64));
    let tips = sides.each_ref().map(|side| side.last().unwrap().clone());
    history.arrive(vec![root]);
    history.arrive(sides.concat());
    on_a_small_stack(|| {
        let mut open = OpenForks::new();
        open.extend(&history);
        let [a, b] = &tips;
        let mut last = header(9, 0, &[a, b], &[stream("s")], &[]);
        for number in 0..LENGTH as u64 {
            let next = header(3 * LENGTH as u64 + number, 0, &[&last], &[stream("s")], &[]);
            history.arrive(vec![std::mem::replace(&mut last, next)]);
            assert_eq!(open.extend(&history), Course::Grown, "nothing came late");
        }
        let shapes = open.shapes(history.dag());
        assert_eq!(shapes.len(), 1);
        assert_eq!(shapes[0].members.len(), 2 * LENGTH, "all but the root");
        assert_eq!(shapes[0].heads.len(), 2);
        assert_eq!(shapes[0].on_top.len(), LENGTH);

        let settler = header(8, 0, &[&last], &[], &[stream("s")]);
        history.arrive(vec![last, settler]);
        assert_eq!(open.extend(&history), Course::Grown, "nothing came late");
        assert!(open.is_empty(), "one transaction settles it");
    });
}

/// ```text
///        A1 -- A2 -- ... -- A200      40,000 pairs conflict
///   R --<
///        B1 -- B2 -- ... -- B200
/// ```
#[test]
fn long_branches_are_shown_whole_and_settled() {
    const LENGTH: usize = 200;
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
