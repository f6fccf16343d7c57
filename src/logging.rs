//! Logs through ROS's own logging, which writes to the console, to the log file, and to `/rosout`.
//!
//! Nothing that describes a person is logged: no pictures, no answers, no labels of single faces.

use std::fmt::{self, Write};
use std::sync::OnceLock;

use r2r::LogSeverity;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::names;

/// Sends events to ROS under the node's logger name. `/rosout` is found by that name.
pub(crate) struct RosLogger {
    logger: OnceLock<String>,
}

static LOGGER: RosLogger = RosLogger { logger: OnceLock::new() };

/// From now on everything that is logged goes to ROS. Libraries are heard from warnings on.
pub(crate) fn start(level: Level) {
    let ours = ["face_attributes", "engine", "learning", "network", "vision"];
    let filter = Targets::new().with_default(level.min(Level::WARN)).with_targets(ours.map(|name| (name, level)));
    // Fails only when logging was started already, which is as good.
    let _ = tracing_subscriber::registry().with(Forward.with_filter(filter)).try_init();
}

/// Tells the logger's name, once there is a node.
pub(crate) fn name(logger: &str) {
    let _ = LOGGER.logger.set(logger.to_owned());
}

struct Forward;

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let severity = match *metadata.level() {
            Level::ERROR => LogSeverity::Error,
            Level::WARN => LogSeverity::Warn,
            Level::INFO => LogSeverity::Info,
            _ => LogSeverity::Debug,
        };
        let logger = LOGGER.logger.get().map_or(names::NODE, String::as_str);
        let file = metadata.file().unwrap_or_default();
        r2r::log(&line.finish(), logger, file, metadata.line().unwrap_or(0), severity);
    }
}

/// An event as one line: the message, then its fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn finish(self) -> String {
        // A NUL ends the program inside r2r.
        format!("{}{}", self.message, self.fields).replace('\0', "\u{fffd}")
    }

    fn add(&mut self, field: &Field, value: impl fmt::Display) {
        // Fields of the `log` crate's bridge repeat what is there.
        if field.name() == "message" {
            self.message = value.to_string();
        } else if !field.name().starts_with("log.") {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects lines instead of sending them.
    struct Collect(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Collect {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().unwrap().push(line.finish());
        }
    }

    #[test]
    fn an_event_becomes_one_line_without_nul() {
        let lines = Arc::new(Mutex::new(vec![]));
        let subscriber = tracing_subscriber::registry().with(Collect(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(task = "posture", samples = 3, "taught\0");
        });
        assert_eq!(*lines.lock().unwrap(), ["taught\u{fffd} task=posture samples=3"]);
    }
}
