//! What happens to simulated replicas is what happens to real ones.

use fs_merge::{Raw, policy};
use fs_store::Append;
use fs_testing::{Arriving, LineEnds, Step, World};

use crate::model::stream;

type Play = Step<Append>;

fn append(replica: usize, data: u32) -> Play {
    let action = Append::new().event(stream("s"), "Counted", &data.to_string());
    Step::Act {
        replica,
        action: action.unwrap(),
    }
}

fn pull(from: usize, to: usize, arriving: Arriving, line_ends: LineEnds) -> Play {
    Step::Pull {
        from,
        to,
        arriving,
        line_ends,
    }
}

const WHOLE: (Arriving, LineEnds) = (Arriving::All, LineEnds::Kept);

fn play(world: &mut World, steps: impl IntoIterator<Item = Play>) {
    for step in steps {
        world.play::<Raw, _>(&step, &policy::Latest).unwrap();
    }
}

fn count(world: &World, replica: usize) -> u64 {
    world.store(replica).status().unwrap().transactions
}

/// Runs a test in memory and on the real disk.
fn everywhere(test: impl Fn(World)) {
    test(World::in_memory(3).unwrap());
    test(World::on_disk(3).unwrap());
}

#[test]
fn files_with_crlf_hold_the_same_history() {
    everywhere(|mut world| {
        let crlf = pull(0, 1, Arriving::All, LineEnds::Crlf);
        play(&mut world, [append(0, 1), append(0, 2), crlf]);
        let digests = [0, 1].map(|replica| world.store(replica).digest().unwrap());
        assert_eq!(digests[0], digests[1]);
        let verified = world.store(1).verify().unwrap();
        let altered = verified.altered_in_transit.len();
        assert_eq!(altered, 2, "and did come with CRLF");
    });
}

#[test]
fn parents_that_are_missing_arrive_later() {
    everywhere(|mut world| {
        let last = pull(0, 1, Arriving::Part(0b100), LineEnds::Kept);
        play(&mut world, [append(0, 1), append(0, 2), append(0, 3), last]);
        assert_eq!(count(&world, 1), 1, "one file of three arrives");
        let status = world.store(1).status().unwrap();
        assert_eq!(status.dangling.len(), 1, "without its parent");
        play(&mut world, [pull(0, 1, WHOLE.0, WHOLE.1)]);
        let status = world.store(1).status().unwrap();
        assert_eq!((status.transactions, status.dangling.len()), (3, 0));
    });
}

#[test]
fn a_partition_lets_nothing_through() {
    everywhere(|mut world| {
        let apart = Step::Partition {
            sides: vec![0, 1, 0],
        };
        play(&mut world, [append(0, 1), apart, Step::Exchange]);
        play(&mut world, [pull(0, 1, WHOLE.0, WHOLE.1)]);
        let counts = [0, 1, 2].map(|replica| count(&world, replica));
        assert_eq!(counts, [1, 0, 1], "replica 1 is on another side");
        let together = Step::Partition { sides: vec![] };
        play(&mut world, [together, Step::Exchange]);
        assert_eq!(count(&world, 1), 1, "until the partition ends");
    });
}

#[test]
fn the_newest_files_vanish_and_come_back_from_others() {
    everywhere(|mut world| {
        play(&mut world, [append(0, 1), append(0, 2), Step::Exchange]);
        let reset = Step::Reset {
            replica: 0,
            count: 1,
        };
        play(&mut world, [append(0, 3), reset.clone(), reset]);
        assert_eq!(count(&world, 0), 1, "two of three are gone");
        play(&mut world, [append(0, 4), Step::Exchange]);
        assert_eq!(count(&world, 0), 3, "one of them was nobody else's");
        let conflicts = world.store(0).status().unwrap().replica_conflicts;
        assert_eq!(conflicts, [], "who was reset goes on as somebody else");
    });
}

#[test]
fn branches_hold_what_was_appended_on_them() {
    everywhere(|mut world| {
        let switch = || Step::Switch { replica: 0 };
        play(&mut world, [append(0, 1), switch(), append(0, 2)]);
        assert_eq!(count(&world, 0), 2, "the other branch begins where it was");
        play(&mut world, [switch()]);
        assert_eq!(count(&world, 0), 1, "what was appended there stays there");
        play(&mut world, [append(0, 3), append(0, 4), switch()]);
        assert_eq!(count(&world, 0), 2);
        let streams = world.store(0).streams().unwrap();
        assert_eq!(*streams, [(stream("s"), 2)], "1 and 2");
    });
}

#[test]
fn a_clock_that_is_wrong_dates_transactions_wrong() {
    everywhere(|mut world| {
        let ahead = Step::Skew {
            replica: 0,
            seconds: 600,
        };
        play(&mut world, [ahead, append(0, 1), Step::Exchange]);
        let seen = world.store(1).status().unwrap().clock_ahead;
        assert_eq!(seen.len(), 1, "the others see who runs ahead");
    });
}

#[test]
fn a_cloned_machine_goes_on_under_the_same_identity_and_a_copied_directory_does_not() {
    let conflicts = |mut world: World| {
        let copy = Step::Copy { from: 0, to: 1 };
        play(&mut world, [append(0, 1), copy, append(0, 2), append(1, 3)]);
        play(&mut world, [Step::Exchange]);
        assert_eq!(count(&world, 2), 3, "nothing stops working");
        world.store(2).status().unwrap().replica_conflicts.len()
    };
    assert_eq!(conflicts(World::in_memory(3).unwrap()), 1);
    assert_eq!(conflicts(World::on_disk(3).unwrap()), 0);
}

#[test]
fn reconciling_settles_and_the_story_says_so() {
    everywhere(|mut world| {
        let settled = Step::Reconcile { replica: 2 };
        play(
            &mut world,
            [append(0, 1), append(1, 2), Step::Exchange, settled],
        );
        assert_eq!(fs_merge::forks(world.store(2)).unwrap(), []);
        assert_eq!(
            world.story(),
            [
                "replica 0 appends t1: Counted 1 on s",
                "replica 1 appends t2: Counted 2 on s",
                "all that reach each other exchange their files",
                "replica 2 reconciles",
                "replica 2 writes m1, which settles t1 | t2 on s: Counted 2 on s",
            ]
        );
    });
}
