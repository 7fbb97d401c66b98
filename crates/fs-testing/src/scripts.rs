//! Random scripts.
//!
//! **Invariant**: every script is one that can be played. Half of the steps append or carry files; trouble is rarer, so that
//! there is something to be troubled.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::strategy::Union;
use std::ops::RangeInclusive;

use crate::action::Action;
use crate::script::{Arriving, Ending, LineEnds, Script, Step};

/// Returns a strategy for scripts of at most `steps` steps, over a number of replicas, with these actions.
///
/// They shrink to fewer steps and to fewer replicas, and each action as its own strategy says.
pub fn scripts<S>(
    replicas: RangeInclusive<usize>,
    steps: usize,
    actions: S,
) -> impl Strategy<Value = Script<S::Value>>
where
    S: Strategy + 'static,
    S::Value: Action,
{
    // Replicas are drawn as numbers of a circle, so that a script that shrinks to fewer is still one.
    let steps = vec(step(actions), 0..=steps);
    let ending = prop_oneof![Just(Ending::Rounds), Just(Ending::Turns)];
    (replicas, steps, ending).prop_map(|(replicas, steps, ending)| {
        let replicas = replicas.max(1);
        let steps = steps.into_iter().map(|step| within(step, replicas));
        Script {
            replicas,
            steps: steps.collect(),
            ending,
        }
    })
}

/// A multiple of every small number of replicas, so that all are equally likely.
const CIRCLE: usize = 2 * 2 * 2 * 3 * 3 * 5 * 7;

fn step<S>(actions: S) -> Union<proptest::strategy::BoxedStrategy<Step<S::Value>>>
where
    S: Strategy + 'static,
    S::Value: Action,
{
    let replica = || 0..CIRCLE;
    let arriving = prop_oneof![
        2 => Just(Arriving::All),
        1 => any::<u64>().prop_map(Arriving::Part),
    ];
    let line_ends = prop_oneof![5 => Just(LineEnds::Kept), 1 => Just(LineEnds::Crlf)];
    let act = (replica(), actions).prop_map(|(replica, action)| Step::Act { replica, action });
    let pull = (replica(), replica(), arriving, line_ends);
    let pull = pull.prop_map(|(from, to, arriving, line_ends)| Step::Pull {
        from,
        to,
        arriving,
        line_ends,
    });
    let sides = prop_oneof![1 => Just(Vec::new()), 3 => vec(0..2_usize, 5)];
    let skew = (replica(), -3600..3600_i32);
    Union::new_weighted(vec![
        (12, act.boxed()),
        (8, pull.boxed()),
        (2, Just(Step::Exchange).boxed()),
        (2, sides.prop_map(|sides| Step::Partition { sides }).boxed()),
        (
            1,
            skew.prop_map(|(replica, seconds)| Step::Skew { replica, seconds })
                .boxed(),
        ),
        (
            1,
            (replica(), 1..4_usize)
                .prop_map(|(replica, count)| Step::Reset { replica, count })
                .boxed(),
        ),
        (
            1,
            replica()
                .prop_map(|replica| Step::Switch { replica })
                .boxed(),
        ),
        (
            1,
            (replica(), replica())
                .prop_map(|(from, to)| Step::Copy { from, to })
                .boxed(),
        ),
        (
            4,
            replica()
                .prop_map(|replica| Step::Reconcile { replica })
                .boxed(),
        ),
    ])
}

/// Returns the step among this many replicas.
fn within<A>(step: Step<A>, replicas: usize) -> Step<A> {
    let mut step = step.renumbered(|replica| replica % replicas);
    if let Step::Partition { sides } = &mut step {
        sides.truncate(replicas);
    }
    step
}
