//! `trib fence`

use fs_format::FENCE_NAME;
use fs_store::FileEventStore;
use serde::Serialize;

use super::notes;
use crate::git::Written;
use crate::outcome::Ending;
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    path: String,
    new: bool,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let new = store.fence()?;
    if new {
        output.changed(
            "the fence was written; commit it, so that it keeps eventcore-fs out of every clone",
        );
    }
    notes::renewed(store, output);
    let path = format!("events/{FENCE_NAME}");
    let file = store.root().join("events").join(FENCE_NAME);
    let message = "Keep eventcore-fs out of the store".to_owned();
    let command = Written::new(store.root(), [file], message).command();
    let answer = Answer { path, new };
    output.answer(&answer, || {
        let how = if new {
            "is written"
        } else {
            "is there already"
        };
        let mut text = format!(
            "{} {how}: programs of eventcore-fs refuse to open this store",
            answer.path
        );
        if let Some(command) = command {
            text = format!("{text}\ncommit it, so that it does so in every clone: {command}");
        }
        text
    })?;
    Ok(Ending::Fine)
}
