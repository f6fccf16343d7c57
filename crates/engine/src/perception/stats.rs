//! Rates, latencies and memory, over a window of the recent past.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use vision::TrackId;

use crate::Memory;

/// Rates are measured over so long.
const WINDOW: Duration = Duration::from_secs(5);
/// Latencies of so many last frames or batches enter the percentiles.
const SAMPLES: usize = 256;

/// How the engine is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Frames given to the engine since it started.
    pub frames_in: u64,
    /// Frames answered.
    pub frames_processed: u64,
    /// Frames dropped because a newer one came.
    pub frames_dropped: u64,
    /// Frames that could not be processed (the detector refused them).
    pub frames_failed: u64,
    /// Frames whose stamp alone was out of line: tracks went on with the frame after.
    pub stamp_outliers: u64,
    /// Answers dropped because nobody took them.
    pub results_dropped: u64,
    /// Answered frames per second, over the last seconds.
    pub frame_rate_hz: f32,
    /// Age of the newest answered frame by its arrival, in milliseconds; `None` before the first.
    pub frame_age_ms: Option<f32>,
    /// Faces in the newest answered frame.
    pub faces: usize,
    /// Face evaluations by the network since the start.
    pub evaluations: u64,
    /// Face evaluations per second, over the last seconds.
    pub evaluation_rate_hz: f32,
    /// The same for one face, the mean over those that were judged in the last seconds; 0 without a face.
    pub refresh_hz: f32,
    /// Share of its threads' time that the network took, over the last seconds, [0, 1].
    pub network_share: f32,
    /// Latencies per stage, in the order of a frame's way: detect, track, align, network, smooth, total.
    pub latency: Vec<StageLatency>,
    /// Memory of the process.
    pub memory: Memory,
    /// Where the network runs and why, in one line.
    pub backend: String,
    /// The newest panic of each thread, for a minute or, when it ended the thread, for good.
    pub failures: Vec<ThreadFailure>,
}

impl Stats {
    /// With the network's evaluations and latencies from `network`.
    pub(crate) fn with_network(mut self, network: Self) -> Self {
        let of_network = |stage: &&str| [Stage::Network, Stage::Smooth].iter().any(|network| network.name() == *stage);
        for latency in self.latency.iter_mut().filter(|latency| of_network(&latency.stage)) {
            if let Some(measured) = network.latency.iter().find(|other| other.stage == latency.stage) {
                latency.clone_from(measured);
            }
        }
        Self {
            evaluations: network.evaluations,
            evaluation_rate_hz: network.evaluation_rate_hz,
            refresh_hz: network.refresh_hz,
            network_share: network.network_share,
            ..self
        }
    }
}

/// A thread of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineThread {
    /// Detects, tracks, aligns and answers.
    Vision,
    /// Judges faces.
    Network,
}

impl EngineThread {
    /// Its name, as the system shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Network => "network",
        }
    }
}

/// A panic of a thread, which went on after it or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the {} thread {}: {reason}", .thread.name(), if *.ended { "ended" } else { "failed and goes on" })]
pub struct ThreadFailure {
    /// Which one.
    pub thread: EngineThread,
    /// What its panic said.
    pub reason: String,
    /// How many there were, each less than a minute after the last.
    pub times: u32,
    /// It was one too many.
    pub ended: bool,
}

/// Percentiles of one stage over a window of recent frames (batches, for `network` and `smooth`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageLatency {
    /// Name of the stage.
    pub stage: &'static str,
    /// Median in milliseconds.
    pub p50_ms: f32,
    /// 95th percentile in milliseconds.
    pub p95_ms: f32,
}

/// A step of a frame's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Detect,
    Track,
    Align,
    Network,
    Smooth,
    Total,
}

impl Stage {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Detect, "detect"),
        (Self::Track, "track"),
        (Self::Align, "align"),
        (Self::Network, "network"),
        (Self::Smooth, "smooth"),
        (Self::Total, "total"),
    ];

    fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Collects what [`Stats`] reports.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) frames_processed: u64,
    pub(crate) frames_failed: u64,
    pub(crate) stamp_outliers: u64,
    pub(crate) results_dropped: u64,
    pub(crate) evaluations: u64,
    pub(crate) faces: usize,
    frames: Rate,
    judged: Rate,
    /// Microseconds of work.
    worked: Rate,
    /// When each face was judged last.
    tracks: BTreeMap<TrackId, Instant>,
    newest: Option<Instant>,
    latency: [Window; 6],
}

impl Meter {
    pub(crate) fn stage(&mut self, stage: Stage, took: Duration) {
        self.latency[stage as usize].push(took);
    }

    pub(crate) fn frame(&mut self, now: Instant, arrival: Instant, faces: usize) {
        self.frames_processed += 1;
        self.faces = faces;
        self.newest = Some(arrival);
        self.frames.push(now, 1);
    }

    /// A batch of faces was judged, which took so long.
    pub(crate) fn evaluated(&mut self, now: Instant, took: Duration, faces: impl IntoIterator<Item = TrackId>) {
        let before = self.evaluations;
        for track in faces {
            self.tracks.insert(track, now);
            self.evaluations += 1;
        }
        self.tracks.retain(|_, judged| is_recent(now, *judged));
        self.judged.push(now, self.evaluations - before);
        self.worked.push(now, took.as_micros() as u64);
    }

