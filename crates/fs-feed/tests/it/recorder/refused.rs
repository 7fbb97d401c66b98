//! Items that cannot be stored, and items that cannot be read.

use fs_feed::{Feed as _, Gap, RecordError, Recorded, Recorder, RecordingError, Refusal};
use fs_store::Append;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use tokio::sync::broadcast;

use super::talk;
use crate::support::new_store;

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Number(u64),
    Unspeakable,
    Bottomless,
    Gapped,
    Endless,
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => n.serialize(serializer),
            Self::Unspeakable => Err(S::Error::custom("no words")),
            Self::Bottomless => {
                let mut nested = serde_json::json!(0);
                for _ in 0..200 {
                    nested = serde_json::json!([nested]);
                }
                nested.serialize(serializer)
            }
            Self::Gapped => serde_json::json!({"from": 1, "to": 9}).serialize(serializer),
            Self::Endless => "x".repeat(9 << 20).serialize(serializer),
        }
    }
}

fn event_type(said: &Said) -> &str {
    match said {
        Said::Gapped => "tributary.Gap",
        _ => "Said",
    }
}

#[test]
fn an_item_that_cannot_be_stored_is_given_back_and_named_by_a_gap() {
    let store = new_store();
    let (sender, receiver) = broadcast::channel(32);
    let mut recorder = Recorder::new(&store, talk(), receiver, event_type).unwrap();
    let bad = [
        Said::Unspeakable,
        Said::Bottomless,
        Said::Gapped,
        Said::Endless,
    ];
    sender.send(Said::Number(1)).unwrap();
    for item in &bad {
        sender.send(item.clone()).unwrap();
        sender.send(Said::Number(2)).unwrap();
    }
    drop(sender);
    for (nth, bad) in bad.iter().enumerate() {
        let refused = recorder.record_blocking().unwrap_err();
        let RecordError::Refused {
            number,
            item,
            source,
        } = refused
        else {
            panic!("what is wrong with {bad:?} is told: {refused:?}")
        };
        assert_eq!(
            (number, &item),
            (2 + 2 * nth as u64, bad),
            "with its number"
        );
        let is_right = match bad {
            Said::Unspeakable => matches!(source, Refusal::Unserializable(_)),
            Said::Bottomless => matches!(source, Refusal::Json(_)),
            Said::Gapped => matches!(source, Refusal::ReservedType),
            _ => matches!(source, Refusal::TooLarge { .. }),
        };
        assert!(is_right, "{bad:?}: {source:?}");
        let stored = store.recording::<u64>(&talk()).unwrap().last();
        let last = stored.unwrap().unwrap();
        assert!(
            matches!(&last, Recorded::Gap { gap, .. } if *gap == Gap { from: number, to: number }),
            "everything up to it is stored when it is given back: {last:?}"
        );
    }
    let drained = recorder.record_blocking().unwrap();
    assert_eq!(
        (drained.number, drained.items, drained.dropped),
        (9, 5, 4),
        "asked again, it goes on after it"
    );
    let lines: Vec<_> = store
        .recording::<u64>(&talk())
        .unwrap()
        .map(|recorded| super::line(&recorded.unwrap()))
        .collect();
    assert_eq!(super::covered(&lines), 9);
}

#[test]
fn an_item_of_another_type_is_named_and_reading_goes_on() {
    let store = new_store();
    let (sender, receiver) = broadcast::channel(4);
    let mut recorder = Recorder::new(&store, talk(), receiver, |_| "Said").unwrap();
    for said in ["1", "\"two\"", "3"] {
        sender
            .send(serde_json::from_str::<serde_json::Value>(said).unwrap())
            .unwrap();
    }
    recorder.finish_blocking().unwrap();
    let read: Vec<_> = store.recording::<u64>(&talk()).unwrap().collect();
    assert_eq!(read.len(), 3, "nothing is left out");
    let error = read[1].as_ref().unwrap_err();
    assert!(
        matches!(error, RecordingError::Undecodable { number: 2, .. }),
        "the item is named: {error:?}"
    );
    assert!(read[2].is_ok(), "and the next one is read");
}

#[test]
fn numbers_that_come_to_their_end_are_an_error() {
    let store = new_store();
    let almost = format!(r#"{{"from":1,"to":{}}}"#, u64::MAX - 1);
    let gap = Append::new().event(talk(), "tributary.Gap", &almost);
    store.append(gap.unwrap()).unwrap();
    let (sender, mut recorder) = super::recorder(&store, 4);
    super::send(&sender, [1]);
    assert_eq!(recorder.finish_blocking().unwrap().number, u64::MAX);
    super::send(&sender, [2]);
    let error = recorder.finish_blocking().unwrap_err();
    assert!(
        matches!(error, RecordError::NumbersExhausted { number: u64::MAX }),
        "no number is given twice: {error:?}"
    );
    let (unstored, _) = recorder.into_unstored();
    assert_eq!(unstored, [fs_feed::Unstored::Item(2)]);
}
