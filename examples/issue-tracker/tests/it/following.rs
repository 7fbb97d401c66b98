//! A board that is shown again whenever it has changed.

use scenarios::World;

use crate::board::two;
use crate::support::Started;

/// Reads boards until one has a text.
fn board_with(following: &Started, text: &str) -> String {
    let mut board = String::new();
    loop {
        let Some(line) = following.line() else {
            panic!("no board has {text:?}; the last one began with:\n{board}");
        };
        board.push_str(&line);
        board.push('\n');
        // The last line of each.
        if line.starts_with("closed (") {
            if board.contains(text) {
                return board;
            }
            board.clear();
        }
    }
}

#[test]
fn whoever_follows_sees_what_is_appended_and_what_a_merge_brings_until_told_to_stop() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    let mut following = alice.start(&["board", "--follow"]);
    board_with(&following, "It rains in");

    alice.run(&["assign", &issue, "alice"]);
    board_with(&following, "It rains in @alice");
    bob.run(&["assign", &issue, "bob"]);
    bob.run(&["label", &issue, "roof"]);
    for person in [&bob, &alice] {
        person.commit("work");
    }
    alice.pull(&bob);
    let told = board_with(&following, "#roof");
    assert!(
        told.contains(&format!("{issue}! ")),
        "the merge has something to settle: {told}"
    );
    // While one follows, others look.
    alice.board_is_the_list();
    alice.run(&["merge"]);
    board_with(&following, &format!("{issue}  It rains in #roof @bob"));
    alice.commit("settle");
    alice.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    board_with(&following, &format!("{issue}  It rains in @alice"));
    alice.board_is_the_list();

    assert_eq!(following.interrupt(), Some(0), "Ctrl-C is no failure");
    alice.board_is_the_list();
}

#[test]
fn one_follows_at_a_time() {
    let world = World::in_memory();
    let (alice, _, _) = two(&world);
    let following = alice.start(&["board", "--follow"]);
    board_with(&following, "It rains in");
    let (code, told) = alice.try_run(&["board", "--follow"]);
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("another runner leads projection board"),
        "it is told why: {told}"
    );
}
