//! Logs through ROS's own logging, to console and log file, and on `/rosout`, which r2r's nodes lack.
//!
//! Nothing that describes a person is logged: no pictures, no answers, no labels of single faces.

use std::ffi::CStr;
use std::fmt::{self, Write};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use engine::lock;
use r2r::rcl_interfaces::msg::Log;
use r2r::{LogSeverity, Node, Publisher, QosProfile};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::NodeClock;
use crate::names;

/// The node's own name for its log, and its way to `/rosout`.
struct Rosout {
    logger: String,
    clock: NodeClock,
    // A publisher may be moved, but not shared, between threads.
    publisher: Mutex<Publisher<Log>>,
}

/// Set once there is a node; until then the console has it all.
static ROSOUT: OnceLock<Rosout> = OnceLock::new();

/// What is heard at this level: of libraries, from warnings on.
fn heard(level: Level) -> Targets {
    let ours = ["face_attributes", "engine", "learning", "network", "vision"];
    Targets::new().with_default(level.min(Level::WARN)).with_targets(ours.map(|name| (name, level)))
}

/// From now on everything that is logged goes to ROS; gives the means to change the level.
pub(crate) fn start(level: Level) -> LogLevel {
    let (filter, handle) = reload::Layer::new(heard(level));
    // Fails only when logging was started already, which is as good.
    let _ = tracing_subscriber::registry().with(Forward.with_filter(filter)).try_init();
    LogLevel { now: Mutex::new(level), change: Box::new(move |level| handle.reload(heard(level)).is_ok()) }
}

/// The level's number in `rcl_interfaces/msg/Log` and `LoggerLevel`.
pub(crate) fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// From which level on something is logged.
pub(crate) struct LogLevel {
    now: Mutex<Level>,
    change: Box<dyn Fn(Level) -> bool + Send + Sync>,
}

impl LogLevel {
    pub(crate) fn now(&self) -> Level {
        *lock(&self.now)
    }

    /// Takes a level over; false where logging was not started by [`start`].
    pub(crate) fn set(&self, level: Level, logger: &CStr) -> bool {
        let mut now = lock(&self.now);
        // ROS's own filter, which --log-level has set, stands behind ours.
        // SAFETY: the name ends with NUL and is read during the call alone.
        let taken = unsafe { r2r_rcl::rcutils_logging_set_logger_level(logger.as_ptr(), number(level).into()) } == 0;
        let changed = taken && (self.change)(level);
        if changed {
            *now = level;
        }
        changed
    }
}

/// From now on the log is on `/rosout` too.
///
/// # Errors
/// When ROS refuses the topic.
pub(crate) fn publish(node: &mut Node) -> r2r::Result<()> {
    // As ROS's own nodes have it: whoever comes late hears what was said in the last ten seconds.
    let kept = QosProfile::default().keep_last(1000).transient_local().lifespan(Duration::from_secs(10));
    let publisher = Mutex::new(node.create_publisher(names::ROSOUT, kept)?);
    // There is one node a process.
    let _ = ROSOUT.set(Rosout { logger: node.logger().to_owned(), clock: NodeClock::of(node), publisher });
    Ok(())
}

impl Rosout {
    fn send(&self, level: u8, msg: String, file: &str, line: u32) {
        let (name, stamp) = (self.logger.clone(), self.clock.now());
        let log = Log { stamp, level, name, msg, file: file.to_owned(), function: String::new(), line };
        // There is no place left to complain to.
        let _ = lock(&self.publisher).publish(&log);
    }
}

struct Forward;

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let level = number(*metadata.level());
        let severity = match *metadata.level() {
            Level::ERROR => LogSeverity::Error,
            Level::WARN => LogSeverity::Warn,
            Level::INFO => LogSeverity::Info,
            _ => LogSeverity::Debug,
        };
        let rosout = ROSOUT.get();
        let logger = rosout.map_or(names::NODE, |rosout| rosout.logger.as_str());
        let (file, number) = (metadata.file().unwrap_or_default(), metadata.line().unwrap_or(0));
        // What r2r says may be about publishing itself: on the console only.
        let from_r2r = line.bridged;
        let text = line.finish();
        r2r::log(&text, logger, file, number, severity);
        if let Some(rosout) = rosout.filter(|_| !from_r2r) {
            rosout.send(level, text, file, number);
        }
    }
}

/// An event as one line: the message, then its fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    /// From the `log` crate, which r2r uses.
    bridged: bool,
}

impl Line {
    fn finish(self) -> String {
        // A NUL ends the program inside r2r.
        format!("{}{}", self.message, self.fields).replace('\0', "\u{fffd}")
    }

    fn add(&mut self, field: &Field, value: impl fmt::Display) {
        if field.name() == "message" {
            self.message = value.to_string();
        } else if field.name().starts_with("log.") {
            // The bridge's own fields repeat what is there.
            self.bridged = true;
        } else {
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
