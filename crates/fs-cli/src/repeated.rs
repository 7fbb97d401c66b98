//! Commands that were carried out again, as `status` and `verify` tell of them.

use fs_format::{CommandId, TransactionId};
use fs_store::RepeatedCommand;
use serde::Serialize;

use crate::output::plain;

#[derive(Serialize)]
pub(crate) struct RepeatedOut {
    command_id: CommandId,
    transactions: [TransactionId; 2],
    paths: [String; 2],
}

impl From<RepeatedCommand> for RepeatedOut {
    fn from(repeated: RepeatedCommand) -> Self {
        Self {
            command_id: repeated.command_id,
            transactions: repeated.transactions,
            paths: repeated.paths.map(|path| format!("events/{path}")),
        }
    }
}

impl RepeatedOut {
    pub(crate) fn text(&self) -> String {
        let Self {
            command_id,
            transactions: [first, again],
            paths: [first_path, again_path],
        } = self;
        format!(
            "repeated: {again} ({again_path}) carried out command {}, which {first} ({first_path}) below it had carried out; \
             find who wrote it with `git log -- {again_path}` in the store's directory, and append what makes up for it if need be",
            plain(command_id.as_str())
        )
    }
}
