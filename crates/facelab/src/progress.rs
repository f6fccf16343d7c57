//! Progress bars: shown on a terminal only, and never with `--quiet`.

use crate::common::Common;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use learning::Progress;
use std::ops::ControlFlow;

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

/// Shows a column's training on a bar: steps of all epochs, loss, and the accuracy on the faces held back.
pub fn shown_on(bar: &ProgressBar) -> impl FnMut(&Progress) -> ControlFlow<()> {
    let bar = bar.clone();
    move |at| {
        bar.set_length(u64::from(at.epochs * at.steps));
        bar.set_position(u64::from(at.epoch * at.steps + at.step));
        let accuracy = at.validation_accuracy.map_or_else(String::new, |a| format!("  validation {:.1}%", a * 100.0));
        bar.set_message(format!("epoch {}  loss {:.4}{accuracy}", at.epoch + 1, at.loss));
        ControlFlow::Continue(())
    }
}
