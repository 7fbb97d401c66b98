//! Old events are read as those of today.

use std::error::Error;

use eventcore::{Event, StreamId};
use eventcore_types::{BatchSize, EventFilter, EventPage, EventReader, EventStore, collect_events};
use fs_store::{
    Append, EventDecodeError, FileEventStore, ReadError, Schema, StoreOptions, UpcastError,
    Upcasted,
};
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

use crate::support::{account, count, new_store, stream};

/// What an account is told today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Paid {
    account: StreamId,
    cents: u64,
    currency: String,
}

impl Event for Paid {
    fn stream_id(&self) -> &StreamId {
        &self.account
    }

    fn event_type_name() -> &'static str {
        "Paid"
    }
}

fn paid(cents: u64, currency: &str) -> Paid {
    Paid {
        account: account("alice"),
        cents,
        currency: currency.to_owned(),
    }
}

/// `Payment {units}` became `PaidV2 {cents}`, which became `Paid`, which has a currency now.
fn schema() -> Schema {
    Schema::new()
        .upcast("Payment", |data| {
            let mut payment: serde_json::Value = serde_json::from_str(data)?;
            let units = payment["units"].as_u64().ok_or("a payment without units")?;
            payment["cents"] = (units * 100).into();
            Ok(Upcasted::to("PaidV2", &payment)?)
        })
        .upcast("PaidV2", |_| Ok(Upcasted::renamed("Paid")))
        .upcast("Paid", |data| {
            let mut paid: serde_json::Value = serde_json::from_str(data)?;
            if paid.get("currency").is_some() {
                return Ok(Upcasted::current());
            }
            paid["currency"] = "EUR".into();
            Ok(Upcasted::to("Paid", &paid)?)
        })
}

