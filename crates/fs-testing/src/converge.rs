//! Does a resolver bring all replicas together? Random scripts look for one in which it does not.
//!
//! **Invariant**: the same seed tries the same scripts. What is asserted at the end is what [`reconcile`](fs_merge::reconcile)
//! proves of deterministic resolvers, so a counter-example is a fault of the resolver, or of this product.

use std::cell::RefCell;
use std::env::{var, var_os};
use std::fmt;
use std::ops::RangeInclusive;

use fs_merge::{ForkContext, ReadAs, Resolution, Resolver};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::action::Action;
use crate::fault::Fault;
use crate::place::Medium;
use crate::rest::come_to_rest;
use crate::script::{Script, Step};
use crate::scripts::scripts;
use crate::shorten::shortened;
use crate::world::World;

/// How many scripts proptest may try in search of a shorter one that fails.
const SHRINKING: u32 = 256;

/// Asserts that clones that settle by this resolver come together, whatever happens to them before.
///
/// `actions` gives what an application does at a replica: [`Append`](fs_store::Append)s, or commands of its own. This
/// is [`Convergence`] with its defaults.
///
/// # Panics
/// When there is a script after which they do not, with the shortest that was found, told step by step.
#[track_caller]
pub fn assert_converges<E: ReadAs>(
    resolver: impl Resolver<E>,
    actions: impl Strategy<Value: Action> + Clone + 'static,
) {
    if let Err(found) =
        Convergence::of(actions).check(&|fork: &ForkContext<E>| resolver.resolve(fork))
    {
        panic!("{found}");
    }
}

/// A search for a script after which clones do not come together.
#[derive(Clone, Debug)]
#[must_use = "nothing is tried before a resolver is checked"]
pub struct Convergence<S> {
    actions: S,
    replicas: RangeInclusive<usize>,
    steps: usize,
    cases: u32,
    seed: u64,
    medium: Medium,
}

impl<S: Strategy<Value: Action> + Clone + 'static> Convergence<S> {
    /// Looks at 64 scripts of at most 24 steps, over two to five replicas in memory, which do these actions.
    pub fn of(actions: S) -> Self {
        Self {
            actions,
            replicas: 2..=5,
            steps: 24,
            cases: 64,
            seed: 0,
            medium: Medium::Memory,
        }
    }

    /// Sets how many replicas there are.
    pub fn replicas(mut self, replicas: RangeInclusive<usize>) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets how many steps there are at most before the replicas come together.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets how many scripts are tried where neither `TRIBUTARY_CASES` nor `PROPTEST_CASES` says so.
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Sets where the random scripts begin, where `PROPTEST_RNG_SEED` does not say so.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Puts the replicas into temporary directories of the real disk.
    pub fn on_disk(mut self) -> Self {
        self.medium = Medium::Disk;
        self
    }

    /// Looks for a script after which replicas that settle by this resolver do not come together.
    ///
    /// # Errors
    /// The shortest that was found.
    ///
    /// # Panics
    /// When the strategy gives no actions.
    pub fn check<E: ReadAs>(
        &self,
        resolver: &impl Resolver<E>,
    ) -> Result<(), Box<CounterExample<S::Value>>> {
        self.check_each(|_| |fork: &ForkContext<E>| resolver.resolve(fork))
    }

    /// As [`Convergence::check`], with a resolver for each replica, made anew for each script.
    ///
    /// For resolvers that are not the same everywhere: that know who they are, say, or keep something in memory.
    ///
    /// # Errors
    /// The shortest that was found.
    ///
    /// # Panics
    /// When the strategy gives no actions.
    pub fn check_each<E: ReadAs, R: Resolver<E>>(
        &self,
        resolver_of: impl Fn(usize) -> R,
    ) -> Result<(), Box<CounterExample<S::Value>>> {
        let attempt = |script: Script<S::Value>| {
            let resolvers: Vec<_> = (0..script.replicas).map(&resolver_of).collect();
            let ask = |replica: usize, fork: &ForkContext<E>| match resolvers.get(replica) {
                Some(resolver) => resolver.resolve(fork),
                None => Resolution::unresolvable("there is no such replica"),
            };
            let played = play(self.medium, &script, &ask);
            played.map_err(|(fault, story)| {
                Box::new(CounterExample {
                    script,
                    fault,
                    story,
                })
            })
        };
        let found = RefCell::new(None);
        let scripts = scripts(self.replicas.clone(), self.steps, self.actions.clone());
        let played = TestRunner::new(self.config()).run(&scripts, |script| {
            attempt(script).map_err(|example| {
                let reason = example.fault.to_string();
                *found.borrow_mut() = Some(example);
                TestCaseError::fail(reason)
            })
        });
        let Some(found) = found.into_inner() else {
            // Not a case was played that could have failed: the actions were rejected too often, say.
            return match played {
                Ok(()) => Ok(()),
                Err(error) => panic!("the actions give no script to play: {error}"),
            };
        };
        let shorter = shortened(&found.script, |script| attempt(script).err());
        Err(shorter.unwrap_or(found))
    }

    fn config(&self) -> Config {
        let mut config = Config {
            failure_persistence: None,
            max_shrink_iters: SHRINKING,
            ..Config::default()
        };
        if var_os("PROPTEST_CASES").is_none() {
            config.cases = self.cases;
        }
        if let Some(cases) = var("TRIBUTARY_CASES")
            .ok()
            .and_then(|cases| cases.parse().ok())
        {
            config.cases = cases;
        }
        if var_os("PROPTEST_RNG_SEED").is_none() {
            config.rng_seed = RngSeed::Fixed(self.seed);
        }
        config
    }
}

/// A script after which replicas do not come together.
///
/// It displays as what is wrong and the story of the script, for `unwrap` too.
#[non_exhaustive]
pub struct CounterExample<A> {
    /// The script.
    pub script: Script<A>,
    /// What is wrong.
    pub fault: Fault,
    /// What happened, a sentence a step.
    pub story: Vec<String>,
}

impl<A> fmt::Display for CounterExample<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.fault)?;
        let mut source = std::error::Error::source(&self.fault);
        while let Some(error) = source {
            writeln!(f, "  {error}")?;
            source = error.source();
        }
        writeln!(
            f,
            "\nthis is how it came about, with {} replicas:",
            self.script.replicas
        )?;
        for (index, line) in self.story.iter().enumerate() {
            writeln!(f, "{:4}. {line}", index + 1)?;
        }
        Ok(())
    }
}

impl<A> fmt::Debug for CounterExample<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{self}")
    }
}

impl<A> std::error::Error for CounterExample<A> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// Plays a script to its end; fails with what is wrong and the story up to there.
fn play<E: ReadAs, A: Action>(
    medium: Medium,
    script: &Script<A>,
    ask: &impl Fn(usize, &ForkContext<E>) -> Resolution,
) -> Result<(), (Fault, Vec<String>)> {
    let mut world = World::on(medium, script.replicas).map_err(|fault| (fault, Vec::new()))?;
    let mut play = || {
        for step in &script.steps {
            let replica = match step {
                Step::Reconcile { replica } => *replica,
                _ => 0,
            };
            world.play(step, &|fork: &ForkContext<E>| ask(replica, fork))?;
        }
        come_to_rest(&mut world, script.ending, ask)
    };
    let played = play();
    played.map_err(|fault| (fault, world.story))
}
