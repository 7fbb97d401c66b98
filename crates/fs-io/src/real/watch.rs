//! Watching directories through the operating system.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::watch::{Changed, Watch};

/// How long the end of a watch is waited for. It takes microseconds unless the machine is stuck.
const END: Duration = Duration::from_millis(200);

struct RealWatch {
    watcher: Option<RecommendedWatcher>,
    /// Disconnected once the watcher's thread has dropped its handler.
    ended: Receiver<()>,
}

pub(super) fn start(changed: Changed) -> io::Result<Box<dyn Watch>> {
    let (alive, ended) = channel();
    let handler = handler(changed, alive);
    let watcher = RecommendedWatcher::new(handler, Config::default()).map_err(into_io)?;
    Ok(Box::new(RealWatch {
        watcher: Some(watcher),
        ended,
    }))
}

/// Calls `changed` for what changes a directory; `alive` goes with the handler.
fn handler(changed: Changed, alive: Sender<()>) -> impl FnMut(notify::Result<Event>) {
    move |event| {
        let _ = &alive;
        // An error may stand for events that were lost.
        if event.is_ok_and(|event| !is_change(&event)) {
            return;
        }
        changed();
    }
}

/// Returns whether an event tells of more than reading; reading by the one who is woken would wake it again for ever.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => event.need_rescan(),
        _ => true,
    }
}

impl Watch for RealWatch {
    fn add(&mut self, dir: &Path) -> io::Result<()> {
        let watcher = self.watcher.as_mut().expect("only dropping takes it");
        watcher
            .watch(dir, RecursiveMode::NonRecursive)
            .map_err(into_io)
    }

    fn remove(&mut self, dir: &Path) {
        let watcher = self.watcher.as_mut().expect("only dropping takes it");
        // A directory that is gone is not watched any more.
        let _ = watcher.unwatch(dir);
    }
}

impl Drop for RealWatch {
    fn drop(&mut self) {
        let watcher = self.watcher.take();
        // The library panics when its thread has died before; then there is nothing left to end.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
        let _ = self.ended.recv_timeout(END);
    }
}

impl fmt::Debug for RealWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealWatch").finish_non_exhaustive()
    }
}

fn into_io(error: notify::Error) -> io::Error {
    match error.kind {
        ErrorKind::Io(source) => source,
        ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag, MetadataKind, RemoveKind, RenameMode};

    #[test]
    fn reading_is_no_change() {
        let is_change = |kind| is_change(&Event::new(kind));
        for kind in [
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            EventKind::Access(AccessKind::Read),
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)),
        ] {
            assert!(!is_change(kind), "{kind:?} would wake the reader again");
        }
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Other,
        ] {
            assert!(is_change(kind), "{kind:?} is worth a look");
        }
    }

    #[test]
    fn lost_events_are_a_change() {
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(is_change(&lost), "what was lost may have been anything");
    }
}
