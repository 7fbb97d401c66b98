//! Two people's changes to one issue, combined.

use eventcore::StreamId;

use super::*;

fn event(by: &str, change: &Change) -> IssueEvent {
    IssueEvent {
        issue: StreamId::try_new("issue-1").unwrap(),
        by: by.to_owned(),
        change: change.clone(),
    }
}

/// Returns the sides of an issue with the label `old`: alice's events come before bob's in canonical order.
fn sides(alice: &[Change], bob: &[Change]) -> Sides {
    let before = [opened("It rains in"), labelled("old")];
    let fold = |issue: Issue, events: &[IssueEvent]| events.iter().fold(issue, Issue::after);
    let events = |by: &str, changes: &[Change]| -> Vec<_> {
        changes.iter().map(|change| event(by, change)).collect()
    };
    let base = fold(Issue::default(), &events("carol", &before));
    let (alice, bob) = (events("alice", alice), events("bob", bob));
    let since: Vec<_> = alice.iter().chain(&bob).cloned().collect();
    Sides {
        sides: vec![fold(base.clone(), &alice), fold(base.clone(), &bob)],
        now: fold(base.clone(), &since),
        base,
        since,
        later: Vec::new(),
    }
}

/// Returns what the sides are combined to, after a look at them in the opposite order.
fn combined(sides: &Sides) -> Combined {
    let combined = sides.combined();
    let mut reversed = sides.clone();
    reversed.sides.reverse();
    assert_eq!(
        reversed.combined(),
        combined,
        "the order of the sides does not matter"
    );
    combined
}

fn opened(title: &str) -> Change {
    let title = title.to_owned();
    Change::Opened { title }
}

fn retitled(title: &str) -> Change {
    let title = title.to_owned();
    Change::Retitled { title }
}

fn labelled(label: &str) -> Change {
    let label = label.to_owned();
    Change::Labelled { label }
}

fn unlabelled(label: &str) -> Change {
    let label = label.to_owned();
    Change::Unlabelled { label }
}

fn said(text: &str) -> Change {
    let text = text.to_owned();
    Change::Commented { text }
}

fn assigned(to: &str) -> Change {
    let to = Some(to.to_owned());
    Change::Assigned { to }
}

#[test]
fn labels_and_comments_of_all_sides_are_kept() {
    let sides = sides(
        &[labelled("roof"), said("since May")],
        &[labelled("urgent"), unlabelled("old"), said("here too")],
    );
    let combined = combined(&sides);
    assert!(combined.issue.labels.iter().eq(["roof", "urgent"]));
    assert_eq!(combined.issue.comments.len(), 2);
    assert_eq!(combined.issue, sides.now, "there is nothing to add");
}

#[test]
fn what_was_changed_back_counts_as_left_alone() {
    let sides = sides(
        &[unlabelled("old"), Change::Closed],
        &[
            unlabelled("old"),
            labelled("old"),
            Change::Closed,
            Change::Reopened,
        ],
    );
    assert!(sides.now.labels.contains("old") && !sides.now.is_closed);
    let combined = combined(&sides);
    assert_eq!(
        combined.issue.labels.len(),
        0,
        "alice removed it, bob kept it"
    );
    assert!(
        combined.issue.is_closed,
        "alice closed it, bob left it open"
    );
}

#[test]
fn two_titles_are_a_conflict_and_name_who_gave_them() {
    let combined = combined(&sides(&[retitled("Roof leaks")], &[retitled("Wet floor")]));
    let titles: Vec<_> = combined.titles.iter().collect();
    let expected = [("Roof leaks", "alice"), ("Wet floor", "bob")];
    assert!(
        titles
            .iter()
            .map(|(title, by)| (title.as_str(), by.as_str()))
            .eq(expected),
        "{titles:?}"
    );
}

#[test]
fn one_new_title_is_none_and_neither_is_the_same_twice() {
    for bob in [
        vec![],
        vec![retitled("Roof leaks")],
        vec![retitled("Wet floor"), retitled("It rains in")],
    ] {
        let combined = combined(&sides(&[retitled("Roof leaks")], &bob));
        assert!(combined.titles.is_empty(), "after {bob:?}");
        assert_eq!(
            combined.issue.title.as_deref(),
            Some("Roof leaks"),
            "after {bob:?}"
        );
    }
}

#[test]
fn a_title_given_by_somebody_who_saw_the_others_decides() {
    let mut sides = sides(&[retitled("Roof leaks")], &[retitled("Wet floor")]);
    let later = event("carol", &retitled("Roof leaks, floor wet"));
    sides.now = sides.now.after(&later);
    sides.since.push(later.clone());
    sides.later.push(later);
    let combined = combined(&sides);
    assert!(combined.titles.is_empty());
    assert_eq!(combined.issue, sides.now, "the title stands");
}

#[test]
fn closing_beats_a_comment_and_the_comment_stays() {
    let combined = combined(&sides(&[Change::Closed], &[said("wait")]));
    assert!(combined.issue.is_closed);
    assert_eq!(combined.issue.comments.len(), 1);
    assert_eq!(
        combined.notes,
        ["closed, and what was said meanwhile stays"]
    );
}

#[test]
fn the_last_assignment_counts_and_the_other_is_told() {
    let combined = combined(&sides(&[assigned("alice")], &[assigned("bob")]));
    assert_eq!(combined.issue.assignee.as_deref(), Some("bob"));
    assert_eq!(
        combined.notes,
        ["assigned to bob, who was named after alice"]
    );
}
