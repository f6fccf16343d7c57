//! Progress bars: shown on a terminal only, and never with `--quiet`.

use crate::cli::Common;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `length` steps with the time left, hidden by `--quiet` or when standard error is no terminal.
pub fn bar(common: &Common, name: &str, length: u64) -> ProgressBar {
    let target = if common.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(length), target).with_prefix(name.to_owned());
    // The default bar serves should the template not parse.
    match ProgressStyle::with_template("{prefix} {bar:32} {pos}/{len}  {msg}  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
