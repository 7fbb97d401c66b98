//! Making a failing script shorter, after proptest has done its part.
//!
//! **Invariant**: the script that comes out fails, and unless the resolver is moody, none of its steps can be left out; nor two
//! of them, where it is short.

use crate::script::{Ending, Script, Step};

/// Up to how many steps two at once are tried.
const SHORT: usize = 16;

/// Leaves out what a failing script does not need; `fails` plays one and returns how it fails, if it does.
///
/// # Complexity
/// O(n²) plays for n steps.
pub(crate) fn shortened<A: Clone, F>(
    script: &Script<A>,
    mut fails: impl FnMut(Script<A>) -> Option<F>,
) -> Option<F> {
    let mut script = script.clone();
    let mut shortest = None;
    loop {
        let found = without_one(&script)
            .chain(without_two(&script))
            .find_map(|shorter| Some((fails(shorter.clone())?, shorter)));
        let Some((failure, shorter)) = found else {
            return shortest;
        };
        (script, shortest) = (shorter, Some(failure));
    }
}

/// Returns the scripts that have one thing less.
fn without_one<A: Clone>(script: &Script<A>) -> impl Iterator<Item = Script<A>> {
    let idle = (0..script.replicas).filter(|replica| !acts(script, *replica));
    let fewer = idle.map(|replica| without_replica(script, replica));
    let fewer = fewer.filter(|script| script.replicas > 0);
    let simpler = (script.ending == Ending::Turns).then(|| Script {
        ending: Ending::Rounds,
        ..script.clone()
    });
    let steps = (0..script.steps.len()).rev();
    let without = steps.map(|at| without(script, &[at]));
    fewer.chain(simpler).chain(without)
}

/// Returns the scripts that lack two steps, where there are few.
fn without_two<A: Clone>(script: &Script<A>) -> impl Iterator<Item = Script<A>> {
    let count = match script.steps.len() {
        count if count <= SHORT => count,
        _ => 0,
    };
    let pairs = (0..count).flat_map(|second| (0..second).map(move |first| [first, second]));
    pairs.map(|pair| without(script, &pair))
}

fn without<A: Clone>(script: &Script<A>, left_out: &[usize]) -> Script<A> {
    let steps = script.steps.iter().enumerate();
    let steps = steps.filter(|(at, _)| !left_out.contains(at));
    Script {
        replicas: script.replicas,
        steps: steps.map(|(_, step)| step.clone()).collect(),
        ending: script.ending,
    }
}

/// Returns whether a step is about a replica, partitions apart.
fn acts<A>(script: &Script<A>, wanted: usize) -> bool {
    script.steps.iter().any(|step| match step {
        Step::Act { replica, .. }
        | Step::Skew { replica, .. }
        | Step::Reset { replica, .. }
        | Step::Switch { replica }
        | Step::Reconcile { replica } => *replica == wanted,
        Step::Pull { from, to, .. } | Step::Copy { from, to } => [*from, *to].contains(&wanted),
        Step::Partition { .. } | Step::Exchange => false,
    })
}

fn without_replica<A: Clone>(script: &Script<A>, gone: usize) -> Script<A> {
    let steps = script.steps.iter().cloned().map(|step| match step {
        Step::Partition { mut sides } => {
            if gone < sides.len() {
                sides.remove(gone);
            }
            Step::Partition { sides }
        }
        step => step.renumbered(|replica| replica - usize::from(replica > gone)),
    });
    Script {
        replicas: script.replicas - 1,
        steps: steps.collect(),
        ending: script.ending,
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
                act(2, 2),
                act(1, 1),
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

    #[test]
    fn two_steps_that_need_each_other_are_left_out_together() {
        let copy = |from, to| Step::<()>::Copy { from, to };
        let script = Script {
            replicas: 2,
            steps: vec![copy(0, 1), Step::Exchange, copy(1, 0)],
            ending: Ending::Rounds,
        };
        let is_odd = |script: Script<()>| (script.steps.len() % 2 == 1).then_some(script);
        let shortest = shortened(&script, is_odd).unwrap();
        assert_eq!(shortest.steps.len(), 1, "one alone cannot be left out");
    }
}
