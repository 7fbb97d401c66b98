//! The board shows what the list does, whatever came before it.

use fs_store::Append;
use issue_tracker::{Change, IssueEvent};
use rusqlite::Connection;
use scenarios::World;

use crate::support::Person;

/// Returns two people who have a board, and the issue they know of.
pub(crate) fn two(world: &World) -> (Person, Person, String) {
    let alice = Person::with_project(world, "alice");
    let issue = alice.open("It rains in");
    alice.commit("open");
    let bob = alice.joining(world, "bob");
    for person in [&alice, &bob] {
        person.board_is_the_list();
    }
    (alice, bob, issue)
}

#[test]
fn issues_stand_in_the_column_of_how_they_are() {
    let world = World::in_memory();
    let alice = Person::with_project(&world, "alice");
    assert_eq!(
        alice.run(&["board"]),
        "open (0)\nin progress (0)\nclosed (0)\n",
        "an empty store has an empty board"
    );
    let roof = alice.open("It rains in");
    let door = alice.open("The door sticks");
    let lamp = alice.open("No light");
    alice.run(&["label", &roof, "weather", "attic"]);
    alice.run(&["assign", &door, "bob"]);
    alice.run(&["comment", &door, "oil it"]);
    alice.run(&["close", &lamp]);
    let open = format!("open (1)\n  {roof}  It rains in #attic #weather\n");
    let progress = format!("in progress (1)\n  {door}  The door sticks @bob, 1 comment\n");
    assert_eq!(
        alice.run(&["board"]),
        format!("{open}{progress}closed (1)\n")
    );
    alice.board_is_the_list();
    alice.run(&["reopen", &lamp]);
    alice.run(&["close", &door]);
    alice.run(&["unlabel", &roof, "attic"]);
    alice.run(&["assign", &lamp, "carol"]);
    alice.board_is_the_list();
    assert_eq!(
        alice.git(&["status", "--porcelain", "--", ".tributary/local"]),
        "",
        "git does not see the database"
    );
}

#[test]
fn a_merge_a_settlement_and_what_comes_after_them() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["retitle", &issue, "Roof leaks"]);
    alice.run(&["assign", &issue, "alice"]);
    alice.run(&["label", &issue, "roof"]);
    bob.run(&["retitle", &issue, "Wet floor"]);
    bob.run(&["assign", &issue, "bob"]);
    bob.run(&["label", &issue, "wet"]);
    for person in [&alice, &bob] {
        person.commit("work");
        person.board_is_the_list();
    }
    bob.pull(&alice);
    alice.pull(&bob);
    let told = [&alice, &bob].map(Person::board_is_the_list);
    assert!(
        told[0].contains(&format!("{issue}! Wet floor #roof #wet @bob")),
        "what is not settled is marked: {}",
        told[0]
    );
    let rebuilt = "the board was built again: events came that sort before those on it";
    assert!(
        told[1].contains(rebuilt),
        "alice's title came last to bob, and is not the last: {}",
        told[1]
    );
    let again = bob.board_is_the_list();
    assert!(!again.contains("built again"), "once: {again}");

    bob.run(&["retitle", &issue, "Rain on the floor", "--settle"]);
    bob.commit("settle");
    bob.board_is_the_list();
    alice.run(&["comment", &issue, "meanwhile"]);
    alice.commit("comment");
    alice.pull(&bob);
    alice.run(&["merge"]);
    alice.commit("settle");
    bob.pull(&alice);
    let boards = [&alice, &bob].map(|person| {
        person.is_fine();
        person.board_is_the_list();
        person.run(&["board"])
    });
    assert_eq!(boards[0], boards[1], "both have one board in the end");
    assert!(boards[0].contains("  Rain on the floor "), "{}", boards[0]);
}

#[test]
fn a_merge_is_counted_once_and_nothing_else_again() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    bob.run(&["comment", &issue, "here too"]);
    bob.commit("comment");
    alice.run(&["label", &issue, "roof", "urgent"]);
    alice.commit("label");
    let before = "alice: 2 labelled, 1 opened\n";
    assert_eq!(alice.run(&["activity"]), before);
    alice.pull(&bob);
    let after = format!("{before}bob: 1 commented\n");
    for _ in 0..2 {
        assert_eq!(alice.run(&["activity"]), after);
    }
    bob.pull(&alice);
    assert_eq!(
        bob.run(&["activity"]),
        after,
        "the order in which it came makes no difference"
    );
}

