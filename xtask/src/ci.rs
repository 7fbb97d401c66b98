//! Everything CI does, in one run.
//!
//! A step that fails does not keep the others from running: one run tells everything that is wrong.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::run::{cargo, run as run_command};
use crate::workspace::Workspace;
use crate::{bench, demo, deny, fence, layers, lint, targets, test};

struct Step {
    name: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// Cheap steps first, so that a person who watches sees the simple mistakes early.
const STEPS: [Step; 11] = [
    Step {
        name: "lock file",
        run: lock_file,
    },
    Step {
        name: "format",
        run: lint::format,
    },
    Step {
        name: "layers",
        run: layers::run,
    },
    Step {
        name: "deny",
        run: deny::run,
    },
    Step {
        name: "clippy",
        run: lint::clippy,
    },
    Step {
        name: "docs",
        run: lint::docs,
    },
    Step {
        name: "test",
        run: test::run,
    },
    Step {
        name: "fence",
        run: fence::run,
    },
    Step {
        name: "targets",
        run: targets::run,
    },
    Step {
        name: "demo",
        run: demo::run,
    },
    Step {
        name: "bench builds",
        run: bench::compile,
    },
];

struct Outcome {
    name: &'static str,
    passed: bool,
    took: Duration,
}

/// Runs every step, prints how long each took, and fails with the names of those that failed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    run_steps(workspace, &STEPS)
}

fn run_steps(workspace: &Workspace, steps: &[Step]) -> Result<()> {
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps {
        eprintln!("\n== {} ==", step.name);
        let start = Instant::now();
        let result = (step.run)(workspace);
        if let Err(error) = &result {
            eprintln!("step `{}` failed: {error:#}", step.name);
        }
        outcomes.push(Outcome {
            name: step.name,
            passed: result.is_ok(),
            took: start.elapsed(),
        });
    }
    eprint!("\n{}", summary(&outcomes));
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| outcome.name)
        .collect();
    if !failed.is_empty() {
        bail!("failed steps: {}", failed.join(", "));
    }
    Ok(())
}

/// Returns one line a step and one for the sum, times in seconds.
fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let verdict = if outcome.passed { "passed" } else { "FAILED" };
        let seconds = outcome.took.as_secs_f64();
        text.push_str(&format!("{:<14}{verdict}{seconds:>9.1} s\n", outcome.name));
    }
    let sum: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    text.push_str(&format!("{:<20}{:>9.1} s\n", "sum", sum.as_secs_f64()));
    text
}

/// Checks that the lock file fits the manifests, and fetches what it names.
fn lock_file(workspace: &Workspace) -> Result<()> {
    run_command(&mut cargo(workspace.root(), ["fetch", "--locked"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failed_step_is_named_and_none_is_skipped() {
        let steps = [
            Step {
                name: "first",
                run: |_| bail!("broken"),
            },
            Step {
                name: "second",
                run: |_| Ok(()),
            },
            Step {
                name: "third",
                run: |_| bail!("broken too"),
            },
        ];
        let workspace = Workspace::locate().unwrap();
        let error = run_steps(&workspace, &steps).unwrap_err();
        assert_eq!(error.to_string(), "failed steps: first, third");
        assert!(run_steps(&workspace, &steps[1..2]).is_ok());
    }

    #[test]
    fn the_summary_times_every_step() {
        let outcomes = [
            Outcome {
                name: "format",
                passed: true,
                took: Duration::from_millis(1500),
            },
            Outcome {
                name: "test",
                passed: false,
                took: Duration::from_millis(61_000),
            },
        ];
        assert_eq!(
            summary(&outcomes),
            "format        passed      1.5 s\n\
             test          FAILED     61.0 s\n\
             sum                      62.5 s\n"
        );
    }
}
