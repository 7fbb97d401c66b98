//! How items and gaps are marked in a stream. Other programs read this; `docs/format.md` describes it.
//!
//! **Invariant**: a mark is taken at its word only when it is whole: numbers are at least 1, and a gap ends where it starts or later.
//! Anything else is an event like any other.

use std::fmt;

use fs_format::Json;
use serde::Deserialize;

use fs_store::StoredEvent;

/// The event type of a gap marker; no item may have it.
pub const GAP_TYPE: &str = "tributary.Gap";

/// Items that were dropped before they could be recorded, because the recorder fell behind by more than the broadcast holds.
///
/// Displayed as a sentence: `events between 3 and 5 were dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Gap {
    /// The logical number of the first item that was dropped.
    pub from: u64,
    /// The logical number of the last item that was dropped.
    pub to: u64,
}

impl Gap {
    /// Returns the gap that an event marks; `None` when it is no gap marker.
    pub fn of(event: &StoredEvent) -> Option<Self> {
        Self::parse(&event.event_type, &event.event_data)
    }

    fn parse(event_type: &str, data: &Json<'_>) -> Option<Self> {
        if event_type != GAP_TYPE {
            return None;
        }
        let gap = data.decode::<Self>().ok()?;
        (gap.from > 0 && gap.from <= gap.to).then_some(gap)
    }

    /// Returns the data of the marker.
    pub(crate) fn data(self) -> Json<'static> {
        let Self { from, to } = self;
        Json::compact(&format!(r#"{{"from":{from},"to":{to}}}"#))
            .expect("an object of two numbers is JSON")
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "event {} was dropped", self.from)
        } else {
            write!(
                f,
                "events between {} and {} were dropped",
                self.from, self.to
            )
        }
    }
}

/// What an event of a recording stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The item with this number.
    Item(u64),
    Gap(Gap),
}

impl Mark {
    pub(crate) fn of(event_type: &str, data: &Json<'_>, metadata: &Json<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Numbered {
            logical: u64,
        }
        if event_type == GAP_TYPE {
            return Gap::parse(event_type, data).map(Self::Gap);
        }
        let number = metadata.decode::<Numbered>().ok()?.logical;
        (number > 0).then_some(Self::Item(number))
    }

    /// Returns the last number that it covers.
    pub(crate) fn last(self) -> u64 {
        match self {
            Self::Item(number) => number,
            Self::Gap(gap) => gap.to,
        }
    }
}

/// Returns the metadata of the item with this number.
pub(crate) fn metadata(number: u64) -> Json<'static> {
    Json::compact_object(&format!(r#"{{"logical":{number}}}"#))
        .expect("an object of a number is a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json<'static> {
        Json::compact(text).unwrap()
    }

    #[test]
    fn what_is_written_is_what_other_programs_read() {
        let gap = Gap { from: 3, to: 5 };
        assert_eq!(
            (GAP_TYPE, gap.data().as_str(), metadata(7).as_str()),
            ("tributary.Gap", r#"{"from":3,"to":5}"#, r#"{"logical":7}"#),
            "these names stand in docs/format.md and in files that cannot be changed"
        );
        let none = json("{}");
        assert_eq!(
            Mark::of(GAP_TYPE, &gap.data(), &none),
            Some(Mark::Gap(gap)),
            "a gap reads back"
        );
        assert_eq!(
            Mark::of("Noted", &none, &metadata(7)),
            Some(Mark::Item(7)),
            "a number reads back"
        );
    }

    #[test]
    fn a_gap_reads_as_a_sentence() {
        let say = |from, to| Gap { from, to }.to_string();
        assert_eq!(say(3, 5), "events between 3 and 5 were dropped");
        assert_eq!(say(3, 3), "event 3 was dropped");
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        for data in [
            "{}",
            "null",
            r#"{"from":5,"to":3}"#,
            r#"{"from":0,"to":3}"#,
            r#"{"from":-1,"to":3}"#,
            r#"{"from":1,"to":18446744073709551616}"#,
            r#"{"from":"1","to":"2"}"#,
        ] {
            let mark = Mark::of(GAP_TYPE, &json(data), &metadata(1));
            assert_eq!(mark, None, "{data} names no range");
        }
        for metadata in [
            "{}",
            r#"{"logical":0}"#,
            r#"{"logical":"1"}"#,
            r#"{"logical":1.5}"#,
        ] {
            let mark = Mark::of("Noted", &json("1"), &json(metadata));
            assert_eq!(mark, None, "{metadata} names no number");
        }
    }
}
