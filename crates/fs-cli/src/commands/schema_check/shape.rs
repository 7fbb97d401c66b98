//! What the data of one event type look like.
//!
//! Data are told by their fields, down to the third object, and by the JSON types of these. So a field that was renamed shows as two, one
//! of which ends where the other begins.
//!
//! **Invariant**: bounded by the number of fields, not of events; what is left out for that is said.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fs_format::Timestamp;
use fs_store::StoredEvent;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::plain;

/// How many objects deep fields are told.
const DEPTH: usize = 3;

/// How many fields are told of one event type; where keys are data, there is no end of them.
const MOST_FIELDS: usize = 256;

/// How often something was met, and when.
#[derive(Clone, Copy, Debug, Serialize)]
struct Met {
    events: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Met {
    fn new(at: Timestamp) -> Self {
        Self {
            events: 1,
            first: at,
            last: at,
        }
    }

    fn add(&mut self, at: Timestamp) {
        self.events += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

/// The data of an event type.
#[derive(Debug)]
pub(crate) struct Shape {
    met: Met,
    /// By path, `""` being the data themselves: the JSON types.
    fields: BTreeMap<String, BTreeMap<&'static str, Met>>,
    leaves_out: bool,
}

/// A field as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct FieldOut {
    path: String,
    types: BTreeMap<&'static str, Met>,
    /// In how many events it is not, of those that have the object around it.
    missing: u64,
}

impl Shape {
    pub(crate) fn new(event: &StoredEvent) -> Self {
        let mut shape = Self {
            met: Met::new(event.created_at),
            fields: BTreeMap::new(),
            leaves_out: false,
        };
        shape.look(event);
        shape
    }

    pub(crate) fn add(&mut self, event: &StoredEvent) {
        self.met.add(event.created_at);
        self.look(event);
    }

    pub(crate) fn events(&self) -> u64 {
        self.met.events
    }

    pub(crate) fn first(&self) -> Timestamp {
        self.met.first
    }

    pub(crate) fn last(&self) -> Timestamp {
        self.met.last
    }

    /// Returns whether there were more fields than are told.
    pub(crate) fn leaves_out(&self) -> bool {
        self.leaves_out
    }

    /// Returns whether not all events have the same fields of the same types.
    pub(crate) fn differs(&self) -> bool {
        let fields = self.fields();
        let mut fields = fields.iter();
        self.leaves_out || fields.any(|field| field.missing > 0 || field.types.len() > 1)
    }

    /// Returns the fields by path.
    pub(crate) fn fields(&self) -> Vec<FieldOut> {
        let fields = self.fields.iter();
        let fields = fields.map(|(path, types)| {
            let there: u64 = types.values().map(|met| met.events).sum();
            FieldOut {
                path: path.clone(),
                types: types.clone(),
                missing: self.around(path).saturating_sub(there),
            }
        });
        fields.collect()
    }

    /// Returns how many events have the object that a field is in.
    fn around(&self, path: &str) -> u64 {
        let Some((above, _)) = path.rsplit_once('/') else {
            return self.met.events;
        };
        let above = self.fields.get(above);
        let object = above.and_then(|types| types.get("object"));
        object.map_or(0, |met| met.events)
    }

    fn look(&mut self, event: &StoredEvent) {
        if let Ok(data) = serde_json::from_str(event.event_data.as_str()) {
            self.look_at("", data, DEPTH, event.created_at);
        }
    }

    fn count(&mut self, path: &str, of_type: &'static str, at: Timestamp) {
        let is_full = self.fields.len() >= MOST_FIELDS;
        let types = match self.fields.get_mut(path) {
            Some(types) => types,
            None if is_full => {
                self.leaves_out = true;
                return;
            }
            None => self.fields.entry(path.to_owned()).or_default(),
        };
        let met = types.entry(of_type);
        met.and_modify(|met| met.add(at)).or_insert(Met::new(at));
    }

    /// Adds a value and what is in it; goes no deeper than `depth`.
    fn look_at(&mut self, path: &str, value: &RawValue, depth: usize, at: Timestamp) {
        let of_type = type_of(value.get());
        self.count(path, of_type, at);
        if of_type != "object" || depth == 0 {
            return;
        }
        // Of a key that stands there twice, the last counts.
        type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
        let Ok(members) = serde_json::from_str::<Members<'_>>(value.get()) else {
            return;
        };
        for (key, value) in members {
            let key = key.replace('~', "~0").replace('/', "~1");
            self.look_at(&format!("{path}/{key}"), value, depth - 1, at);
        }
    }
}

impl FieldOut {
    /// Returns it as lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.path.is_empty() && self.types.len() == 1 && self.types.contains_key("object") {
            return Vec::new();
        }
        let path = if self.path.is_empty() {
            "the data"
        } else {
            &self.path
        };
        let is_one = self.types.len() == 1 && self.missing == 0;
        let mut lines = Vec::new();
        for (of_type, met) in &self.types {
            lines.push(if is_one {
                format!("  {}  {of_type}", plain(path))
            } else {
                format!(
                    "  {}  {of_type} in {}, {} to {}",
                    plain(path),
                    met.events,
                    met.first,
                    met.last
                )
            });
        }
        if self.missing > 0 {
            lines.push(format!("  {}  missing in {}", plain(path), self.missing));
        }
        lines
    }
}

fn type_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}
