//! What happens to issues.
//!
//! **Invariant**: events are on disk for good. A variant may be added; none may be renamed, and none may change its
//! meaning.

use std::fmt;

use eventcore::{Event, StreamId};
use serde::{Deserialize, Serialize};

/// Something that happened to an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueEvent {
    /// The issue's stream; each issue has one of its own.
    pub issue: StreamId,
    /// Who did it.
    pub by: String,
    /// What they did.
    pub change: Change,
}

/// What can be done to an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was opened, with this title.
    Opened {
        /// The title.
        title: String,
    },
    /// It got another title.
    Retitled {
        /// The title.
        title: String,
    },
    /// Something was said about it.
    Commented {
        /// The comment.
        text: String,
    },
    /// It was given to somebody, or taken from everybody.
    Assigned {
        /// To whom; to nobody when there is no name.
        to: Option<String>,
    },
    /// It got a label.
    Labelled {
        /// The label.
        label: String,
    },
    /// It lost a label.
    Unlabelled {
        /// The label.
        label: String,
    },
    /// It was done with.
    Closed,
    /// It was taken up again.
    Reopened,
}

impl Event for IssueEvent {
    fn stream_id(&self) -> &StreamId {
        &self.issue
    }

    fn event_type_name() -> &'static str {
        "IssueEvent"
    }
}

impl Change {
    /// Returns the title that it gives, if it gives one.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::Opened { title } | Self::Retitled { title } => Some(title),
            _ => None,
        }
    }

    /// Returns what kind of change it is: EventCore records one type name for all of them.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Retitled { .. } => "retitled",
            Self::Commented { .. } => "commented",
            Self::Assigned { .. } => "assigned",
            Self::Labelled { .. } => "labelled",
            Self::Unlabelled { .. } => "unlabelled",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { title } => write!(f, "opened it: {title}"),
            Self::Retitled { title } => write!(f, "gave it the title: {title}"),
            Self::Commented { text } => write!(f, "said: {text}"),
            Self::Assigned { to: Some(name) } => write!(f, "assigned it to {name}"),
            Self::Assigned { to: None } => f.write_str("assigned it to nobody"),
            Self::Labelled { label } => write!(f, "added the label {label}"),
            Self::Unlabelled { label } => write!(f, "removed the label {label}"),
            Self::Closed => f.write_str("closed it"),
            Self::Reopened => f.write_str("reopened it"),
        }
    }
}
