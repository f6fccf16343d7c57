//! The parts of the node as they are reported.

use std::time::Duration;

use engine::{CannotTeach, EngineThread, Memory, Stats, TaskState, TaskStatus};
use r2r::diagnostic_msgs::msg::{DiagnosticStatus, KeyValue};
use vision::DetectorKind;

use crate::camera::InputCounts;
use crate::convert::text;
use crate::lifecycle::State;
use crate::names;

/// A refused picture is a warning for so long.
const RECENT: Duration = Duration::from_secs(5);

fn part_status(
    node_name: &str,
    part: &str,
    (level, message): (Level, String),
    values: &[(&str, String)],
) -> DiagnosticStatus {
    let value = |(key, value): &(&str, String)| KeyValue { key: (*key).to_owned(), value: text(value.as_str()) };
    DiagnosticStatus {
        level,
        name: text(format!("{node_name}: {part}")),
        message: text(message),
        hardware_id: String::new(),
        values: values.iter().map(value).collect(),
    }
}

/// What is reported while no model is in memory.
pub(super) fn without_an_engine(node_name: &str, cameras: &[&str], state: State) -> Vec<DiagnosticStatus> {
    let resting = |part: &str| part_status(node_name, part, (OK, state.label().to_owned()), &[]);
    let of_cameras = cameras.iter().flat_map(|camera| [part_of("frames", camera), part_of("detector", camera)]);
    let mut statuses: Vec<DiagnosticStatus> = of_cameras.map(|part| resting(&part)).collect();
    statuses.extend(["network", "tasks"].map(resting));
    statuses.push(process(node_name, state, &Memory::now()));
    statuses
}

/// A part of one camera, with the camera's name where it has one.
fn part_of(part: &str, camera: &str) -> String {
    if camera.is_empty() { part.to_owned() } else { format!("{part} {camera}") }
}

fn process(node_name: &str, state: State, memory: &Memory) -> DiagnosticStatus {
    part_status(
        node_name,
        "process",
        (OK, format!("{:.0} MB", memory.rss_mb)),
        &[
            ("rss_mb", format!("{:.0}", memory.rss_mb)),
            ("peak_rss_mb", format!("{:.0}", memory.peak_rss_mb)),
            ("state", state.label().to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ],
    )
}

/// The state of the node at one moment.
pub(super) struct View<'a> {
    pub(super) node_name: &'a str,
    pub(super) state: State,
    /// At least one.
    pub(super) cameras: Vec<CameraView<'a>>,
    pub(super) detector: DetectorKind,
    pub(super) stale_s: f32,
    pub(super) tasks: &'a [TaskStatus],
    /// Why nothing can be taught.
    pub(super) cannot_teach: Option<&'a CannotTeach>,
}

/// One of the cameras.
pub(super) struct CameraView<'a> {
    /// Empty: the only one.
    pub(super) name: &'a str,
    pub(super) stats: &'a Stats,
    pub(super) input: &'a InputCounts,
    /// Frames that the detector refused since the last report.
    pub(super) failed_lately: u64,
}

type Level = u8;
const OK: Level = 0;
const WARN: Level = 1;
const ERROR: Level = 2;

