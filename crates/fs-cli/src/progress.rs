//! A bar that shows how far the reading of many files has come, when that takes a while.

use std::sync::Mutex;

use fs_store::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner is not worth a bar.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// Returns a bar on standard error, where that is a terminal; nothing is shown in the first second.
pub(crate) fn bar() -> Progress {
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Progress::new(move |done, total| {
        let Ok(mut shown) = shown.lock() else { return };
        let bar = shown.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("reading transactions {bar:30} {pos}/{len}");
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        if bar.is_hidden() && bar.elapsed() > PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_length(total);
        bar.set_position(done);
        if done == total {
            bar.finish_and_clear();
            *shown = None;
        }
    })
}
