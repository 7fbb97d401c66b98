//! What becomes of issues that were changed on several sides at once.
//!
//! **Invariant**: the answer follows from the fork and from what a person chose, and from nothing else, so that every clone
//! writes the same decision.

use eventcore::StreamId;
use fs_merge::{ForkContext, Outcome, Resolution, Resolver};

use crate::event::{Change, IssueEvent};
use crate::issue::Issue;
use crate::sides::{Combined, Sides};

/// Who the events are by that make up for the order in which two sides were written one after the other.
const NOBODY: &str = "issue-tracker";

/// The tracker's rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    choice: Option<Choice>,
}

/// A title that a person chose.
#[derive(Clone, Debug)]
struct Choice {
    issue: StreamId,
    by: String,
    title: String,
}

impl Rules {
    /// Returns the rules for when a person settles what the title of an issue is.
    pub fn with_title(issue: StreamId, by: impl Into<String>, title: impl Into<String>) -> Self {
        let (by, title) = (by.into(), title.into());
        Self {
            choice: Some(Choice { issue, by, title }),
        }
    }

    /// Returns the changes that settle one issue, or why it stays open.
    fn changes(
        &self,
        issue: &StreamId,
        now: &Issue,
        combined: &Combined,
    ) -> Result<Vec<Change>, String> {
        let mut changes = now.changes_to(&combined.issue);
        let titles = &combined.titles;
        let choice = self.choice.as_ref().filter(|choice| choice.issue == *issue);
        if let Some(choice) = choice {
            changes.retain(|change| change.title().is_none());
            // Said even where it is so already: it was decided.
            let title = choice.title.clone();
            changes.push(Change::Retitled { title });
        } else if !titles.is_empty() {
            let named = titles
                .iter()
                .map(|(title, by)| format!("{title:?} by {by}"));
            let named: Vec<_> = named.collect();
            return Err(format!(
                "it has {} titles: {}",
                titles.len(),
                named.join(", ")
            ));
        }
        Ok(changes)
    }
}

impl Resolver<IssueEvent> for Rules {
    fn resolve(&self, fork: &ForkContext<IssueEvent>) -> Resolution {
        let by = self.choice.as_ref().map_or(NOBODY, |choice| &choice.by);
        let (mut outcome, mut notes) = (Outcome::new(), Vec::new());
        for stream in &fork.streams {
            let Ok(issue) = StreamId::try_new(stream.stream_id.as_str()) else {
                return Resolution::unresolvable("it is no issue of this tracker");
            };
            let sides = Sides::of(fork, stream);
            let combined = sides.combined();
            let changes = match self.changes(&issue, &sides.now, &combined) {
                Ok(changes) => changes,
                Err(reason) => return Resolution::unresolvable(reason),
            };
            for change in changes {
                let (issue, by) = (issue.clone(), by.to_owned());
                outcome = match outcome.typed(&IssueEvent { issue, by, change }) {
                    Ok(outcome) => outcome,
                    Err(error) => return Resolution::unresolvable(error.to_string()),
                };
            }
            notes.extend(combined.notes);
        }
        if let Some(choice) = &self.choice {
            notes.insert(0, format!("the title is {:?}", choice.title));
            outcome = outcome.author(&choice.by);
        }
        if notes.is_empty() {
            notes.push("all sides stand".to_owned());
        }
        outcome.reason(notes.join("; ")).into()
    }
}
