//! What descends from everything is in no conflict: it can be told without the history.

use std::collections::BTreeSet;

use fs_format::{Header, TransactionId};

/// Returns whether a transaction descends from all of a history that has these heads and does not have the transaction.
///
/// Such a transaction is concurrent with nothing, so it is in no conflict: no fork comes into being and none grows but on
/// top. It settles the conflicts whose sides are both below what it lists.
///
/// Parents beyond the heads make no difference. The answer holds when no transaction of the history names this
/// one as a parent: such a one and all above it would be on a cycle, and be left out of the order. In format 3 there is
/// no cycle, because a parent is named with its hash.
pub fn descends_from_all(heads: &[TransactionId], header: &Header) -> bool {
    let parents: BTreeSet<_> = header.parents.iter().map(|it| it.transaction_id).collect();
    heads.iter().all(|head| parents.contains(head))
}
