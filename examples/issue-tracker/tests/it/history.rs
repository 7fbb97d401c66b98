//! What people do to git's history, and what the tracker keeps through it.

use scenarios::World;

use crate::support::Person;

/// Returns two people, and the issue they know of.
fn two(world: &World) -> (Person, Person, String) {
    let alice = Person::with_project(world, "alice");
    let issue = alice.open("It rains in");
    alice.commit("open");
    let bob = alice.joining(world, "bob");
    (alice, bob, issue)
}

/// Works on an issue in two commits, which leave a comment and a label.
fn work(person: &Person, issue: &str, comment: &str, label: &str) {
    person.run(&["comment", issue, comment]);
    person.commit("comment");
    person.run(&["label", issue, label]);
    person.commit("label");
}

/// Goes on in both clones, and lets them settle and exchange until both have all.
fn go_on(alice: &Person, bob: &Person, issue: &str, comments: &[&str], labels: &[&str]) {
    alice.run(&["comment", issue, "alice goes on"]);
    bob.run(&["comment", issue, "bob goes on"]);
    for _ in 0..2 {
        for (one, other) in [(alice, bob), (bob, alice)] {
            one.commit("go on");
            one.pull(other);
            one.run(&["merge"]);
            one.commit("settle");
        }
    }
    alice.pull(bob);
    let mut comments = comments.to_vec();
    comments.extend(["alice goes on", "bob goes on"]);
    for person in [alice, bob] {
        person.is_fine();
        person.has(issue, &comments, labels);
    }
    assert_eq!(alice.list(), bob.list());
    assert_eq!(alice.files(), bob.files());
}

#[test]
fn rebase() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&alice, &issue, "since May", "roof");
    work(&bob, &issue, "here too", "urgent");
    let before = bob.files();

    bob.fetch(&alice);
    // The tracker is asked in the middle too, when bob's own work is half there.
    let look = format!("{} list", env!("CARGO_BIN_EXE_issue-tracker"));
    bob.git(&["rebase", "--quiet", "--exec", &look, "FETCH_HEAD"]);

    let after = bob.files();
    assert!(
        before
            .iter()
            .all(|(name, bytes)| after.get(name) == Some(bytes)),
        "no file was rewritten"
    );
    assert_eq!(bob.missing(), 0, "every parent is there");
    bob.has_issues(&[&issue]);
    bob.has(&issue, &["since May", "here too"], &["roof", "urgent"]);
    assert!(
        bob.run(&["merge"]).contains("all sides stand"),
        "they wrote it apart, rebased or not"
    );
    bob.is_fine();
    go_on(
        &alice,
        &bob,
        &issue,
        &["since May", "here too"],
        &["roof", "urgent"],
    );
}

#[test]
fn work_in_the_middle_of_a_rebase_waits_for_its_end() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&alice, &issue, "since May", "roof");
    work(&bob, &issue, "here too", "urgent");
    bob.fetch(&alice);
    // After the first of bob's commits, the file of the second is away.
    let program = env!("CARGO_BIN_EXE_issue-tracker");
    let said = world.path().join("said");
    let say = format!(
        "{program} --as bob comment {issue} meanwhile >>'{}' 2>&1; echo \"exit code $?\" >>'{}'",
        said.display(),
        said.display()
    );
    bob.git(&["rebase", "--quiet", "--exec", &say, "FETCH_HEAD"]);
    let said = std::fs::read_to_string(said).unwrap();
    let ends: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("exit code"))
        .collect();
    assert_eq!(
        ends,
        ["exit code 1", "exit code 0"],
        "nothing is built on half of the history: {said}"
    );
    assert!(said.contains("git"), "it is said who is at work: {said}");

    bob.commit("meanwhile");
    let comments = ["since May", "here too", "meanwhile"];
    bob.has(&issue, &comments, &["roof", "urgent"]);
    bob.run(&["merge"]);
    bob.is_fine();
    go_on(&alice, &bob, &issue, &comments, &["roof", "urgent"]);
}

#[test]
fn cherry_pick() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&bob, &issue, "here too", "urgent");
    work(&alice, &issue, "since May", "roof");

    // The label without the comment before it.
    alice.fetch(&bob);
    alice.git(&["cherry-pick", "FETCH_HEAD"]);
    alice.has_issues(&[&issue]);
    alice.has(&issue, &["since May"], &["roof", "urgent"]);
    assert_eq!(
        alice.missing(),
        1,
        "the status names the comment that was left behind"
    );
    let before = alice.files();
    let (code, told) = alice.try_run(&["merge"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("the history is not whole"), "{told}");
    assert_eq!(
        alice.files(),
        before,
        "nothing is decided on half of the history"
    );
    let (code, told) = alice.try_run(&["comment", &issue, "work goes on"]);
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("a part of stream issue-") && told.contains("bring that back"),
        "nor is anything written upon it, and it is said why: {told}"
    );
    assert_eq!(alice.files(), before);

    // The rest comes by a merge.
    alice.pull(&bob);
    assert_eq!(alice.missing(), 0, "nothing is missing any more");
    alice.run(&["comment", &issue, "work goes on"]);
    alice.commit("go on");
    alice.run(&["merge"]);
    alice.commit("settle");
    alice.is_fine();
    let comments = ["since May", "here too", "work goes on"];
    go_on(&alice, &bob, &issue, &comments, &["roof", "urgent"]);
}

