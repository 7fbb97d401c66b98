//! One issue, changed on several sides at once, and what it is when they are combined.
//!
//! Each side is compared with the issue as it was before: what one side changed and the others left alone is changed. A
//! label or a state that was changed back counts as left alone. That leaves two questions, for which the rules are:
//! two titles are a conflict, and of two assignments the one that comes last in canonical order counts.
//!
//! **Invariant**: the answer depends neither on the order of the sides nor on who asks.

use std::collections::{BTreeMap, BTreeSet};

use fs_merge::{ForkContext, ForkEvent, ForkedStream};

use crate::event::{Change, IssueEvent};
use crate::issue::Issue;

/// An issue from all sides.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// As it was before.
    pub(crate) base: Issue,
    /// As each side has it.
    pub(crate) sides: Vec<Issue>,
    /// As it is when everything stands as it was written, one event after the other.
    pub(crate) now: Issue,
    /// What was done to it since, on any side or later, in canonical order.
    pub(crate) since: Vec<IssueEvent>,
    /// What was done later, by people who had seen the sides; part of `since`.
    pub(crate) later: Vec<IssueEvent>,
}

/// An issue whose sides are combined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Combined {
    /// As it should be; where titles contradict each other, with the one it has now.
    pub(crate) issue: Issue,
    /// The titles that contradict each other, each with who gave it; none when the title is clear.
    pub(crate) titles: BTreeMap<String, String>,
    /// What else people may want to know.
    pub(crate) notes: Vec<String>,
}

impl Sides {
    /// Reads them from a stream of a fork.
    pub(crate) fn of(fork: &ForkContext<IssueEvent>, stream: &ForkedStream<IssueEvent>) -> Self {
        let new = Issue::default;
        let sides = fork.branches.iter();
        let later = fork.on_top.iter().flat_map(|later| &later.events);
        let is_here = |event: &ForkEvent<IssueEvent>| event.stream_id == stream.stream_id;
        let after_here = |issue, event: &_| {
            if is_here(event) {
                after(issue, event)
            } else {
                issue
            }
        };
        Self {
            base: stream.ancestor_state(new(), after),
            sides: sides
                .map(|side| stream.branch_state(side, new(), after))
                .collect(),
            now: fork.merged_state(new(), after_here),
            since: stream.events_since.iter().map(meant).collect(),
            later: later.filter(|event| is_here(event)).map(meant).collect(),
        }
    }

    /// Combines them.
    pub(crate) fn combined(&self) -> Combined {
        let mut titles = self.titles();
        let title = match titles.len() {
            0 => self.base.title.clone(),
            1 => titles.pop_first().map(|(title, _)| title),
            _ => self.now.title.clone(),
        };
        let mut issue = Issue {
            title,
            assignee: self.assignee(),
            labels: self.labels(),
            is_closed: self.is_closed(),
            comments: Vec::new(),
        };
        // Whoever went on after the merge had seen the sides, so what they did is done to the outcome.
        for event in &self.later {
            if event.change.title().is_some() {
                titles.clear();
            }
            issue = issue.after(event);
        }
        // Nobody takes a comment back.
        issue.comments = self.now.comments.clone();
        let notes = self.notes(&issue);
        Combined {
            issue,
            titles,
            notes,
        }
    }

    /// Returns the titles that sides gave it, each with who did so last.
    fn titles(&self) -> BTreeMap<String, String> {
        let given = self.sides.iter().filter_map(|side| side.title.clone());
        let given = given.filter(|title| self.base.title.as_ref() != Some(title));
        let by = |title: &str| {
            let mut latest = self.since.iter().rev();
            let event = latest.find(|event| event.change.title() == Some(title));
            event.map_or_else(String::new, |event| event.by.clone())
        };
        given.map(|title| (title.clone(), by(&title))).collect()
    }

    /// Returns the labels: those that any side added are there, and those that any side removed are not.
    fn labels(&self) -> BTreeSet<String> {
        let mut labels = self.base.labels.clone();
        for side in &self.sides {
            labels.extend(side.labels.difference(&self.base.labels).cloned());
        }
        for side in &self.sides {
            for removed in self.base.labels.difference(&side.labels) {
                labels.remove(removed);
            }
        }
        labels
    }

    /// Returns whether it is closed: as the side has it that changed this.
    fn is_closed(&self) -> bool {
        let before = self.base.is_closed;
        let is_changed = self.sides.iter().any(|side| side.is_closed != before);
        is_changed != before
    }

    /// Returns who it is assigned to: as the side has it that changed this, or the last one of several in canonical order.
    fn assignee(&self) -> Option<String> {
        let assigned = self.assigned();
        let mut latest = self.since.iter().rev();
        let last = latest.find_map(|event| match &event.change {
            Change::Assigned { to } if assigned.contains(to) => Some(to),
            _ => None,
        });
        last.unwrap_or(&self.base.assignee).clone()
    }

    /// Returns whom sides assigned it to, other than before.
    fn assigned(&self) -> BTreeSet<&Option<String>> {
        let assigned = self.sides.iter().map(|side| &side.assignee);
        assigned
            .filter(|assigned| **assigned != self.base.assignee)
            .collect()
    }

    /// Returns what was decided about an issue that somebody may not expect.
    fn notes(&self, issue: &Issue) -> Vec<String> {
        let mut notes = Vec::new();
        let said = |side: &Issue| side.comments.len() > self.base.comments.len();
        let has_gone_on = |side: &Issue| !side.is_closed && said(side);
        if issue.is_closed && !self.base.is_closed && self.sides.iter().any(has_gone_on) {
            notes.push("closed, and what was said meanwhile stays".to_owned());
        }
        let assigned = self.assigned();
        if assigned.contains(&issue.assignee) {
            let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
            let last = name(&issue.assignee);
            let others = assigned
                .into_iter()
                .filter(|other| **other != issue.assignee);
            let told = others
                .map(|other| format!("assigned to {last}, who was named after {}", name(other)));
            notes.extend(told);
        }
        notes
    }
}

fn after(issue: Issue, event: &ForkEvent<IssueEvent>) -> Issue {
    issue.after(&event.event)
}

fn meant(event: &ForkEvent<IssueEvent>) -> IssueEvent {
    event.event.clone()
}

#[cfg(test)]
mod tests;
