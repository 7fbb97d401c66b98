//! What several clones come to that settle the same forks. There is no code here.
//!
//! **Invariant**: what is said here is tested with random histories and partitions.
//!
//! # Convergence
//! Let nobody append any more, let the resolver be deterministic, and let a *round* be: every clone reconciles until
//! nothing is left that it can settle; then all exchange their files, so that each holds what any of them held. Then
//! **after two rounds all clones hold the same files, and no later round writes any**, however the files were spread
//! before.
//!
//! *Proof.* After the exchange of the first round, all clones hold the same set. Which forks are open, the order in
//! which they are taken, what a context shows and what a decision is written as are functions of the set, and the
//! answers are functions of the contexts. So in the second round every clone writes the same files, byte for byte,
//! and its exchange brings nothing new. What is open then is what the resolver declines. ∎
//!
//! In the first round, clones that hold different subsets see different forks, and write different merge transactions
//! even where they would agree: of three writers, one clone settles {A, B} and another {B, C}. Where these add events
//! to a stream of both, they conflict, and are a fork of resolutions in the second round, with every decision in it.
//! Where they add none, they do not conflict, and nothing is left to do.
//!
//! - *One call a round*: a clone that calls `reconcile` once in each round instead holds the same as all others after
//!   every exchange, too, and from the second round on writes the same; what a call leaves, later rounds settle.
//! - *A shared repository will do*: if clones take turns to pull all there is, reconcile until nothing is left, and
//!   push, then after two turns of each they hold the same. The last one's first turn leaves a set there in which nothing
//!   is left to settle and which contains what every other has, so the second turns write nothing.
//! - *Less will not do*: if each of three clones in a ring takes over what the next one has, all at once, then each
//!   meets a decision that it does not know, and answers it with one that the others do not know, in every round. Decisions
//!   without events do not conflict; with these, any exchange that reaches all comes to an end.
//!
//! # Reconciling comes to an end
//! The number of open forks never grows by settling: all new conflicts are those of the merge transaction M, so they
//! are one fork, in the place of the one that M settles. If outcomes add events to the fork's own streams only, the f open
//! forks of a history with s settling transactions are gone after at most f (1 + s) settlements, and mostly after f.
//!
//! *Proof.* Let M settle the fork F, and then conflict with k on the stream y of F; k is not below M, and nothing is
//! above M. Some member m of F writes y.
//! 1. *k does not write y.* It is not below m, which is below M; nor above m, for then it would be on top of F, and so
//!    below M. So k and m are concurrent. If both wrote y, this would be a conflict: were it open, k would be a member
//!    of F; were it settled, who settled it would be on top of F or a member. Either way, k would be below M.
//! 2. So M writes y, and k settles it.
//! 3. *k was there before the first settlement.* If it had been written since, then by 1. it had all writers of y below
//!    it, and settled all conflicts on y. None could be open on y after that: a new one takes a new writer or settler
//!    of y, and that comes of settling an open one on y only.
//! 4. Who settles the fork that M is in now is above k and M. So along the forks that follow from F, each settlement
//!    but the first has one more of the s transactions below it. ∎
//!
//! A resolver that adds events to other streams conflicts with whoever wrote these apart from the fork, visibly, and
//! must see for itself that it comes to an end.
