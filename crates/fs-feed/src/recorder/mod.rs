//! Recording: what an application broadcasts to itself, kept in a stream.
//!
//! ```text
//!   senders --(bounded broadcast, numbers 1 2 3 ...)--> Recorder --(batches)--> stream --> Recording, LiveRecording
//!                         |                                                       ^
//!                         '-- drops the oldest when nobody is quick enough -------'-- one gap marker for what was dropped
//! ```
//!
//! Every item that is sent has a logical number, from 1; the receiver of a broadcast learns how many it has missed, so the number of each
//! item it gets is known. An item is stored as an event of its own type with the number in its metadata, a hole as an event of type
//! [`GAP_TYPE`]. Both are plain events: whoever reads the stream otherwise sees them too.
//!
//! **Invariant**: the numbers of the items and gaps that the recorders of one working copy have stored follow one another without a hole and
//! without a repetition, over restarts, failed appends and cancelled calls. What was dropped has a gap; what was not stored is still held
//! by the recorder, or the caller was given it.
//!
//! *Not done here*: slowing down the senders. A broadcast that must lose nothing needs the capacity for it.

mod attempt;
mod drain;
mod end;
mod error;
mod live;
mod mark;
mod pending;
mod recording;

pub use drain::{Drained, Recorder};
pub use error::{RecordError, RecorderError, RecordingError, Refusal};
pub use live::{LiveItem, LiveRecording, ReplayFrom};
pub use mark::{GAP_TYPE, Gap};
pub use pending::Unstored;
pub use recording::{Recorded, Recording};