#[test]
fn cherry_pick_of_a_part_that_is_all_that_ever_comes() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&bob, &issue, "here too", "urgent");
    alice.fetch(&bob);
    alice.git(&["cherry-pick", "FETCH_HEAD"]);
    let told = alice.run(&["merge", "--anyway"]);
    assert!(
        told.contains("all sides stand"),
        "it is settled when asked for: {told}"
    );
    alice.has(&issue, &[], &["urgent"]);
    alice.commit("settle");
    let (code, told) = alice.try_run(&["comment", &issue, "work goes on"]);
    assert_eq!(code, 1, "a decision does not make it whole: {told}");
    alice.forget_missing();

    // It does come.
    go_on(&alice, &bob, &issue, &["here too"], &["urgent"]);
}

#[test]
fn cherry_pick_of_everything() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&bob, &issue, "here too", "urgent");
    alice.fetch(&bob);
    alice.git(&["cherry-pick", "FETCH_HEAD~1", "FETCH_HEAD"]);
    assert_eq!(
        alice.files(),
        bob.files(),
        "the commits differ, the files do not"
    );
    alice.is_fine();
    go_on(&alice, &bob, &issue, &["here too"], &["urgent"]);
}

#[test]
fn squash_merge() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    work(&alice, &issue, "since May", "roof");
    work(&bob, &issue, "here too", "urgent");
    let door = bob.open("The door sticks");
    bob.commit("another");

    alice.fetch(&bob);
    alice.git(&["merge", "--quiet", "--squash", "FETCH_HEAD"]);
    alice.commit("squashed");
    assert_eq!(alice.missing(), 0, "every parent is there");
    alice.has_issues(&[&issue, &door]);
    alice.has(&issue, &["since May", "here too"], &["roof", "urgent"]);
    alice.run(&["merge"]);
    alice.is_fine();
    alice.commit("settle");

    // Git does not know that the branch was merged, and brings the same files again.
    work(&bob, &issue, "worse now", "flood");
    let comments = ["since May", "here too", "worse now"];
    go_on(
        &alice,
        &bob,
        &issue,
        &comments,
        &["roof", "urgent", "flood"],
    );
    alice.has_issues(&[&issue, &door]);
}

#[test]
fn stash() {
    let world = World::in_memory();
    let (alice, bob, issue) = two(&world);
    alice.run(&["comment", &issue, "since May"]);
    alice.run(&["label", &issue, "roof"]);
    let door = alice.open("The door sticks");
    alice.git(&["stash", "push", "--quiet", "--include-untracked"]);

    alice.is_fine();
    alice.has_issues(&[&issue]);
    alice.has(&issue, &[], &[]);
    alice.run(&["comment", &issue, "while it was stashed"]);
    alice.commit("comment");

    alice.git(&["stash", "pop", "--quiet"]);
    assert_eq!(alice.missing(), 0, "every parent is there");
    alice.has_issues(&[&issue, &door]);
    alice.has(&issue, &["since May", "while it was stashed"], &["roof"]);
    assert!(
        alice.run(&["merge"]).contains("all sides stand"),
        "they were written apart"
    );
    alice.is_fine();
    let comments = ["since May", "while it was stashed"];
    go_on(&alice, &bob, &issue, &comments, &["roof"]);
}

#[test]
fn shallow_clone() {
    let world = World::in_memory();
    let (alice, _, issue) = two(&world);
    work(&alice, &issue, "since May", "roof");
    let bob = alice.joining_shallowly(&world, "carol");
    assert_eq!(
        bob.git(&["rev-list", "--count", "HEAD"]).trim(),
        "1",
        "it has one commit"
    );
    assert_eq!(bob.files(), alice.files(), "and every file");
    assert_eq!(bob.list(), alice.list());
    bob.is_fine();

    work(&bob, &issue, "here too", "urgent");
    alice.run(&["comment", &issue, "meanwhile"]);
    let comments = ["since May", "here too", "meanwhile"];
    go_on(&alice, &bob, &issue, &comments, &["roof", "urgent"]);
}

#[test]
fn a_schema_check_names_what_cannot_be_read() {
    let world = World::in_memory();
    let alice = Person::with_project(&world, "alice");
    let issue = alice.open("It rains in");
    let fine = alice.run(&["schema-check"]);
    assert!(
        fine.contains("IssueEvent: 1 event, 1 decode"),
        "every event is tried: {fine}"
    );
    alice.append_raw(&format!("issue-{issue}"), r#"{"change": "painted"}"#);
    let (code, told) = alice.try_run(&["schema-check"]);
    assert_eq!(code, 4, "{told}");
    assert!(
        told.contains(&format!("version 2 of stream issue-{issue}")),
        "the event is named: {told}"
    );
}