impl View<'_> {
    pub(super) fn statuses(&self) -> Vec<DiagnosticStatus> {
        let of_cameras = self.cameras.iter().flat_map(|camera| [self.frames(camera), self.detector(camera)]);
        // What is the engine's is the same in the statistics of each camera.
        let stats = self.cameras[0].stats;
        let of_engine = [self.network(stats), self.tasks(), process(self.node_name, self.state, &stats.memory)];
        of_cameras.chain(of_engine).collect()
    }

    fn status(&self, part: &str, state: (Level, String), values: &[(&str, String)]) -> DiagnosticStatus {
        part_status(self.node_name, part, state, values)
    }

    /// A thread of the engine that panicked in the last minute, or ended.
    fn failure_of(stats: &Stats, thread: EngineThread) -> Option<(Level, String)> {
        let failure = stats.failures.iter().find(|failure| failure.thread == thread)?;
        Some((ERROR, format!("{failure}; report this with the log")))
    }

    fn frames(&self, camera: &CameraView<'_>) -> DiagnosticStatus {
        let age_s = camera.stats.frame_age_ms.map(|age| age / 1e3);
        let rejection = camera.input.rejection.as_ref().filter(|(ago, _)| *ago < RECENT);
        let state = match (rejection, age_s) {
            // Nobody wants pictures.
            _ if self.state != State::Active => (OK, self.state.label().to_owned()),
            (Some((_, reason)), _) => (WARN, format!("pictures cannot be used: {reason}")),
            (None, age) if camera.input.silence.is_some() && age.is_none_or(|age| age > self.stale_s) => {
                let age = age.map_or_else(String::new, |age| format!("; the newest frame is {age:.1} s old"));
                (WARN, format!("{}{age}", camera.input.silence.as_deref().unwrap_or_default()))
            }
            (None, None) => (WARN, "no picture yet".to_owned()),
            (None, Some(age)) if age > self.stale_s => (WARN, format!("the newest frame is {age:.1} s old")),
            (None, Some(_)) => (OK, format!("{:.1} frames/s", camera.stats.frame_rate_hz)),
        };
        self.status(
            &part_of("frames", camera.name),
            state,
            &[
                ("rate_hz", format!("{:.2}", camera.stats.frame_rate_hz)),
                ("age_ms", camera.stats.frame_age_ms.map_or_else(|| "never".to_owned(), |age| format!("{age:.0}"))),
                ("received", camera.input.received.to_string()),
                ("answered", camera.stats.frames_processed.to_string()),
                ("dropped", (camera.input.dropped + camera.stats.frames_dropped).to_string()),
                ("rejected", camera.input.rejected.to_string()),
                ("failed", camera.stats.frames_failed.to_string()),
                ("stamp_outliers", camera.stats.stamp_outliers.to_string()),
                ("answers_dropped", camera.stats.results_dropped.to_string()),
                ("faces", camera.stats.faces.to_string()),
            ],
        )
    }

    fn detector(&self, camera: &CameraView<'_>) -> DiagnosticStatus {
        let state = Self::failure_of(camera.stats, EngineThread::Vision).unwrap_or_else(|| match self.detector {
            _ if camera.failed_lately > 0 => {
                (ERROR, format!("{} frame(s) failed in the last second; see the log", camera.failed_lately))
            }
            DetectorKind::Haar => {
                (WARN, "Haar cascade, without landmarks: run scripts/setup to fetch YuNet".to_owned())
            }
            _ if camera.stats.frames_processed == 0 => (OK, "has not seen a frame yet".to_owned()),
            DetectorKind::YuNet => (OK, self.detector.name().to_owned()),
        });
        let values = latencies(camera.stats, &["detect", "track", "align", "total"]);
        self.status(&part_of("detector", camera.name), state, &borrowed(&values))
    }

    fn network(&self, stats: &Stats) -> DiagnosticStatus {
        let running = || (OK, format!("each face {:.1} times a second, {}", stats.refresh_hz, stats.backend));
        let state = Self::failure_of(stats, EngineThread::Network).unwrap_or_else(running);
        let mut values = vec![
            ("backend".to_owned(), stats.backend.clone()),
            ("rate_hz".to_owned(), format!("{:.2}", stats.evaluation_rate_hz)),
            ("refresh_hz".to_owned(), format!("{:.2}", stats.refresh_hz)),
            ("share".to_owned(), format!("{:.2}", stats.network_share)),
            ("evaluations".to_owned(), stats.evaluations.to_string()),
        ];
        values.extend(latencies(stats, &["network", "smooth"]));
        self.status("network", state, &borrowed(&values))
    }

    fn tasks(&self) -> DiagnosticStatus {
        let names = |state: TaskState| {
            let chosen = self.tasks.iter().filter(|task| task.state == state);
            chosen.map(|task| task.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        let (training, failed) = (names(TaskState::Training), names(TaskState::Failed));
        let state = match (self.cannot_teach, failed.is_empty(), training.is_empty()) {
            (Some(CannotTeach { reason, is_broken }), ..) => {
                (if *is_broken { ERROR } else { WARN }, format!("nothing can be taught: {reason}"))
            }
            (None, false, _) => (WARN, format!("training failed: {failed}; see `{}`", names::TASKS)),
            (None, true, false) => (OK, format!("training: {training}")),
            (None, true, true) => (OK, format!("{} tasks", self.tasks.len())),
        };
        self.status(
            "tasks",
            state,
            &[
                ("ready", names(TaskState::Ready)),
                ("training", training),
                ("queued", names(TaskState::Queued)),
                ("failed", failed),
            ],
        )
    }
}

fn latencies(stats: &Stats, stages: &[&str]) -> Vec<(String, String)> {
    let told = stats.latency.iter().filter(|latency| stages.contains(&latency.stage));
    told.flat_map(|latency| {
        [
            (format!("{}_p50_ms", latency.stage), format!("{:.2}", latency.p50_ms)),
            (format!("{}_p95_ms", latency.stage), format!("{:.2}", latency.p95_ms)),
        ]
    })
    .collect()
}

fn borrowed(values: &[(String, String)]) -> Vec<(&str, String)> {
    values.iter().map(|(key, value)| (key.as_str(), value.clone())).collect()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
