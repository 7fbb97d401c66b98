//! Writing the lines of format 3.
//!
//! **Invariant**: one header and one list of events have exactly one text: fields in a fixed order, maps in the byte
//! order of their keys, lists of ids ascending, no white space.

use std::ops::Range;

use crate::{ContentHash, Event, EventId, Header, ReplicaId, TransactionId};

/// The ids of a transaction, which merge transactions derive from their content.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) transaction_id: TransactionId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) replica_seq: u64,
}

/// Lines being written.
#[derive(Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    event_data: Vec<Range<usize>>,
}

impl Lines {
    /// Returns the lines, each ended by LF, and where the data of each event lie in them.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<Range<usize>>) {
        (self.bytes, self.event_data)
    }

    /// Returns the lines so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the header; its own ids give way to `identity`.
    pub(crate) fn header(&mut self, header: &Header, identity: Identity) {
        self.raw(r#"{"record":"header","format_version":3,"transaction_id":""#);
        self.shown(identity.transaction_id);
        self.raw(r#"","replica_id":""#);
        self.shown(identity.replica_id);
        self.raw(r#"","replica_seq":"#);
        self.shown(identity.replica_seq);
        self.raw(r#","created_at":""#);
        self.shown(header.created_at);
        self.raw("\"");
        if let Some(recorded_at) = header.recorded_at {
            self.raw(r#","recorded_at":""#);
            self.shown(recorded_at);
            self.raw("\"");
        }
        self.parents(header);
        self.stream_bases(header);
        if let Some(command_id) = &header.command_id {
            self.raw(r#","command_id":"#);
            self.string(command_id.as_str());
        }
        self.resolves(header);
        if !header.metadata.is_empty_object() {
            self.raw(r#","metadata":"#);
            self.raw(header.metadata.as_str());
        }
        self.raw("}\n");
    }

    fn parents(&mut self, header: &Header) {
        let mut parents: Vec<_> = header
            .parents
            .iter()
            .filter_map(|parent| Some((parent.transaction_id, parent.content_hash?)))
            .collect();
        parents.sort_unstable();
        self.raw(r#","parents":["#);
        for (at, (id, hash)) in parents.into_iter().enumerate() {
            self.raw(if at == 0 {
                r#"{"transaction_id":""#
            } else {
                r#",{"transaction_id":""#
            });
            self.shown(id);
            self.raw(r#"","sha256":""#);
            self.shown(hash);
            self.raw("\"}");
        }
        self.raw("]");
    }

    fn stream_bases(&mut self, header: &Header) {
        self.raw(r#","stream_bases":{"#);
        for (at, (stream_id, base)) in header.stream_bases.iter().enumerate() {
            self.raw(if at == 0 { "" } else { "," });
            self.string(stream_id.as_str());
            self.raw(r#":{"version":"#);
            self.shown(base.version);
            self.raw(r#","writes":"#);
            self.shown(base.writes);
            self.raw("}");
        }
        self.raw("}");
    }

    fn resolves(&mut self, header: &Header) {
        if header.resolves.is_empty() {
            return;
        }
        self.raw(r#","resolves":{"#);
        for (at, (stream_id, heads)) in header.resolves.iter().enumerate() {
            self.raw(if at == 0 { "" } else { "," });
            self.string(stream_id.as_str());
            self.raw(":[");
            let mut heads = heads.clone();
            heads.sort_unstable();
            heads.dedup();
            for (at, head) in heads.into_iter().enumerate() {
                self.raw(if at == 0 { "\"" } else { ",\"" });
                self.shown(head);
                self.raw("\"");
            }
            self.raw("]");
        }
        self.raw("}");
    }

    /// Writes an event; its own id gives way to `event_id`.
    pub(crate) fn event(&mut self, event: &Event<'_>, event_id: EventId) {
        self.raw(r#"{"record":"event","event_id":""#);
        self.shown(event_id);
        self.raw(r#"","stream_id":"#);
        self.string(event.stream_id.as_str());
        self.raw(r#","stream_version":"#);
        self.shown(event.stream_version);
        self.raw(r#","event_type":"#);
        self.string(&event.event_type);
        self.raw(r#","event_data":"#);
        let start = self.bytes.len();
        self.raw(event.event_data.as_str());
        self.event_data.push(start..self.bytes.len());
        if !event.metadata.is_empty_object() {
            self.raw(r#","metadata":"#);
            self.raw(event.metadata.as_str());
        }
        self.raw("}\n");
    }

    /// Writes the seal over the lines so far and returns their hash.
    pub(crate) fn seal(&mut self, events: usize) -> ContentHash {
        let hash = ContentHash::of_bytes(&self.bytes);
        self.raw(r#"{"record":"seal","events":"#);
        self.shown(events);
        self.raw(r#","sha256":""#);
        self.shown(hash);
        self.raw("\"}\n");
        hash
    }

    fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn shown(&mut self, value: impl std::fmt::Display) {
        use std::io::Write;
        write!(self.bytes, "{value}").expect("a vector takes every byte");
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.bytes, text)
            .expect("every text is a JSON string, and a vector takes every byte");
    }
}
