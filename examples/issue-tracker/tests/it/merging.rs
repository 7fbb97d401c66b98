//! Two people who work offline, merge, and settle.

use scenarios::World;

use crate::support::Person;

/// Returns two people who know of one issue.
fn two(world: &World) -> (Person, Person, String) {
    let alice = Person::with_project(world, "alice");
    let issue = alice.open("It rains in");
    alice.commit("open");
    let bob = alice.joining(world, "bob");
    (alice, bob, issue)
}

/// Lets both merge what the other has.
fn exchange(alice: &Person, bob: &Person) {
    alice.commit("work");
    bob.commit("work");
    alice.pull(bob);
    bob.pull(alice);
}

#[test]
fn two_clones_work_offline_and_end_with_the_same_list_and_the_same_files() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["label", &issue, "roof", "urgent"]);
    alice.run(&["comment", &issue, "since May"]);
    alice.run(&["assign", &issue, "alice"]);
    let other = alice.open("The door sticks");
    bob.run(&["comment", &issue, "here too"]);
    bob.run(&["label", &issue, "weather"]);
    bob.run(&["assign", &issue, "bob"]);
    exchange(&alice, &bob);

    let marked = alice.list();
    assert!(
        marked.contains(&format!("{issue}! ")),
        "the issue is marked: {marked}"
    );

    let (left, right) = (alice.run(&["merge"]), bob.run(&["merge"]));
    assert_eq!(left, right, "both are told the same");
    assert!(
        left.contains("assigned to bob, who was named after alice"),
        "the decision is told: {left}"
    );
    assert_eq!(
        alice.files(),
        bob.files(),
        "settled apart, byte for byte alike"
    );

    exchange(&alice, &bob);
    assert_eq!(alice.files(), bob.files());
    assert_eq!(alice.list(), bob.list());
    for person in [&alice, &bob] {
        person.is_fine();
        person.has_issues(&[&issue, &other]);
        person.has(
            &issue,
            &["since May", "here too"],
            &["roof", "urgent", "weather"],
        );
        assert_eq!(person.run(&["merge"]), "", "nothing is left to settle");
        assert_eq!(person.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn closing_beats_a_comment_and_the_comment_stays() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["close", &issue]);
    bob.run(&["comment", &issue, "the cellar too"]);
    exchange(&alice, &bob);
    for person in [&alice, &bob] {
        let told = person.run(&["merge"]);
        assert!(
            told.contains("closed, and what was said meanwhile stays"),
            "{told}"
        );
        assert!(
            person.list().contains("1 comment, closed"),
            "{}",
            person.list()
        );
        assert_eq!(person.run(&["list"]), "", "no issue is open");
    }
    assert_eq!(alice.files(), bob.files());
}

#[test]
fn what_the_order_of_writing_would_lose_is_written_again_alike() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["close", &issue]);
    bob.run(&["close", &issue]);
    bob.run(&["reopen", &issue]);
    exchange(&alice, &bob);
    assert!(!alice.list().contains("closed"), "bob's change comes last");
    let told = [&alice, &bob].map(|person| person.run(&["merge"]));
    assert_eq!(told[0], told[1]);
    assert_eq!(
        alice.files(),
        bob.files(),
        "the events of the decision are alike too"
    );
    exchange(&alice, &bob);
    for person in [&alice, &bob] {
        assert!(
            person.list().contains("closed"),
            "alice closed it and bob changed nothing"
        );
        person.is_fine();
    }
}

