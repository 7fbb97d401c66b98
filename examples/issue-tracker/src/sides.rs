//! One issue, changed on several sides at once, and what it is when they are combined.
//!
//! Each side is compared with the issue as it was before: what one side changed and the others left alone is changed. A
//! label or a state that was changed back counts as left alone. That leaves two questions, for which the rules are:
//! two titles are a conflict, and of two assignments the one that comes last in canonical order counts.
//!
//! **Invariant**: the answer depends neither on the order of the sides nor on who asks.

use std::collections::{BTreeMap, BTreeSet};

use fs_merge::{ForkContext, ForkedStream};

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
        let empty = Issue::default;
        let is_here =
            |event: &&fs_merge::ForkEvent<IssueEvent>| event.stream_id == stream.stream_id;
        let events = |events: Vec<&fs_merge::ForkEvent<IssueEvent>>| {
            let here = events.into_iter().filter(is_here);
            here.map(|event| event.event.clone()).collect()
        };
        Self {
            base: stream.ancestor_state(empty(), |issue, event| issue.after(&event.event)),
            sides: fork
                .branches
                .iter()
                .map(|side| {
                    stream.branch_state(side, empty(), |issue, event| issue.after(&event.event))
                })
                .collect(),
            now: fork.merged_state(empty(), |issue, event| {
                if is_here(&event) {
                    issue.after(&event.event)
                } else {
                    issue
                }
            }),
            since: events(stream.events_since.iter().collect()),
            later: events(fork.on_top.iter().flat_map(|later| &later.events).collect()),
        }
    }

    /// Combines them.
    pub(crate) fn combined(&self) -> Combined {
        let mut titles = self.titles();
        let mut notes = Vec::new();
        let title = match titles.len() {
            0 => self.base.title.clone(),
            1 => titles.pop_first().map(|(title, _)| title),
            _ => self.now.title.clone(),
        };
        let mut issue = Issue {
            title,
            assignee: self.assignee(&mut notes),
            labels: self.labels(),
            is_closed: self.is_closed(&mut notes),
            comments: Vec::new(),
        };
        for event in &self.later {
            if event.change.title().is_some() {
                titles.clear();
            }
            issue = issue.after(event);
        }
        // Nobody takes a comment back.
        issue.comments = self.now.comments.clone();
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
    fn is_closed(&self, notes: &mut Vec<String>) -> bool {
        let before = self.base.is_closed;
        let is_changed = self.sides.iter().any(|side| side.is_closed != before);
        let others = self.sides.iter().filter(|side| !side.is_closed);
        let said = |side: &Issue| side.comments.len() > self.base.comments.len();
        if is_changed && !before && others.into_iter().any(said) {
            notes.push("closed, and what was said meanwhile stays".to_owned());
        }
        is_changed != before
    }

    /// Returns who it is assigned to: as the side has it that changed this, or the last one of several in canonical order.
    fn assignee(&self, notes: &mut Vec<String>) -> Option<String> {
        let chosen = self.sides.iter().map(|side| &side.assignee);
        let mut chosen: BTreeSet<_> = chosen
            .filter(|chosen| **chosen != self.base.assignee)
            .collect();
        let last = self
            .since
            .iter()
            .rev()
            .find_map(|event| match &event.change {
                Change::Assigned { to } if chosen.contains(to) => Some(to),
                _ => None,
            });
        let Some(last) = last else {
            return self.base.assignee.clone();
        };
        chosen.remove(last);
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
        for other in chosen {
            notes.push(format!(
                "assigned to {}, who was named after {}",
                name(last),
                name(other)
            ));
        }
        last.clone()
    }
}

#[cfg(test)]
mod tests;
