//! Clones of a store that an application works on: a small tracker of issues.

use eventcore_types::StreamId as AppStreamId;
use fs_format::{StreamId, TransactionId};
use fs_merge::{ForkContext, ForkEvent, typed_forks};
use fs_store::{Append, ExpectedVersion};
use serde::{Deserialize, Serialize};

use crate::disk::Place;

/// What happens to an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Issue {
    Opened { issue: AppStreamId, title: String },
    Titled { issue: AppStreamId, title: String },
    Labelled { issue: AppStreamId, label: String },
}

impl eventcore_types::Event for Issue {
    fn stream_id(&self) -> &AppStreamId {
        match self {
            Self::Opened { issue, .. }
            | Self::Titled { issue, .. }
            | Self::Labelled { issue, .. } => issue,
        }
    }

    fn event_type_name() -> &'static str {
        "Issue"
    }
}

impl Issue {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "Opened",
            Self::Titled { .. } => "Titled",
            Self::Labelled { .. } => "Labelled",
        }
    }
}

pub(crate) fn opened(issue: &str, title: &str) -> Issue {
    Issue::Opened {
        issue: AppStreamId::try_new(issue).unwrap(),
        title: title.to_owned(),
    }
}

pub(crate) fn titled(issue: &str, title: &str) -> Issue {
    Issue::Titled {
        issue: AppStreamId::try_new(issue).unwrap(),
        title: title.to_owned(),
    }
}

pub(crate) fn labelled(issue: &str, label: &str) -> Issue {
    Issue::Labelled {
        issue: AppStreamId::try_new(issue).unwrap(),
        label: label.to_owned(),
    }
}

/// Appends events by one transaction.
pub(crate) fn append(at: &Place, events: &[Issue]) -> TransactionId {
    let append = events.iter().fold(Append::new(), |append, event| {
        let stream_id = eventcore_types::Event::stream_id(event);
        let stream_id = StreamId::new(AsRef::<str>::as_ref(stream_id)).unwrap();
        let data = serde_json::to_string(event).unwrap();
        append.event(stream_id, "Issue", &data).unwrap()
    });
    at.store.append(append).unwrap().transaction_id
}

/// Appends one event of any type.
pub(crate) fn append_raw(at: &Place, stream: &str, event_type: &str, data: &str) -> TransactionId {
    let append = Append::new().event(crate::model::stream(stream), event_type, data);
    at.store.append(append.unwrap()).unwrap().transaction_id
}

/// Appends one event to `written` that is decided upon `read`.
pub(crate) fn append_upon(at: &Place, read: &str, written: &str) -> TransactionId {
    let append = Append::new()
        .event(crate::model::stream(written), "Noted", "1")
        .unwrap()
        .expect(crate::model::stream(read), ExpectedVersion::Any);
    at.store.append(append).unwrap().transaction_id
}

/// Two clones, both with what `common` appended.
pub(crate) fn two(common: impl FnOnce(&Place)) -> (Place, Place) {
    let (ours, theirs) = (Place::empty(), Place::empty());
    common(&ours);
    theirs.pull(&ours);
    (ours, theirs)
}

/// Returns the one open fork, typed.
pub(crate) fn the_fork(at: &Place) -> ForkContext<Issue> {
    let mut forks = typed_forks::<Issue>(&at.store).unwrap();
    assert_eq!(forks.len(), 1, "one fork is open");
    forks.remove(0).unwrap()
}

/// Folds what is left of an issue: its title and labels.
pub(crate) fn told(mut state: Vec<String>, event: &ForkEvent<Issue>) -> Vec<String> {
    match &event.event {
        Issue::Opened { title, .. } => state.push(title.clone()),
        Issue::Titled { title, .. } => state.push(title.clone()),
        Issue::Labelled { label, .. } => state.push(format!("+{label}")),
    }
    state
}
