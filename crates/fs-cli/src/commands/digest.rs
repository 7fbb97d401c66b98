//! `trib digest`

use fs_format::{ContentHash, TransactionId};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::outcome::Ending;
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    transactions: u64,
    set_sha256: ContentHash,
    order_sha256: ContentHash,
    heads: Vec<TransactionId>,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let digest = store.digest()?;
    let answer = Answer {
        transactions: digest.transactions,
        set_sha256: digest.set_sha256,
        order_sha256: digest.order_sha256,
        heads: digest.heads,
    };
    output.answer(&answer, || {
        format!(
            "{} transactions\nset    {}\norder  {}\nheads  {}",
            answer.transactions,
            answer.set_sha256,
            answer.order_sha256,
            heads(&answer.heads)
        )
    })?;
    Ok(Ending::Fine)
}

fn heads(heads: &[TransactionId]) -> String {
    heads
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
