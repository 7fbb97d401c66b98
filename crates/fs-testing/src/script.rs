//! Scripts: what happens to a number of replicas, step by step.
//!
//! **Invariant**: a script says everything. Played twice, it goes the same way twice, as far as the actions and the
//! resolver do.

use std::fmt;

/// What happens to replicas. They are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<A> {
    /// The application does something at a replica.
    Act {
        /// Where.
        replica: usize,
        /// What.
        action: A,
    },
    /// A replica takes over files of another; nothing, when they are on different sides of a partition.
    Pull {
        /// Whose files.
        from: usize,
        /// Who takes them over.
        to: usize,
        /// Which arrive.
        arriving: Arriving,
        /// What becomes of their line ends on the way.
        line_ends: LineEnds,
    },
    /// All replicas that reach each other take over each other's files.
    Exchange,
    /// From now on, only replicas of the same side reach each other. Replicas without a number are on side 0.
    Partition {
        /// The side of each replica.
        sides: Vec<usize>,
    },
    /// From now on, the clock of a replica is wrong.
    Skew {
        /// Whose clock.
        replica: usize,
        /// How many seconds it runs ahead; behind, if less than 0.
        seconds: i32,
    },
    /// The newest files of a replica vanish, as by `git reset --hard`; also forever, where nobody else has them.
    Reset {
        /// Where.
        replica: usize,
        /// How many.
        count: usize,
    },
    /// A replica switches to its other branch, and by the next such step back. The other branch begins with the files that
    /// are there the first time.
    Switch {
        /// Where.
        replica: usize,
    },
    /// A replica is replaced by a copy of another, local files and all: in memory as a machine is cloned, so that two go on
    /// under one identity; on disk as by `cp -r`, where the copy finds out that it is one.
    Copy {
        /// What is copied.
        from: usize,
        /// What is replaced.
        to: usize,
    },
    /// A replica reconciles until nothing is left that it can settle.
    Reconcile {
        /// Where.
        replica: usize,
    },
}

/// Which files arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arriving {
    /// All.
    All,
    /// A part: of those that the other does not have, in the order of their names, the i-th when bit i % 64 is set. Parents may be
    /// missing for a while.
    Part(u64),
}

/// What becomes of line ends on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// They stay as they are.
    Kept,
    /// They come out as CRLF, as of a checkout that converts them.
    Crlf,
}

/// How the replicas come together when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In rounds: each reconciles, then all exchange their files.
    Rounds,
    /// By turns, over one repository: each pulls all there is, reconciles and pushes.
    Turns,
}

/// What happens to a number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script<A> {
    /// How many there are.
    pub replicas: usize,
    /// What happens, in this order.
    pub steps: Vec<Step<A>>,
    /// How they come together afterwards.
    pub ending: Ending,
}

impl<A> Step<A> {
    /// Returns the step about other replicas; the sides of a partition stay as they are.
    pub(crate) fn renumbered(self, on: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Act { replica, action } => Self::Act {
                replica: on(replica),
                action,
            },
            Self::Pull {
                from,
                to,
                arriving,
                line_ends,
            } => Self::Pull {
                from: on(from),
                to: on(to),
                arriving,
                line_ends,
            },
            Self::Skew { replica, seconds } => Self::Skew {
                replica: on(replica),
                seconds,
            },
            Self::Reset { replica, count } => Self::Reset {
                replica: on(replica),
                count,
            },
            Self::Switch { replica } => Self::Switch {
                replica: on(replica),
            },
            Self::Copy { from, to } => Self::Copy {
                from: on(from),
                to: on(to),
            },
            Self::Reconcile { replica } => Self::Reconcile {
                replica: on(replica),
            },
            Self::Exchange | Self::Partition { .. } => self,
        }
    }
}

impl<A: fmt::Debug> fmt::Display for Step<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act { replica, action } => write!(f, "replica {replica} does {action:?}"),
            Self::Pull {
                from,
                to,
                arriving,
                line_ends,
            } => {
                let part = match arriving {
                    Arriving::All => "the files",
                    Arriving::Part(_) => "a part of the files",
                };
                let converted = match line_ends {
                    LineEnds::Kept => "",
                    LineEnds::Crlf => ", with CRLF",
                };
                write!(
                    f,
                    "replica {to} takes over {part} of replica {from}{converted}"
                )
            }
            Self::Exchange => f.write_str("all that reach each other exchange their files"),
            Self::Partition { sides } if sides.iter().all(|side| *side == 0) => {
                f.write_str("all replicas reach each other")
            }
            Self::Partition { sides } => {
                write!(
                    f,
                    "only replicas of one side reach each other; their sides are {sides:?}"
                )
            }
            Self::Skew { replica, seconds } if *seconds < 0 => {
                write!(
                    f,
                    "the clock of replica {replica} runs {} s behind",
                    seconds.unsigned_abs()
                )
            }
            Self::Skew { replica, seconds } => {
                write!(f, "the clock of replica {replica} runs {seconds} s ahead")
            }
            Self::Reset { replica, count } => {
                write!(
                    f,
                    "replica {replica} is reset by {count}: its newest files vanish"
                )
            }
            Self::Switch { replica } => write!(f, "replica {replica} switches to its other branch"),
            Self::Copy { from, to } => {
                write!(f, "replica {to} is replaced by a copy of replica {from}")
            }
            Self::Reconcile { replica } => write!(f, "replica {replica} reconciles"),
        }
    }
}
