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
//! *A shared repository will do*: if clones take turns to pull all there is, reconcile until nothing is left, and push, then
//! after two turns of each they hold the same. The last one's first turn leaves a set there in which nothing is left to
//! settle and which contains what every other has, so the second turns write nothing. *Less will not do*: if each of
//! three clones in a ring takes over what the next one has, all at once, then each meets a decision that it
//! does not know, and answers it with one that the others do not know, in every round. (Decisions without events do
//! not conflict; with these, any exchange that reaches all ends.)
//!
//! # Reconciling comes to an end
//! The number of open forks never grows by settling: all new conflicts are those of the merge transaction M, so they are
//! one fork, in the place of the one that M settles. If outcomes add events to the fork's own streams only, f forks in a
//! history with s settling transactions are gone after at most f (1 + s) settlements, and nearly always after f.
//!
//! *Proof.* Let M settle the fork F, and conflict with k on the stream y of F; k is not below M, which is the newest.
//! Some member m of F writes y. 1. *k does not write y.* It is not above m, else it would be on top of F and below M,
//! nor below m. So k and m are concurrent, and if both wrote y this would be a conflict: an open one makes k a member
//! of F; a settled one has its settler, and so k, on top of F. Either way, k would be below M. 2. So k settles y and M
//! writes it. 3. *k was there before.* If k were a merge transaction of this process, then by 1. all writers of y were
//! below it when it was written, and all conflicts on y were settled by it, so none could be open on y later: a new one
//! takes a new writer or settler of y, which only the settlement of an open one on y brings. 4. The fork that M is in
//! now is settled by a transaction above k. So along the forks that follow from F, each settlement but the first has a
//! settling transaction below it that was there before and was not below the last one. ∎
//!
//! A resolver that adds events to other streams conflicts with whoever wrote these apart from the fork, visibly, and must see
//! for itself that it comes to an end.
