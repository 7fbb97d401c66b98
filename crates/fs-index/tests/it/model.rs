//! What the history is to be, worked out from the files alone and in the plainest way.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{ContentHash, Header, TransactionId};

use crate::world::Facts;

/// The files below `events/`, by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

struct Whole {
    header: Header,
    content_hash: ContentHash,
    events: Vec<String>,
}

/// Returns what the files add up to.
pub(crate) fn facts(files: &Files) -> Facts {
    let all = whole(files);
    let claims: BTreeSet<_> = all
        .iter()
        .flat_map(|it| &it.header.parents)
        .filter_map(|parent| Some((parent.transaction_id, parent.content_hash?)))
        .collect();
    let mut whole: BTreeMap<TransactionId, Whole> = BTreeMap::new();
    // The sealed file of a transaction comes before the flat one.
    for it in all {
        let id = it.header.transaction_id;
        let is_confirmed = |it: &Whole| claims.contains(&(id, it.content_hash));
        let gives_way = |sealed: &Whole| is_confirmed(&it) && !is_confirmed(sealed);
        if whole.get(&id).is_none_or(gives_way) {
            whole.insert(id, it);
        }
    }
    whole.retain(|id, it| {
        let mut said = claims.iter().filter(|(parent, _)| parent == id).peekable();
        said.peek().is_none() || said.any(|(_, hash)| *hash == it.content_hash)
    });
    let mut canonical: Vec<TransactionId> = Vec::new();
    let mut placed = BTreeSet::new();
    loop {
        let ready = whole.values().filter(|it| {
            let mut parents = it.header.parents.iter().map(|parent| parent.transaction_id);
            !placed.contains(&it.header.transaction_id)
                && parents.all(|parent| placed.contains(&parent) || !whole.contains_key(&parent))
        });
        let key = |it: &&Whole| {
            (
                it.header.created_at,
                it.header.replica_id,
                it.header.transaction_id,
            )
        };
        let Some(next) = ready.min_by_key(key) else {
            break;
        };
        placed.insert(next.header.transaction_id);
        canonical.push(next.header.transaction_id);
    }
    let mut streams: BTreeMap<String, u64> = BTreeMap::new();
    for stream in canonical.iter().flat_map(|id| &whole[id].events) {
        *streams.entry(stream.clone()).or_default() += 1;
    }
    Facts {
        canonical: canonical
            .into_iter()
            .map(|id| (id, whole[&id].content_hash))
            .collect(),
        streams: streams.into_iter().collect(),
    }
}

/// Returns the whole files, by path.
fn whole(files: &Files) -> Vec<Whole> {
    let mut whole = Vec::new();
    // Paths in directories sort before the flat ones.
    for (path, bytes) in files {
        let Ok(location) = fs_format::check_name(path) else {
            continue;
        };
        let decoded = fs_format::decode(bytes);
        let Some(decoded) = decoded
            .ok()
            .filter(|it| it.check_location(location).is_ok())
        else {
            continue;
        };
        let events = decoded
            .events
            .iter()
            .map(|event| event.stream_id.as_str().to_owned());
        whole.push(Whole {
            events: events.collect(),
            content_hash: decoded.content_hash,
            header: decoded.header,
        });
    }
    whole
}
