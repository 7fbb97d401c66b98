//! `trib adopt`

use fs_format::ReplicaId;
use fs_store::FileEventStore;
use serde::Serialize;

use super::notes;
use crate::outcome::Ending;
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    replica_id: ReplicaId,
    retired: Vec<ReplicaId>,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let adopted = store.adopt()?;
    output.changed("this working copy appends under a fresh identity from now on");
    let answer = Answer {
        replica_id: adopted.replica_id,
        retired: adopted.retired,
    };
    output.answer(&answer, || {
        format!(
            "this working copy appends as replica {} from now on",
            answer.replica_id
        )
    })?;
    notes::renewed(store, output);
    Ok(Ending::Fine)
}
