//! Locks of the operating system on a file.
//!
//! **Invariant:** who holds the guard holds the lock on the file that the path names; a file that was deleted while one waited for it is
//! left for the new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fs4::{FileExt, TryLockError};

use super::{RealDisk, file, open_writable, platform};
use crate::disk::{Disk, FileKind};
use crate::lock::{Held, LockError, LockGuard, Wait};

/// The pauses between two tries, doubled each time up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Ends the lock before the handle is closed: Windows would end it some time later.
#[derive(Debug)]
struct Locked {
    file: fs::File,
    path: PathBuf,
}

impl Held for Locked {
    fn is_named(&self) -> bool {
        names(&self.path, &self.file).unwrap_or(false)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = FileExt::unlock(&self.file);
    }
}

pub(super) fn take(path: &Path, wait: Wait) -> Result<LockGuard, LockError> {
    let io = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    let patience = match wait {
        Wait::Never => Duration::ZERO,
        Wait::UpTo(patience) => patience,
    };
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    let mut file = open_writable(path).map_err(io)?;
    loop {
        match FileExt::try_lock(&file) {
            Ok(()) => {
                let locked = Locked {
                    file,
                    path: path.to_owned(),
                };
                if names(path, &locked.file).map_err(io)? {
                    sign(&locked.file);
                    return Ok(LockGuard::new(locked));
                }
                file = open_writable(path).map_err(io)?;
                continue;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(LockError::Busy {
                path: path.to_owned(),
                holder: holder(&file),
            });
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
        // The holder may have deleted the file, and another taken the new one.
        if !names(path, &file).map_err(io)? {
            file = open_writable(path).map_err(io)?;
        }
    }
}

/// Returns whether the path still names this very file.
fn names(path: &Path, file: &fs::File) -> io::Result<bool> {
    let Some(named) = RealDisk.stat(path)? else {
        return Ok(false);
    };
    Ok(named.kind == FileKind::File && named.file_id == platform::stat_of(file)?.file_id)
}

/// Writes into the lock file who holds it. A courtesy for messages: the lock does not depend on it, so its failure is none.
fn sign(file: &fs::File) {
    let text = format!(
        "pid {} since {}\n",
        std::process::id(),
        utc(SystemTime::now())
    );
    // Who takes the lock again within a second has signed already.
    let signed = file::read_range(file, 0, text.len() + 1);
    let signed = signed.unwrap_or_default();
    if signed == text.as_bytes() {
        return;
    }
    if platform::write_at(file, 0, text.as_bytes()).is_ok() && signed.len() > text.len() {
        let _ = file.set_len(text.len() as u64);
    }
}

/// Reads who holds the lock; Windows does not let others read a locked file.
fn holder(file: &fs::File) -> Option<String> {
    let text = String::from_utf8(file::read_range(file, 0, 200).ok()?).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty() && !line.contains(char::is_control)).then(|| line.to_owned())
}

/// Returns a time as `2026-11-20T20:31:00Z`, by Hinnant's `civil_from_days` for days since 1970.
fn utc(time: SystemTime) -> String {
    let seconds = crate::system::nanos_since_1970(time).max(0) / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years from March on, in eras of 400: the day that a leap year adds is then the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_a_date() {
        let at = |seconds| utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z", "the first second");
        assert_eq!(
            at(951_782_399),
            "2000-02-28T23:59:59Z",
            "the last second before a leap day"
        );
        assert_eq!(
            at(951_782_400),
            "2000-02-29T00:00:00Z",
            "a leap day of a century"
        );
        assert_eq!(
            at(1_795_206_660),
            "2026-11-20T20:31:00Z",
            "a day of the autumn"
        );
    }
}
