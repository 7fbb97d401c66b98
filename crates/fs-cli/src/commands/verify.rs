//! `trib verify`

use fs_store::FileEventStore;
use serde::Serialize;

use crate::advice::Adviser;
use crate::commands::vanished::AcceptedOut;
use crate::listing::Listing;
use crate::outcome::Ending;
use crate::output::{Output, plain};
use crate::repeated::RepeatedOut;
use crate::rewritten::RewrittenOut;
use crate::view::Extent;

#[derive(Serialize)]
struct Answer {
    ok: bool,
    checked: u64,
    problems: Vec<ProblemOut>,
    altered_in_transit: Vec<String>,
    rewritten: Vec<RewrittenOut>,
    repeated_commands: Vec<RepeatedOut>,
    accepted: Vec<AcceptedOut>,
}

#[derive(Serialize)]
struct ProblemOut {
    path: String,
    reason: String,
}

pub(crate) fn run(
    store: &FileEventStore,
    extent: Extent,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let found = store.verify()?;
    let ok = found.is_ok();
    let adviser = Adviser::new(store);
    let mut problems = Vec::with_capacity(found.problems.len());
    for problem in found.problems {
        let advice = adviser.advise(&problem.remedy)?;
        problems.push(ProblemOut {
            path: format!("events/{}", problem.path),
            reason: format!("{}; {advice}", problem.reason),
        });
    }
    let answer = Answer {
        ok,
        checked: found.checked,
        problems,
        altered_in_transit: found
            .altered_in_transit
            .iter()
            .map(|path| format!("events/{path}"))
            .collect(),
        rewritten: found
            .rewritten
            .into_iter()
            .map(RewrittenOut::from)
            .collect(),
        repeated_commands: found
            .repeated_commands
            .into_iter()
            .map(RepeatedOut::from)
            .collect(),
        accepted: found.accepted.into_iter().map(AcceptedOut::from).collect(),
    };
    let mut unconverted = Vec::new();
    if !output.is_json() {
        for path in &found.altered_in_transit {
            unconverted.push(adviser.unconvert(path)?);
        }
    }
    let ending = if ok { Ending::Fine } else { Ending::Damaged };
    let printed = output.answer(&answer, || text(&answer, &unconverted, extent));
    ending.once_printed(printed, output)
}

/// `unconverted` says for each file that was altered in transit how it gets its own bytes back, where that is known.
fn text(answer: &Answer, unconverted: &[Option<String>], extent: Extent) -> String {
    let mut listing = Listing::new(extent, "trib verify --all");
    listing.list(
        "problem",
        answer
            .problems
            .iter()
            .map(|problem| format!("{}: {}", plain(&problem.path), plain(&problem.reason))),
    );
    let altered = answer.altered_in_transit.iter().zip(unconverted);
    listing.list(
        "file altered in transit",
        altered.map(|(path, steps)| {
            let line = format!(
                "{}: altered in transit (line ends or byte order mark); its content is whole",
                plain(path)
            );
            match steps {
                Some(steps) => format!(
                    "{line}. To have its own bytes, see that events/.gitattributes says `* -text`, {}",
                    plain(steps)
                ),
                None => line,
            }
        }),
    );
    listing.list(
        "rewritten transaction",
        answer.rewritten.iter().map(RewrittenOut::text),
    );
    listing.list(
        "repeated command",
        answer.repeated_commands.iter().map(RepeatedOut::text),
    );
    listing.list("file", answer.accepted.iter().map(AcceptedOut::text));
    let verdict = if answer.ok {
        "everything verifies"
    } else if !answer.problems.is_empty() {
        "damaged"
    } else if !answer.rewritten.is_empty() {
        "rewritten"
    } else {
        "whole, and a command was carried out again"
    };
    listing.line(format!("{} files checked: {verdict}", answer.checked));
    listing.into_text()
}
