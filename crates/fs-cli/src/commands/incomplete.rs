//! What an answer is known to lack, told on standard error beside it.

use fs_store::{Completeness, FileEventStore, Tally};
use serde::Serialize;

use crate::output::{Output, plain, to_stderr};

#[derive(Serialize)]
struct Line {
    incomplete: CompletenessOut,
}

/// What is missing, with paths in the store's directory.
#[derive(Serialize)]
struct CompletenessOut {
    missing: TallyOut,
    damaged: TallyOut,
    newer: TallyOut,
    git_at_work: TallyOut,
}

#[derive(Serialize)]
struct TallyOut {
    count: u64,
    paths: Vec<String>,
}

/// What becomes of an answer that goes on, when something goes missing meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenIncomplete {
    GoOn,
    End,
}

/// What to type next, where the command itself does not say what mends it.
pub(crate) const HINT: &str = "; `trib status` says what to do";

/// What to do where version control has the files, of which the status knows no more.
const AT_WORK: &str = "; ask again when it is done, and delete its lock if none runs";

/// Says what is known to be missing, and nothing where nothing is; returns whether the store is complete.
pub(crate) fn tell(store: &FileEventStore, hint: &str, output: &Output) -> anyhow::Result<bool> {
    let found = store.completeness_of_answers()?;
    say(&found, hint, output)?;
    Ok(found.is_complete())
}

/// Says what is known to be missing from an answer that goes on, where that is not what was said before; returns whether nothing
/// is missing but what version control is about to write.
pub(crate) fn tell_anew(
    store: &FileEventStore,
    said: &mut Completeness,
    output: &Output,
) -> anyhow::Result<bool> {
    let found = store.completeness_of_answers()?;
    if found != *said {
        say(&found, HINT, output)?;
        *said = found;
    }
    Ok(gone(said).all(|tally| tally.count == 0))
}

/// What is missing, and not only for a moment.
fn gone(found: &Completeness) -> impl Iterator<Item = &Tally> {
    [&found.missing, &found.damaged, &found.newer].into_iter()
}

fn say(found: &Completeness, hint: &str, output: &Output) -> anyhow::Result<()> {
    if found.is_complete() {
        return Ok(());
    }
    if output.is_json() {
        let line = Line {
            incomplete: CompletenessOut::from(found),
        };
        to_stderr(&serde_json::to_string(&line)?);
        return Ok(());
    }
    let hint = match gone(found).all(|tally| tally.count == 0) {
        true => AT_WORK,
        false => hint,
    };
    let found = plain(&found.to_string());
    to_stderr(&format!("incomplete: {found}{hint}"));
    Ok(())
}

impl From<&Completeness> for CompletenessOut {
    fn from(found: &Completeness) -> Self {
        Self {
            missing: TallyOut::from(&found.missing),
            damaged: TallyOut::from(&found.damaged),
            newer: TallyOut::from(&found.newer),
            git_at_work: TallyOut::from(&found.git_at_work),
        }
    }
}

impl From<&Tally> for TallyOut {
    fn from(tally: &Tally) -> Self {
        let paths = tally.paths.iter().map(|path| format!("events/{path}"));
        Self {
            count: tally.count,
            paths: paths.collect(),
        }
    }
}