    pub(crate) fn stats(&self, now: Instant, (frames_in, frames_dropped): (u64, u64), backend: &str) -> Stats {
        let stage = |&(stage, name): &(Stage, &'static str)| {
            let window = &self.latency[stage as usize];
            StageLatency { stage: name, p50_ms: window.percentile(50), p95_ms: window.percentile(95) }
        };
        let evaluation_rate_hz = self.judged.hz(now);
        let faces = self.tracks.values().filter(|judged| is_recent(now, **judged)).count();
        Stats {
            frames_in,
            frames_processed: self.frames_processed,
            frames_dropped,
            frames_failed: self.frames_failed,
            stamp_outliers: self.stamp_outliers,
            results_dropped: self.results_dropped,
            frame_rate_hz: self.frames.hz(now),
            frame_age_ms: self.newest.map(|arrival| now.saturating_duration_since(arrival).as_secs_f32() * 1e3),
            faces: self.faces,
            evaluations: self.evaluations,
            evaluation_rate_hz,
            refresh_hz: if faces == 0 { 0.0 } else { evaluation_rate_hz / faces as f32 },
            network_share: (self.worked.hz(now) / 1e6).min(1.0),
            latency: Stage::ALL.iter().map(stage).collect(),
            memory: Memory::now(),
            backend: backend.to_owned(),
            failures: Vec::new(),
        }
    }
}

fn is_recent(now: Instant, then: Instant) -> bool {
    now.saturating_duration_since(then) <= WINDOW
}

/// Events per second over [`WINDOW`].
#[derive(Debug, Default)]
struct Rate {
    events: VecDeque<(Instant, u64)>,
}

impl Rate {
    fn push(&mut self, now: Instant, count: u64) {
        self.events.push_back((now, count));
        while self.events.front().is_some_and(|(at, _)| !is_recent(now, *at)) {
            self.events.pop_front();
        }
    }

    fn hz(&self, now: Instant) -> f32 {
        let recent = || self.events.iter().filter(|(at, _)| is_recent(now, *at));
        let Some((first, first_count)) = recent().next() else { return 0.0 };
        let span = now.saturating_duration_since(*first).as_secs_f32();
        let later = recent().map(|(_, count)| count).sum::<u64>() - first_count;
        // The first event opens the span and is not in it.
        if span > 0.0 { later as f32 / span } else { 0.0 }
    }
}

/// The last [`SAMPLES`] durations.
#[derive(Debug, Default)]
struct Window {
    durations: VecDeque<Duration>,
}

impl Window {
    fn push(&mut self, took: Duration) {
        if self.durations.len() == SAMPLES {
            self.durations.pop_front();
        }
        self.durations.push_back(took);
    }

    /// Nearest rank, in milliseconds; 0 when empty.
    fn percentile(&self, percent: usize) -> f32 {
        let mut sorted: Vec<Duration> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).map_or(0.0, |took| took.as_secs_f32() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_recent_past_by_nearest_rank() {
        let mut window = Window::default();
        assert_eq!(window.percentile(50), 0.0);
        for _ in 0..1000 {
            window.push(Duration::from_secs(9));
        }
        for ms in 1..=SAMPLES as u64 {
            window.push(Duration::from_millis(ms));
        }
        assert_eq!((window.percentile(50), window.percentile(95)), (128.0, 244.0));
    }

    #[test]
    fn a_faces_own_rate_and_the_share_of_time_are_of_the_recent_past() {
        let (start, mut meter) = (Instant::now(), Meter::default());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for step in 0..=20 {
            let faces = [crate::testing::track(0), crate::testing::track(1)];
            meter.evaluated(at(100 * step), Duration::from_millis(25), faces);
        }
        let stats = meter.stats(at(2000), (0, 0), "cpu");
        assert_eq!(stats.evaluations, 42);
        assert!((stats.evaluation_rate_hz - 20.0).abs() < 0.1 && (stats.refresh_hz - 10.0).abs() < 0.1, "{stats:?}");
        assert!((stats.network_share - 0.25).abs() < 0.01, "{stats:?}");
        let gone = meter.stats(at(9000), (0, 0), "cpu");
        assert_eq!((gone.refresh_hz, gone.network_share), (0.0, 0.0));
    }

    #[test]
    fn a_rate_is_counted_over_the_window_and_fades_when_events_stop() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.hz(start), 0.0);
        for frame in 0..=150_u32 {
            rate.push(start + frame * Duration::from_millis(100), 1);
        }
        let end = start + Duration::from_secs(15);
        assert!((rate.hz(end) - 10.0).abs() < 0.01, "{}", rate.hz(end));
        assert!((rate.hz(end + Duration::from_millis(2500)) - 5.0).abs() < 0.1);
        assert_eq!(rate.hz(end + Duration::from_secs(6)), 0.0);
    }

    #[test]
    fn every_stage_is_reported_under_its_own_name() {
        let mut meter = Meter::default();
        for (index, (stage, _)) in Stage::ALL.iter().enumerate() {
            meter.stage(*stage, Duration::from_millis(index as u64 + 1));
        }
        let stats = meter.stats(Instant::now(), (7, 2), "cpu");
        let medians: Vec<(&str, f32)> = stats.latency.iter().map(|stage| (stage.stage, stage.p50_ms)).collect();
        assert_eq!(
            medians,
            [("detect", 1.0), ("track", 2.0), ("align", 3.0), ("network", 4.0), ("smooth", 5.0), ("total", 6.0)]
        );
        assert_eq!((stats.frames_in, stats.frames_dropped), (7, 2));
    }
}
