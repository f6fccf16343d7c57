//! The two loops of the engine and what they share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use vision::TrackId;

use crate::panics::Panics;
use crate::perception::judge::Judge;
use crate::perception::pipeline::{answer, judge_batch, latency};
use crate::perception::smoothing::Smoother;
use crate::perception::stats::{EngineThread, Meter, Stage};
use crate::perception::vision_stage::VisionStage;
use crate::perception::waiting::WaitingRoom;
use crate::sync::{lock, said_by};
use crate::teaching::capture::Captures;
use crate::types::{Frame, FrameResult};
use crate::{EngineError, LiveParams, NewestSlot};

/// A frame and when it came in.
pub(crate) struct Arrived {
    pub(crate) frame: Frame,
    pub(crate) at: Instant,
}

/// What belongs to one camera.
pub(crate) struct Lane {
    pub(crate) frames: NewestSlot<Arrived>,
    /// Where captures pick up its faces.
    pub(crate) captures: Arc<Captures>,
    /// The tracks that it follows now.
    active: Mutex<Vec<TrackId>>,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) keep_images: AtomicBool,
    /// The next frame finds no tracks.
    pub(crate) forget_faces: AtomicBool,
    pub(crate) results: (Sender<FrameResult>, Receiver<FrameResult>),
}

impl Lane {
    /// With room for so many answers that nobody takes.
    pub(crate) fn new(captures: Arc<Captures>, results: usize) -> Self {
        Self {
            frames: NewestSlot::default(),
            captures,
            active: Mutex::default(),
            meter: Mutex::default(),
            keep_images: AtomicBool::new(false),
            forget_faces: AtomicBool::new(false),
            results: crossbeam_channel::bounded(results),
        }
    }

    /// Gives an answer out; when nobody takes them, the oldest goes.
    fn publish(&self, result: FrameResult) {
        let (sender, receiver) = &self.results;
        let mut result = result;
        while let Err(TrySendError::Full(refused)) = sender.try_send(result) {
            if receiver.try_recv().is_ok() {
                lock(&self.meter).results_dropped += 1;
            }
            result = refused;
        }
    }
}

/// What vision, network and callers share. No two of its locks are held at once.
pub(crate) struct Shared {
    /// One a camera.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) waiting: WaitingRoom,
    /// Set while the network judges: trainings wait for it.
    pub(crate) judging: Arc<AtomicBool>,
    pub(crate) smoother: Mutex<Smoother>,
    pub(crate) network_meter: Mutex<Meter>,
    /// In force; a change is taken over with the next frame.
    pub(crate) live: Mutex<LiveParams>,
    pub(crate) panics: Mutex<Panics>,
}

impl Shared {
    /// Lets every thread go.
    pub(crate) fn close(&self) {
        for lane in &self.lanes {
            lane.frames.close();
            lane.captures.close();
        }
        self.waiting.close();
    }

    /// Takes over which tracks a camera follows; gives those of all cameras.
    fn active(&self, lane: &Lane, active: &[TrackId]) -> Vec<TrackId> {
        *lock(&lane.active) = active.to_vec();
        self.lanes.iter().flat_map(|lane| lock(&lane.active).clone()).collect()
    }
}

/// Starts a thread that goes on after a panic, with the next frame or batch, and reports it.
pub(crate) fn spawn(
    thread: EngineThread,
    shared: &Arc<Shared>,
    mut body: impl FnMut(&Shared) + Send + 'static,
) -> Result<JoinHandle<()>, EngineError> {
    let shared = Arc::clone(shared);
    let run = move || {
        loop {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(&shared))) else { return };
            let failure = lock(&shared.panics).add(thread, said_by(&*panic).to_owned(), Instant::now());
            tracing::error!("{failure}");
            if failure.ended {
                return;
            }
        }
    };
    let name = thread.name();
    thread::Builder::new().name(name.into()).spawn(run).map_err(|source| EngineError::Thread { name, source })
}

/// Frame by frame of one camera: detect, track, align, answer. Never waits for the network.
pub(crate) fn vision_loop(shared: &Shared, camera: usize, stage: &mut VisionStage) {
    let lane = &shared.lanes[camera];
    // Not a number: the first frame takes over what is in force, also after a panic.
    let mut threshold = f32::NAN;
    let mut failures: u64 = 0;
    while let Some(Arrived { frame, at }) = lane.frames.take() {
        let wanted = lock(&shared.live).score_threshold;
        if wanted != threshold {
            threshold = wanted;
            stage.set_score_threshold(threshold);
        }
        if lane.forget_faces.swap(false, Ordering::Relaxed) {
            stage.forget_faces();
        }
        let seen = match stage.see(&frame.image, frame.stamp) {
            Ok(seen) => seen,
            Err(error) => {
                // Each frame may fail in the same way: not a line for each.
                if failures.is_power_of_two() || failures == 0 {
                    tracing::warn!(%error, failures = failures + 1, "a frame could not be processed");
                }
                failures += 1;
                lock(&lane.meter).frames_failed += 1;
                continue;
            }
        };
        let active = shared.active(lane, &seen.active);
        shared.waiting.offer(&seen, &active);
        lane.captures.offer(&seen);
        let latency = latency(&seen, at);
        let detector = stage.detector();
        let of_camera = seen.active.clone();
        let faces = {
            let mut smoother = lock(&shared.smoother);
            smoother.retain(|track| active.contains(track));
            answer(seen, &smoother)
        };
        {
            let mut meter = lock(&lane.meter);
            let now = Instant::now();
            meter.stage(Stage::Detect, latency.detect);
            meter.stage(Stage::Track, latency.track);
            meter.stage(Stage::Align, latency.align);
            meter.stage(Stage::Total, now.saturating_duration_since(at));
            meter.frame(now, at, faces.len());
            meter.stamp_outliers = stage.stamp_outliers();
        }
        let Frame { image, stamp, frame_id } = frame;
        let size = (image.width(), image.height());
        let image = lane.keep_images.load(Ordering::Relaxed).then(|| Arc::new(image));
        lane.publish(FrameResult { stamp, frame_id, size, faces, active: of_camera, detector, image, latency });
    }
}

/// Batch by batch: judge the faces that are due, add to their posteriors.
pub(crate) fn network_loop(shared: &Shared, judge: &mut dyn Judge) {
    // Also after a panic.
    shared.judging.store(false, Ordering::Relaxed);
    judge.worked();
    while let Some(batch) = shared.waiting.next_batch() {
        let start = Instant::now();
        shared.judging.store(true, Ordering::Relaxed);
        let judged = judge_batch(judge, &batch);
        shared.judging.store(false, Ordering::Relaxed);
        let thought = start.elapsed();
        {
            let mut smoother = lock(&shared.smoother);
            for (face, judgements) in batch.iter().zip(judged) {
                smoother.add(face.track.clone(), face.moment, face.quality, &judgements);
            }
        }
        let smoothed = start.elapsed().saturating_sub(thought);
        // On a busy machine the clock goes on while the network waits for a core.
        let worked = judge.worked().map_or(thought, |worked| worked.min(thought));
        shared.waiting.spend(start, worked);
        let mut meter = lock(&shared.network_meter);
        meter.stage(Stage::Network, thought);
        meter.stage(Stage::Smooth, smoothed);
        meter.evaluated(Instant::now(), worked, batch.into_iter().map(|face| face.track));
    }
}
