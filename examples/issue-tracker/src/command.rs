//! What people ask for, and when it is refused.
//!
//! **Invariant**: a command decides on the issue as it is now: EventCore reads the stream, asks, and appends at the version
//! that was read, or asks again.

use eventcore::{Command, CommandError, CommandLogic, NewEvents, StreamId};

use crate::event::{Change, IssueEvent};
use crate::issue::Issue;

/// Opens an issue.
#[derive(Clone, Debug, Command)]
pub struct OpenIssue {
    /// A stream that nobody has written yet.
    #[stream]
    pub issue: StreamId,
    /// Who opens it.
    pub by: String,
    /// Its title.
    pub title: String,
}

/// Does one or more things to an issue, all or none of them.
#[derive(Clone, Debug, Command)]
pub struct ChangeIssue {
    /// The issue.
    #[stream]
    pub issue: StreamId,
    /// Who does so.
    pub by: String,
    /// What they do.
    pub changes: Vec<Change>,
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The stream has an issue.
    #[error("{issue} is there already")]
    Taken {
        /// The stream.
        issue: StreamId,
    },
    /// The issue was not opened, or not in this clone's history.
    #[error("{issue} was not opened in the history that is here")]
    Unknown {
        /// The stream.
        issue: StreamId,
    },
    /// Nothing would change.
    #[error("there is nothing to change: {issue} is so already")]
    Unchanged {
        /// The stream.
        issue: StreamId,
    },
}

impl CommandLogic for OpenIssue {
    type Event = IssueEvent;
    type State = Issue;

    fn apply(&self, issue: Issue, event: &IssueEvent) -> Issue {
        issue.after(event)
    }

    fn handle(&self, issue: Issue) -> Result<NewEvents<IssueEvent>, CommandError> {
        if issue != Issue::default() {
            let issue = self.issue.clone();
            return Err(CommandError::business_rule_violated(Refused::Taken {
                issue,
            }));
        }
        let opened = IssueEvent {
            issue: self.issue.clone(),
            by: self.by.clone(),
            change: Change::Opened {
                title: self.title.clone(),
            },
        };
        Ok(vec![opened].into())
    }
}

impl CommandLogic for ChangeIssue {
    type Event = IssueEvent;
    type State = Issue;

    fn apply(&self, issue: Issue, event: &IssueEvent) -> Issue {
        issue.after(event)
    }

    fn handle(&self, mut issue: Issue) -> Result<NewEvents<IssueEvent>, CommandError> {
        let stream = || self.issue.clone();
        if !issue.is_opened() {
            return Err(CommandError::business_rule_violated(Refused::Unknown {
                issue: stream(),
            }));
        }
        let mut events = Vec::new();
        for change in &self.changes {
            if issue.is_already(change) {
                continue;
            }
            let event = IssueEvent {
                issue: stream(),
                by: self.by.clone(),
                change: change.clone(),
            };
            issue = issue.after(&event);
            events.push(event);
        }
        if events.is_empty() {
            return Err(CommandError::business_rule_violated(Refused::Unchanged {
                issue: stream(),
            }));
        }
        Ok(events.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(
        command: &impl CommandLogic<Event = IssueEvent, State = Issue>,
        issue: Issue,
    ) -> Vec<Change> {
        let events: Vec<_> = command.handle(issue).unwrap().into();
        events.into_iter().map(|event| event.change).collect()
    }

    fn labelled(labels: &[&str]) -> ChangeIssue {
        ChangeIssue {
            issue: StreamId::try_new("issue-1").unwrap(),
            by: "alice".to_owned(),
            changes: labels
                .iter()
                .map(|label| Change::Labelled {
                    label: (*label).to_owned(),
                })
                .collect(),
        }
    }

    fn opened() -> Issue {
        Issue {
            title: Some("It rains in".to_owned()),
            ..Issue::default()
        }
    }

    #[test]
    fn only_what_changes_something_becomes_an_event() {
        let changes = handled(&labelled(&["roof", "roof", "urgent"]), opened());
        assert_eq!(
            changes.len(),
            2,
            "the same label is added once: {changes:?}"
        );
    }

    #[test]
    fn what_would_change_nothing_is_refused() {
        let mut issue = opened();
        issue.labels.insert("roof".to_owned());
        let refused = labelled(&["roof"]).handle(issue).err().unwrap().to_string();
        assert!(refused.contains("issue-1"), "the issue is named: {refused}");
    }

    #[test]
    fn an_issue_is_opened_once_and_before_anything_else() {
        let open = OpenIssue {
            issue: StreamId::try_new("issue-1").unwrap(),
            by: "alice".to_owned(),
            title: "It rains in".to_owned(),
        };
        assert_eq!(handled(&open, Issue::default()).len(), 1);
        assert!(open.handle(opened()).is_err(), "it is open already");
        assert!(
            labelled(&["roof"]).handle(Issue::default()).is_err(),
            "there is nothing to label"
        );
    }
}
