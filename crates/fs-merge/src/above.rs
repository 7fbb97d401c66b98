//! What an arrival that descends from everything does to the open forks: it can be told without the history.

use fs_format::{Header, StreamId, TransactionId};

use crate::participants::parts;

/// What an arrival that descends from everything does to one open fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The fork is as it was.
    None,
    /// The fork is as it was, with the arrival as the last of what lies on top.
    OnTop,
    /// The fork is settled.
    Settled,
    /// Some of its streams are settled, and what is left must be looked at anew: it may be several forks.
    SettledInPart,
}

/// Returns whether a transaction descends from all of a history that has these heads and does not have the transaction.
///
/// Parents beyond the heads make no difference. The answer holds when no transaction of the history names this
/// one as a parent: such a one and all above it would be on a cycle, and be left out of the order. In format 3 there is
/// no cycle, because a parent is named with its hash.
pub fn descends_from_all(heads: &[TransactionId], header: &Header) -> bool {
    let is_parent = |head: &TransactionId| {
        let mut parents = header.parents.iter();
        parents.any(|parent| parent.transaction_id == *head)
    };
    heads.iter().all(is_parent)
}

/// Returns what an arrival that descends from everything ([`descends_from_all`]) does to an open fork of these streams.
///
/// It is concurrent with nothing, so it is in no conflict, neither on these streams nor on others: no fork comes into being
/// and none grows but on top. It settles every conflict of the streams that it settles, which are those named in its
/// `resolves`, or in formats 1 and 2, if it has several parents, those that it writes. Else it lies on top of each fork
/// of which it writes a stream.
pub fn effect<'a>(header: &Header, streams: impl IntoIterator<Item = &'a StreamId>) -> Effect {
    let (mut any_settled, mut any_left, mut any_written) = (false, false, false);
    for stream_id in streams {
        let part = parts(header).find(|(other, _)| *other == stream_id);
        let settles = part.is_some_and(|(_, part)| part.settles());
        any_settled |= settles;
        any_left |= !settles;
        any_written |= part.is_some_and(|(_, part)| part.writes());
    }
    match (any_settled, any_left, any_written) {
        (true, true, _) => Effect::SettledInPart,
        (true, false, _) => Effect::Settled,
        (false, _, true) => Effect::OnTop,
        (false, _, false) => Effect::None,
    }
}