#[test]
fn a_reset_and_a_rebase() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["comment", &issue, "since May"]);
    alice.commit("comment");
    alice.run(&["close", &issue]);
    alice.commit("close");
    alice.board_is_the_list();
    alice.run(&["activity"]);

    alice.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let told = alice.board_is_the_list();
    assert!(
        told.contains("the board was built again: events went away"),
        "{told}"
    );
    assert!(told.contains("closed (0)"), "it is open again: {told}");
    assert_eq!(
        alice.run(&["activity"]),
        "alice: 1 commented, 1 opened\n",
        "what went away is not counted"
    );

    bob.run(&["comment", &issue, "here too"]);
    bob.commit("comment");
    bob.board_is_the_list();
    bob.fetch(&alice);
    let look = format!("{} board", env!("CARGO_BIN_EXE_issue-tracker"));
    bob.git(&["rebase", "--quiet", "--exec", &look, "FETCH_HEAD"]);
    let told = bob.board_is_the_list();
    assert!(told.contains("2 comments"), "{told}");
    bob.run(&["merge"]);
    bob.board_is_the_list();
}

#[test]
fn a_deleted_database_or_index_is_built_again() {
    let world = World::in_memory();
    let (alice, _, issue) = two(&world);
    alice.run(&["comment", &issue, "since May"]);
    let built = alice.board_is_the_list();
    for directory in ["index", "local"] {
        std::fs::remove_dir_all(alice.store().root().join(directory)).unwrap();
        assert!(alice.board_is_the_list().starts_with(&built));
    }
    alice.run(&["board", "--rebuild"]);
    assert_eq!(alice.board_is_the_list(), built);
}

#[test]
fn what_cannot_be_read_is_set_aside_and_the_rest_is_shown() {
    let world = World::in_memory();
    let alice = Person::with_project(&world, "alice");
    let issue = alice.open("It rains in");
    alice.append_raw(&format!("issue-{issue}"), r#"{"change": "painted"}"#);
    alice.append_raw("a-stream-of-another-program", "null");
    alice.open("The door sticks");
    for _ in 0..2 {
        let told = alice.run(&["board"]);
        assert!(told.contains("open (2)"), "both are there: {told}");
        assert!(
            told.contains("not on the board: 1 that cannot be read"),
            "one is missing, and is not passed over in silence: {told}"
        );
    }
}

#[test]
fn killed_while_it_builds_the_board_it_counts_nothing_twice() {
    let world = World::in_memory();
    let alice = Person::with_project(&world, "alice");
    let issue = alice.open("It rains in");
    let stream = format!("issue-{issue}");
    let store = alice.store();
    for first in (0..6_000).step_by(500) {
        let mut append = Append::new();
        for number in first..first + 500 {
            let text = format!("comment {number}");
            let event = IssueEvent {
                issue: eventcore::StreamId::try_new(stream.as_str()).unwrap(),
                by: "alice".to_owned(),
                change: Change::Commented { text },
            };
            let data = serde_json::to_string(&event).unwrap();
            let stream = scenarios::stream_id(&stream);
            append = append.event(stream, "IssueEvent", &data).unwrap();
        }
        store.append(append).unwrap();
    }
    let path = store.root().join("local/board.db");
    for at_least in [1, 2_000, 4_000] {
        let mut building = alice.start(&["board"]);
        while comments(&path) < at_least && building.is_running() {
            std::thread::yield_now();
        }
        building.kill();
    }
    let told = alice.board_is_the_list();
    assert!(told.contains("6000 comments"), "{told}");
}

/// Returns how many comments the database has, none where there is no such table yet.
fn comments(path: &std::path::Path) -> u64 {
    let Ok(database) = Connection::open(path) else {
        return 0;
    };
    let count = database.query_row("SELECT count(*) FROM comments", [], |row| row.get(0));
    count.unwrap_or(0)
}