/// Returns the store of `options` with an event of each age, one of another type in between.
fn aged(schema: Schema) -> FileEventStore {
    let root = new_store().root().to_owned();
    let store = StoreOptions::default().schema(schema).create(root).unwrap();
    append(&store, "Payment", r#"{"account": "alice", "units": 1}"#);
    append(&store, "PaidV2", r#"{"account": "alice", "cents": 200}"#);
    count(&store, "counter", 7);
    append(&store, "Paid", r#"{"account": "alice", "cents": 300}"#);
    let today = serde_json::to_string(&paid(400, "SEK")).unwrap();
    append(&store, "Paid", &today);
    store
}

fn append(store: &FileEventStore, event_type: &str, data: &str) {
    let append = Append::new().event(stream("alice"), event_type, data);
    store.append(append.unwrap()).unwrap();
}

fn read_all(store: &FileEventStore, filter: EventFilter, page: usize) -> Vec<Paid> {
    let mut page = EventPage::first(BatchSize::new(page));
    let mut found = Vec::new();
    loop {
        let read = block_on(store.read_events::<Paid>(filter.clone(), page)).unwrap();
        let Some((_, last)) = read.last() else {
            return found;
        };
        page = page.next(*last);
        found.extend(read.into_iter().map(|(event, _)| event));
    }
}

#[test]
fn every_way_of_reading_gives_the_types_of_today() {
    let store = aged(schema());
    let today = [
        paid(100, "EUR"),
        paid(200, "EUR"),
        paid(300, "EUR"),
        paid(400, "SEK"),
    ];
    let of_stream = block_on(store.read_stream::<Paid>(account("alice"))).unwrap();
    let of_stream = block_on(collect_events(of_stream)).unwrap();
    assert_eq!(of_stream, today, "a stream, as `execute` reads it");
    for page in [1, 2, 100] {
        assert_eq!(
            read_all(&store, EventFilter::all(), page),
            today,
            "pages of {page}, as projections read them"
        );
    }
    let stored = store.stream_events(&stream("alice")).unwrap();
    let decoded: Vec<_> = stored
        .iter()
        .map(|event| store.decode::<Paid>(event).unwrap().unwrap())
        .collect();
    assert_eq!(decoded, today, "and one by one");
    assert_eq!(
        (stored[0].event_type.as_str(), stored[0].event_data.as_str()),
        ("Payment", r#"{"account":"alice","units":1}"#),
        "what is stored stays as it was written"
    );
    let raw = aged(Schema::new());
    let refused = block_on(raw.read_stream::<Paid>(account("alice"))).unwrap();
    assert!(
        block_on(collect_events(refused)).is_err(),
        "without upcasters the old ones do not decode"
    );
}

#[test]
fn a_filter_goes_by_the_types_of_today() {
    let store = aged(schema());
    let of_type = |name: &str| EventFilter::all().with_event_type(name.to_owned());
    for page in [1, 2, 100] {
        assert_eq!(
            read_all(&store, of_type("Paid"), page).len(),
            4,
            "what was recorded otherwise is found, in pages of {page}"
        );
    }
    assert_eq!(
        read_all(&store, of_type("PaidV2"), 10),
        [],
        "nothing is of this type any more"
    );
    let plain = aged(Schema::new());
    let page = EventPage::first(BatchSize::new(10));
    let read = block_on(plain.read_events::<Paid>(of_type("PaidV2"), page));
    assert!(
        matches!(read, Err(ReadError::Undecodable { .. })),
        "without upcasters it names recorded types: {read:?}"
    );
}

#[test]
fn unknown_is_no_error_and_undecodable_is_named() {
    let store = aged(schema());
    append(&store, "Paid", r#"{"currency": "EUR"}"#);
    append(&store, "Payment", r#"{"account": "alice"}"#);
    let counted = &store.stream_events(&stream("counter")).unwrap()[0];
    assert_eq!(
        store.decode::<Paid>(counted).unwrap(),
        None,
        "somebody else's event"
    );
    let renamed = serde_json::to_string(&paid(5, "SEK")).unwrap();
    append(&store, "Refunded", &renamed);
    let events = store.stream_events(&stream("alice")).unwrap();
    assert_eq!(
        store.decode::<Paid>(&events[6]).unwrap(),
        None,
        "it only looks like one"
    );
    let data = store.decode::<Paid>(&events[4]).unwrap_err();
    let ReadError::Undecodable {
        event_id, source, ..
    } = &data
    else {
        panic!("it is of the type, and not decoded: {data:?}");
    };
    assert_eq!(*event_id, events[4].event_id, "the event is named");
    assert!(
        matches!(&**source, EventDecodeError::Data { chain, .. } if chain.is_empty()),
        "its upcaster had nothing to do: {source:?}"
    );
    let failed = store.decode::<Paid>(&events[5]).unwrap_err();
    let message = told(&failed);
    assert!(
        message.contains("the upcaster of Payment failed: a payment without units"),
        "what the closure said is kept: {message}"
    );
    let page = EventPage::first(BatchSize::new(10));
    let read = block_on(store.read_events::<Paid>(EventFilter::all(), page));
    assert!(
        matches!(read, Err(ReadError::Undecodable { .. })),
        "nothing is skipped"
    );
}

#[test]
fn upcasters_that_go_in_a_circle_are_an_error() {
    let to = |name: &'static str| move |_: &str| Ok(Upcasted::renamed(name));
    let circle = Schema::new()
        .upcast("Payment", to("PaidV2"))
        .upcast("PaidV2", to("Paid"))
        .upcast("Paid", to("Payment"));
    let store = aged(circle);
    let event = &store.stream_events(&stream("alice")).unwrap()[1];
    let error = store.decode::<Paid>(event).unwrap_err();
    let ReadError::Undecodable { source, .. } = error else {
        panic!("it does not run for ever: {error:?}");
    };
    let EventDecodeError::Upcast(UpcastError::Cycle { chain }) = *source else {
        panic!("and not as another error: {source:?}");
    };
    assert_eq!(
        chain.to_string(),
        "PaidV2 -> Paid -> Payment -> PaidV2",
        "the way is told"
    );
}

#[test]
fn a_check_counts_every_event_and_names_those_that_do_not_decode() {
    let store = aged(schema());
    let fine = store.check_schema::<Paid>().unwrap();
    assert!(fine.is_clean() && fine.failures.is_empty(), "{fine}");
    assert_eq!((fine.events(), fine.unknown()), (5, 1));
    let payment = &fine.types["Payment"];
    assert_eq!((payment.events, payment.decoded), (1, 1));
    let ways: Vec<_> = payment.upcast.keys().collect();
    assert_eq!(ways, ["Payment -> PaidV2 -> Paid -> Paid"]);
    assert_eq!(
        fine.types["Paid"].upcast.values().sum::<u64>(),
        1,
        "the other was current"
    );

    for _ in 0..150 {
        append(
            &store,
            "Paid",
            r#"{"cents": "many", "currency": "\u001b[2J"}"#,
        );
    }
    append(&store, "Payment", "{}");
    let mut told = Vec::new();
    let report = store.check_schema_with::<Paid>(|failure| told.push(failure.clone()));
    let report = report.unwrap();
    assert_eq!((report.failed, told.len()), (151, 151), "all are told");
    assert_eq!(report.failures, told[..100], "the first are named");
    assert_eq!(report.events(), 156);
    for (event_type, of_type) in &report.types {
        assert_eq!(
            of_type.decoded + of_type.unknown + of_type.failed,
            of_type.events,
            "{event_type}: each event is counted once"
        );
    }
    let last = told.last().unwrap();
    let events = store.stream_events(&stream("alice")).unwrap();
    assert_eq!(last.event_id, events[154].event_id);
    assert_eq!(last.version, 155);
    assert!(last.error.contains("a payment without units"), "{last:?}");
    let text = report.to_string();
    assert!(
        text.contains("and 51 more") && text.contains("156 events checked: 151 do not decode"),
        "nothing is left out in silence: {text}"
    );
    assert!(!text.contains('\u{1b}'), "and nothing reaches a terminal");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["types"]["Paid"]["failed"], 150);
}

#[test]
fn a_check_goes_through_every_page() {
    let store = aged(schema());
    let paid = r#"{"account": "alice"}"#;
    let many = (0..1100).fold(Append::new(), |append, _| {
        append.event(stream("alice"), "Paid", paid).unwrap()
    });
    store.append(many).unwrap();
    let report = store.check_schema::<Paid>().unwrap();
    assert_eq!((report.events(), report.failed), (1105, 1100));
}

fn told(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", told(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