#[test]
fn two_titles_are_left_open_until_a_person_chooses() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["retitle", &issue, "Roof leaks"]);
    bob.run(&["retitle", &issue, "Wet floor"]);
    bob.run(&["label", &issue, "urgent"]);
    exchange(&alice, &bob);

    for person in [&alice, &bob] {
        let (code, told) = person.try_run(&["merge"]);
        assert_eq!(code, 4, "scripts can tell that something is open: {told}");
        let titles = r#"it has 2 titles: "Roof leaks" by alice, "Wet floor" by bob"#;
        assert!(told.contains(titles), "both are named: {told}");
        assert!(
            person.run(&["show", &issue]).contains(titles),
            "show says so too"
        );
    }
    // Work goes on meanwhile.
    alice.run(&["comment", &issue, "the roofer comes on Monday"]);
    alice.run(&["label", &issue, "waiting"]);
    alice.run(&["unlabel", &issue, "urgent"]);
    alice.run(&["close", &issue]);
    let listed = alice.run(&["list"]);
    assert!(
        listed.contains(&format!("{issue}! ")),
        "what is not settled is shown, closed or not: {listed}"
    );

    let told = alice.run(&["retitle", &issue, "Leaking roof, wet floor", "--settle"]);
    assert!(
        told.contains(r#"is settled: the title is "Leaking roof, wet floor""#),
        "{told}"
    );
    exchange(&alice, &bob);
    for person in [&alice, &bob] {
        person.is_fine();
        person.has(&issue, &["the roofer comes on Monday"], &["waiting"]);
        let listed = person.list();
        assert!(
            listed.contains("Leaking roof, wet floor") && listed.contains("closed"),
            "{listed}"
        );
        let (code, told) = person.try_run(&["retitle", &issue, "Again", "--settle"]);
        assert_eq!(code, 1, "there is nothing to settle any more: {told}");
    }
}

#[test]
fn two_choices_made_apart_are_a_conflict_of_their_own() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["retitle", &issue, "Roof leaks"]);
    bob.run(&["retitle", &issue, "Wet floor"]);
    exchange(&alice, &bob);
    alice.run(&["retitle", &issue, "Roof", "--settle"]);
    bob.run(&["retitle", &issue, "Floor", "--settle"]);
    exchange(&alice, &bob);

    let (code, told) = alice.try_run(&["merge"]);
    assert_eq!(code, 4);
    assert!(
        told.contains(r#""Floor" by bob, "Roof" by alice"#),
        "{told}"
    );
    for person in [&alice, &bob] {
        // The author is part of a decision: both say that bob's title it is.
        person.run(&["--as", "both", "retitle", &issue, "Floor", "--settle"]);
    }
    assert_eq!(
        alice.files(),
        bob.files(),
        "the same choice by the same name is the same file"
    );
    exchange(&alice, &bob);
    alice.is_fine();
    bob.is_fine();
}

#[test]
fn a_title_given_after_the_merge_is_a_choice() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["retitle", &issue, "Roof leaks"]);
    bob.run(&["retitle", &issue, "Wet floor"]);
    exchange(&alice, &bob);
    alice.run(&["retitle", &issue, "Leaking roof"]);
    exchange(&alice, &bob);
    let told = [&alice, &bob].map(|person| person.run(&["merge"]));
    assert_eq!(told[0], told[1]);
    assert_eq!(alice.files(), bob.files());
    alice.is_fine();
    assert!(alice.list().contains("Leaking roof"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let world = World::in_memory();
    let (alice, _, issue) = two(&world);
    for (args, answer) in [
        (vec!["close", "zz"], "there is no issue"),
        (vec!["reopen", &issue], "nothing to change"),
        (vec!["unlabel", &issue, "roof"], "nothing to change"),
    ] {
        let (code, told) = alice.try_run(&args);
        assert_eq!(code, 1, "{args:?}: {told}");
        assert!(told.contains(answer), "{args:?}: {told}");
    }
    let (code, _) = alice.try_run(&["open", ""]);
    assert_eq!(code, 2, "an issue has a title");
    alice.run(&["comment", &issue[..4], "by the beginning of its id"]);
}

#[test]
fn an_event_of_a_newer_tracker_hides_no_other_issue() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    let newer = alice.open("The door sticks");
    let stream = format!("issue-{newer}");
    alice.append_raw(
        &stream,
        &format!(r#"{{"issue":"{stream}","by":"eve","change":"frobbed"}}"#),
    );
    alice.run(&["comment", &issue, "since May"]);
    bob.run(&["comment", &issue, "here too"]);
    exchange(&alice, &bob);
    let listed = bob.list();
    assert!(
        listed.contains(&format!("{newer}  (cannot read event ")),
        "{listed}"
    );
    assert!(
        listed.contains(&format!("{issue}! It rains in")),
        "{listed}"
    );
    assert!(
        bob.run(&["merge"]).contains("all sides stand"),
        "the other fork is settled"
    );
    let (code, told) = bob.try_run(&["comment", &newer, "and squeaks"]);
    assert_eq!(code, 1, "nobody decides on what cannot be read: {told}");
}
