//! Making a failing script shorter, after proptest has done its part.
//!
//! **Invariant**: the script that comes out fails, and unless the resolver is moody, none of its steps can be left out.

use super::script::{Ending, Script, Step};

/// Leaves out what a failing script does not need; `fails` plays one and returns how it fails, if it does.
///
/// # Complexity
/// At most one play for each pair of steps.
pub(crate) fn shortened<A: Clone, F>(
    script: &Script<A>,
    mut fails: impl FnMut(Script<A>) -> Option<F>,
) -> Option<F> {
    let mut script = script.clone();
    let mut shortest = None;
    loop {
        let mut is_shorter = false;
        for shorter in without_one(&script) {
            if let Some(failure) = fails(shorter.clone()) {
                (script, shortest, is_shorter) = (shorter, Some(failure), true);
                break;
            }
        }
        if !is_shorter {
            return shortest;
        }
    }
}

/// Returns the scripts that have one thing less.
fn without_one<A: Clone>(script: &Script<A>) -> Vec<Script<A>> {
    let mut shorter = Vec::new();
    let last = script.replicas.saturating_sub(1);
    if last > 0 && !script.steps.iter().any(|step| mentions(step, last)) {
        shorter.push(Script {
            replicas: last,
            ..script.clone()
        });
    }
    if script.ending == Ending::Turns {
        shorter.push(Script {
            ending: Ending::Rounds,
            ..script.clone()
        });
    }
    for at in (0..script.steps.len()).rev() {
        let mut without = script.clone();
        without.steps.remove(at);
        shorter.push(without);
    }
    shorter
}

fn mentions<A>(step: &Step<A>, wanted: usize) -> bool {
    match step {
        Step::Act { replica, .. }
        | Step::Skew { replica, .. }
        | Step::Reset { replica, .. }
        | Step::Switch { replica }
        | Step::Reconcile { replica } => *replica == wanted,
        Step::Pull { from, to, .. } | Step::Copy { from, to } => [*from, *to].contains(&wanted),
        Step::Partition { sides } => sides.len() > wanted,
        Step::Exchange => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_is_not_needed() {
        let act = |replica, action| Step::Act { replica, action };
        let script = Script {
            replicas: 4,
            steps: vec![
                act(0, 1),
                Step::Exchange,
                act(1, 2),
                act(2, 1),
                Step::Exchange,
                act(3, 3),
                Step::Partition {
                    sides: vec![0, 0, 1, 1],
                },
            ],
            ending: Ending::Turns,
        };
        let needed = |script: Script<i32>| {
            let sum: i32 = script
                .steps
                .iter()
                .map(|step| match step {
                    Step::Act { action, .. } => *action,
                    _ => 0,
                })
                .sum();
            (sum >= 3 && script.steps.contains(&Step::Exchange)).then_some(script)
        };
        let shortest = shortened(&script, needed).unwrap();
        assert_eq!(
            shortest,
            Script {
                replicas: 2,
                steps: vec![act(0, 1), Step::Exchange, act(1, 2)],
                ending: Ending::Rounds,
            },
            "what is said last is left out first"
        );
    }
}
