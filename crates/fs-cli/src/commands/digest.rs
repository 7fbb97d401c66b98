//! `trib digest`

use fs_format::{ContentHash, TransactionId};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::listing::{MAX_ITEMS, joined};
use crate::outcome::Ending;
use crate::output::Output;

/// Whether the files were compared with what was read of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Files {
    #[serde(rename = "compared")]
    Compared,
    #[serde(rename = "not compared")]
    NotCompared,
}

#[derive(Serialize)]
struct Answer {
    transactions: u64,
    set_sha256: ContentHash,
    order_sha256: ContentHash,
    heads: Vec<TransactionId>,
    files: Files,
}

pub(crate) fn run(
    store: &FileEventStore,
    files: Files,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let digest = match files {
        Files::Compared => store.digest_of_files()?,
        Files::NotCompared => store.digest()?,
    }
    .into_inner();
    let answer = Answer {
        transactions: digest.transactions,
        set_sha256: digest.set_sha256,
        order_sha256: digest.order_sha256,
        heads: digest.heads,
        files,
    };
    output.answer(&answer, || {
        format!(
            "{} transactions\nset    {}\norder  {}\nheads  {}\nfiles  {}",
            answer.transactions,
            answer.set_sha256,
            answer.order_sha256,
            heads(&answer.heads),
            match files {
                Files::Compared => "compared",
                Files::NotCompared => "not compared; `trib digest --files` compares them",
            }
        )
    })?;
    Ok(Ending::Fine)
}

fn heads(heads: &[TransactionId]) -> String {
    joined(heads.iter().map(ToString::to_string), MAX_ITEMS)
}
