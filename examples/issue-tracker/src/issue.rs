//! An issue: what its events amount to.
//!
//! **Invariant**: any events in any order make an issue. What a command would have refused can come by a merge, and must
//! not stop anybody from looking at it.

use std::collections::BTreeSet;

use crate::event::{Change, IssueEvent};

/// An issue as it is after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// The title; none before it was opened.
    pub title: Option<String>,
    /// Who it is assigned to.
    pub assignee: Option<String>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// What was said about it.
    pub comments: Vec<Comment>,
    /// Whether it is done with.
    pub is_closed: bool,
}

/// What somebody said about an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Who said it.
    pub by: String,
    /// What they said.
    pub text: String,
}

impl Issue {
    /// Returns the issue after one more event.
    pub fn after(mut self, event: &IssueEvent) -> Self {
        match event.change.clone() {
            Change::Opened { title } | Change::Retitled { title } => self.title = Some(title),
            Change::Assigned { to } => self.assignee = to,
            Change::Commented { text } => self.comments.push(Comment {
                by: event.by.clone(),
                text,
            }),
            Change::Labelled { label } => {
                self.labels.insert(label);
            }
            Change::Unlabelled { label } => {
                self.labels.remove(&label);
            }
            Change::Closed => self.is_closed = true,
            Change::Reopened => self.is_closed = false,
        }
        self
    }

    /// Returns whether somebody opened it, as far as is known here.
    pub fn is_opened(&self) -> bool {
        self.title.is_some()
    }

    /// Returns whether the issue is already as the change would make it.
    pub fn is_already(&self, change: &Change) -> bool {
        match change {
            Change::Opened { title } | Change::Retitled { title } => {
                self.title.as_ref() == Some(title)
            }
            Change::Assigned { to } => self.assignee == *to,
            Change::Commented { .. } => false,
            Change::Labelled { label } => self.labels.contains(label),
            Change::Unlabelled { label } => !self.labels.contains(label),
            Change::Closed => self.is_closed,
            Change::Reopened => !self.is_closed,
        }
    }

    /// Returns the changes that make this issue into `other`, comments aside.
    pub fn changes_to(&self, other: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if let (Some(title), true) = (&other.title, self.title != other.title) {
            let title = title.clone();
            changes.push(Change::Retitled { title });
        }
        if self.assignee != other.assignee {
            let to = other.assignee.clone();
            changes.push(Change::Assigned { to });
        }
        for label in other.labels.difference(&self.labels).cloned() {
            changes.push(Change::Labelled { label });
        }
        for label in self.labels.difference(&other.labels).cloned() {
            changes.push(Change::Unlabelled { label });
        }
        match (self.is_closed, other.is_closed) {
            (false, true) => changes.push(Change::Closed),
            (true, false) => changes.push(Change::Reopened),
            _ => {}
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use eventcore::StreamId;

    use super::*;

    fn folded(changes: &[Change]) -> Issue {
        let issue = StreamId::try_new("issue-1").unwrap();
        changes.iter().fold(Issue::default(), |state, change| {
            state.after(&IssueEvent {
                issue: issue.clone(),
                by: "alice".to_owned(),
                change: change.clone(),
            })
        })
    }

    fn some() -> Vec<Change> {
        let label = |label: &str| label.to_owned();
        vec![
            Change::Opened {
                title: "It rains in".to_owned(),
            },
            Change::Labelled {
                label: label("roof"),
            },
            Change::Labelled {
                label: label("urgent"),
            },
            Change::Unlabelled {
                label: label("roof"),
            },
            Change::Assigned {
                to: Some("bob".to_owned()),
            },
            Change::Closed,
        ]
    }

    #[test]
    fn the_changes_between_two_issues_make_one_into_the_other() {
        let changes = some();
        for from in 1..=changes.len() {
            for to in 1..=changes.len() {
                let (one, other) = (folded(&changes[..from]), folded(&changes[..to]));
                let mut all = changes[..from].to_vec();
                all.extend(one.changes_to(&other));
                assert_eq!(folded(&all), other, "from {from} changes to {to}");
            }
        }
    }

    #[test]
    fn a_change_that_was_made_is_there_already() {
        let changes = some();
        for (count, change) in changes.iter().enumerate() {
            assert!(
                !folded(&changes[..count]).is_already(change),
                "{change} changes something"
            );
            assert!(
                folded(&changes[..=count]).is_already(change),
                "{change} changes nothing the second time"
            );
        }
    }
}
