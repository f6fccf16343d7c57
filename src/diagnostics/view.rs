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

/// The parts of the node, each with a status of its own.
const PARTS: [&str; 5] = ["frames", "detector", "network", "tasks", PROCESS];
const PROCESS: &str = "process";

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
pub(super) fn without_an_engine(node_name: &str, state: State) -> Vec<DiagnosticStatus> {
    let resting = |part| match part {
        PROCESS => process(node_name, state, &Memory::now()),
        _ => part_status(node_name, part, (OK, state.label().to_owned()), &[]),
    };
    PARTS.map(resting).to_vec()
}

fn process(node_name: &str, state: State, memory: &Memory) -> DiagnosticStatus {
    part_status(
        node_name,
        PROCESS,
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
    pub(super) stats: &'a Stats,
    pub(super) input: &'a InputCounts,
    /// Frames that the detector refused since the last report.
    pub(super) failed_lately: u64,
    pub(super) detector: DetectorKind,
    pub(super) stale_s: f32,
    pub(super) tasks: &'a [TaskStatus],
    /// Why nothing can be taught.
    pub(super) cannot_teach: Option<&'a CannotTeach>,
}

type Level = u8;
const OK: Level = 0;
const WARN: Level = 1;
const ERROR: Level = 2;

impl View<'_> {
    pub(super) fn statuses(&self) -> Vec<DiagnosticStatus> {
        vec![self.frames(), self.detector(), self.network(), self.tasks(), self.process()]
    }

    fn status(&self, part: &str, state: (Level, String), values: &[(&str, String)]) -> DiagnosticStatus {
        part_status(self.node_name, part, state, values)
    }

    /// A thread of the engine that panicked in the last minute, or ended.
    fn failure_of(&self, thread: EngineThread) -> Option<(Level, String)> {
        let failure = self.stats.failures.iter().find(|failure| failure.thread == thread)?;
        Some((ERROR, format!("{failure}; report this with the log")))
    }

    fn frames(&self) -> DiagnosticStatus {
        let age_s = self.stats.frame_age_ms.map(|age| age / 1e3);
        let rejection = self.input.rejection.as_ref().filter(|(ago, _)| *ago < RECENT);
        let state = match (rejection, age_s) {
            // Nobody wants pictures.
            _ if self.state != State::Active => (OK, self.state.label().to_owned()),
            (Some((_, reason)), _) => (WARN, format!("pictures cannot be used: {reason}")),
            (None, age) if self.input.silence.is_some() && age.is_none_or(|age| age > self.stale_s) => {
                let age = age.map_or_else(String::new, |age| format!("; the newest frame is {age:.1} s old"));
                (WARN, format!("{}{age}", self.input.silence.as_deref().unwrap_or_default()))
            }
            (None, None) => (WARN, "no picture yet".to_owned()),
            (None, Some(age)) if age > self.stale_s => (WARN, format!("the newest frame is {age:.1} s old")),
            (None, Some(_)) => (OK, format!("{:.1} frames/s", self.stats.frame_rate_hz)),
        };
        self.status(
            "frames",
            state,
            &[
                ("rate_hz", format!("{:.2}", self.stats.frame_rate_hz)),
                ("age_ms", self.stats.frame_age_ms.map_or_else(|| "never".to_owned(), |age| format!("{age:.0}"))),
                ("received", self.input.received.to_string()),
                ("answered", self.stats.frames_processed.to_string()),
                ("dropped", (self.input.dropped + self.stats.frames_dropped).to_string()),
                ("rejected", self.input.rejected.to_string()),
                ("failed", self.stats.frames_failed.to_string()),
                ("stamp_outliers", self.stats.stamp_outliers.to_string()),
                ("answers_dropped", self.stats.results_dropped.to_string()),
                ("faces", self.stats.faces.to_string()),
            ],
        )
    }

    fn detector(&self) -> DiagnosticStatus {
        let state = self.failure_of(EngineThread::Vision).unwrap_or_else(|| match self.detector {
            _ if self.failed_lately > 0 => {
                (ERROR, format!("{} frame(s) failed in the last second; see the log", self.failed_lately))
            }
            DetectorKind::Haar => {
                (WARN, "Haar cascade, without landmarks: run scripts/setup to fetch YuNet".to_owned())
            }
            _ if self.stats.frames_processed == 0 => (OK, "has not seen a frame yet".to_owned()),
            DetectorKind::YuNet => (OK, self.detector.name().to_owned()),
        });
        let values = self.latencies(&["detect", "track", "align", "total"]);
        self.status("detector", state, &borrowed(&values))
    }

    fn network(&self) -> DiagnosticStatus {
        let running = || (OK, format!("{:.1} faces/s, {}", self.stats.evaluation_rate_hz, self.stats.backend));
        let state = self.failure_of(EngineThread::Network).unwrap_or_else(running);
        let mut values = vec![
            ("backend".to_owned(), self.stats.backend.clone()),
            ("rate_hz".to_owned(), format!("{:.2}", self.stats.evaluation_rate_hz)),
            ("evaluations".to_owned(), self.stats.evaluations.to_string()),
        ];
        values.extend(self.latencies(&["network", "smooth"]));
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

    fn process(&self) -> DiagnosticStatus {
        process(self.node_name, self.state, &self.stats.memory)
    }

    fn latencies(&self, stages: &[&str]) -> Vec<(String, String)> {
        let told = self.stats.latency.iter().filter(|latency| stages.contains(&latency.stage));
        told.flat_map(|latency| {
            [
                (format!("{}_p50_ms", latency.stage), format!("{:.2}", latency.p50_ms)),
                (format!("{}_p95_ms", latency.stage), format!("{:.2}", latency.p95_ms)),
            ]
        })
        .collect()
    }
}

fn borrowed(values: &[(String, String)]) -> Vec<(&str, String)> {
    values.iter().map(|(key, value)| (key.as_str(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use engine::{StageLatency, ThreadFailure};

    use super::*;
    use crate::convert::tests_tasks::status;

    fn stats() -> Stats {
        Stats {
            frames_in: 100,
            frames_processed: 98,
            frames_dropped: 2,
            frames_failed: 0,
            stamp_outliers: 0,
            results_dropped: 0,
            frame_rate_hz: 14.96,
            frame_age_ms: Some(40.0),
            faces: 3,
            evaluations: 50,
            evaluation_rate_hz: 7.5,
            latency: ["detect", "track", "align", "network", "smooth", "total"]
                .map(|stage| StageLatency { stage, p50_ms: 1.0, p95_ms: 2.0 })
                .to_vec(),
            memory: Memory { rss_mb: 300.0, peak_rss_mb: 320.0 },
            backend: "cpu: asked for".to_owned(),
            failures: vec![],
        }
    }

    fn view<'a>(stats: &'a Stats, input: &'a InputCounts, tasks: &'a [TaskStatus]) -> View<'a> {
        let node_name = "/face/face_attributes";
        View {
            node_name,
            state: State::Active,
            stats,
            input,
            failed_lately: 0,
            detector: DetectorKind::YuNet,
            stale_s: 2.0,
            tasks,
            cannot_teach: None,
        }
    }

    fn levels(view: &View<'_>) -> Vec<Level> {
        view.statuses().iter().map(|status| status.level).collect()
    }

    #[test]
    fn all_is_well_while_frames_come() {
        let (stats, input) = (stats(), InputCounts::default());
        let view = view(&stats, &input, &[]);
        assert_eq!(levels(&view), [OK; 5]);
        let names: Vec<String> = view.statuses().into_iter().map(|status| status.name).collect();
        assert_eq!(names, PARTS.map(|part| format!("/face/face_attributes: {part}")));
    }

    #[test]
    fn every_stage_is_reported_once() {
        let (stats, input) = (stats(), InputCounts::default());
        let statuses = view(&stats, &input, &[]).statuses();
        let keys: Vec<&str> =
            statuses.iter().flat_map(|status| &status.values).map(|value| value.key.as_str()).collect();
        for stage in &stats.latency {
            for percentile in ["p50", "p95"] {
                let key = format!("{}_{percentile}_ms", stage.stage);
                assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key}");
            }
        }
    }

    #[test]
    fn silence_staleness_and_unusable_pictures_are_warnings() {
        let input = InputCounts::default();
        let silent = Stats { frame_age_ms: None, ..stats() };
        assert_eq!(levels(&view(&silent, &input, &[]))[0], WARN);
        let stale = Stats { frame_age_ms: Some(2100.0), ..stats() };
        assert_eq!(levels(&view(&stale, &input, &[]))[0], WARN);

        let reason = (Duration::from_secs(1), "encoding \"nv21\" is not supported".to_owned());
        let refused = InputCounts { rejected: 1, rejection: Some(reason), ..InputCounts::default() };
        let status = &view(&stats(), &refused, &[]).statuses()[0];
        assert_eq!(status.level, WARN);
        assert!(status.message.contains("nv21"), "{}", status.message);
    }

    #[test]
    fn no_picture_is_missed_while_nobody_wants_one() {
        let (input, silent) = (InputCounts::default(), Stats { frame_age_ms: Some(60_000.0), ..stats() });
        let resting = View { state: State::Inactive, ..view(&silent, &input, &[]) };
        assert_eq!(levels(&resting), [OK; 5]);
        assert_eq!(resting.statuses()[0].message, "inactive");
    }

    #[test]
    fn a_failed_thread_is_an_error_of_its_part() {
        let input = InputCounts::default();
        for (thread, part) in [(EngineThread::Vision, 1), (EngineThread::Network, 2)] {
            let failed = Stats {
                failures: vec![ThreadFailure {
                    thread,
                    reason: "out of vision and network".to_owned(),
                    times: 1,
                    ended: false,
                }],
                ..stats()
            };
            let mut expected = [OK; 5];
            expected[part] = ERROR;
            assert_eq!(levels(&view(&failed, &input, &[])), expected);
        }
        let stats = stats();
        let view = View { failed_lately: 2, ..view(&stats, &input, &[]) };
        assert_eq!(levels(&view)[1], ERROR);
    }

    #[test]
    fn the_fallback_detector_is_flagged() {
        let (stats, input) = (stats(), InputCounts::default());
        let view = View { detector: DetectorKind::Haar, ..view(&stats, &input, &[]) };
        let status = &view.statuses()[1];
        assert!(status.level == WARN && status.message.contains("scripts/setup"));
    }

    #[test]
    fn a_damaged_state_folder_is_an_error_and_one_that_cannot_be_written_a_warning() {
        let (stats, input) = (stats(), InputCounts::default());
        for (is_broken, level) in [(true, ERROR), (false, WARN)] {
            let reason = "manifest.yaml is missing; see `facelab state --help`".to_owned();
            let why = CannotTeach { reason, is_broken };
            let view = View { cannot_teach: Some(&why), ..view(&stats, &input, &[]) };
            let status = &view.statuses()[3];
            assert!(status.level == level && status.message.contains("manifest.yaml is missing; see `facelab state"));
        }
    }

    #[test]
    fn a_failed_training_is_a_warning_with_its_name() {
        let (stats, input) = (stats(), InputCounts::default());
        let tasks = [status("gaze", TaskState::Failed), status("posture", TaskState::Training)];
        let status = &view(&stats, &input, &tasks).statuses()[3];
        assert!(status.level == WARN && status.message.contains("gaze"));
        assert!(status.values.iter().any(|value| value.key == "training" && value.value == "posture"));
    }
}
