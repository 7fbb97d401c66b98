//! `trib verify`

use fs_store::FileEventStore;
use serde::Serialize;

use crate::outcome::Ending;
use crate::output::{Output, plain};

#[derive(Serialize)]
struct Answer {
    ok: bool,
    checked: u64,
    problems: Vec<ProblemOut>,
    altered_in_transit: Vec<String>,
}

#[derive(Serialize)]
struct ProblemOut {
    path: String,
    reason: String,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let found = store.verify()?;
    let ok = found.is_ok();
    let answer = Answer {
        ok,
        checked: found.checked,
        problems: found
            .problems
            .into_iter()
            .map(|problem| ProblemOut {
                path: format!("events/{}", problem.path),
                reason: format!("{}; {}", problem.reason, problem.advice),
            })
            .collect(),
        altered_in_transit: found
            .altered_in_transit
            .into_iter()
            .map(|path| format!("events/{path}"))
            .collect(),
    };
    output.answer(&answer, || text(&answer))?;
    Ok(if ok { Ending::Fine } else { Ending::Damaged })
}

fn text(answer: &Answer) -> String {
    let mut lines: Vec<_> = answer
        .problems
        .iter()
        .map(|problem| format!("{}: {}", plain(&problem.path), plain(&problem.reason)))
        .collect();
    lines.extend(answer.altered_in_transit.iter().map(|path| {
        format!(
            "{0}: altered in transit (line ends or byte order mark); its content is whole. To have its own bytes, see that \
             events/.gitattributes says `* -text`, delete the file, and run `git checkout -- {0}` in the store's directory",
            plain(path)
        )
    }));
    let verdict = if answer.ok {
        "everything verifies"
    } else {
        "damaged"
    };
    lines.push(format!("{} files checked: {verdict}", answer.checked));
    lines.join("\n")
}
