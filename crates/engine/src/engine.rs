//! The engine's handle: starts the threads, forwards what is asked, stops them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use network::{Label, NetworkBackend, TaskName, choose_device};
use vision::{FaceDetector, open_detector};

use crate::capture::{CaptureDesk, Captured, TrackSelector};
use crate::model::load;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::perception::judge::NetworkJudge;
use crate::perception::smoothing::Smoother;
use crate::perception::stats::{Meter, Stats};
use crate::perception::vision_stage::VisionStage;
use crate::perception::waiting::WaitingRoom;
use crate::teaching::crops::{Cropper, SampleImage};
use crate::teaching::learner::Learner;
use crate::teaching::tasks::{
    AddTask, Exported, Imported, LabelledFace, RemoveTask, Removed, Stored, TaskError, TaskEvent, TaskStatus,
    TaskTicket,
};
use crate::threads::{Arrived, Shared, join, lock, network_loop, network_pool, spawn, vision_loop};
use crate::types::{Frame, FrameResult};
use crate::{ConfigError, EngineConfig, EngineError, FrameSlot, LiveParams, NetworkUpdate};

/// Answers that wait for their reader at most; then the oldest goes.
const RESULTS: usize = 32;
/// All threads have ended after so long, or are left behind with a warning.
const SHUTDOWN: Duration = Duration::from_millis(1900);

/// Frames in, labelled faces out, tasks taught meanwhile. Dropping it stops everything.
///
/// Calls that change tasks may block their thread for as long as disk and probe take (`capture_samples`: for the time it
/// is given); frames go on meanwhile.
pub struct Engine {
    shared: Arc<Shared>,
    learner: Learner,
    cropper: Cropper,
    backend: String,
    threads: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Engine {
    /// Opens the detector, loads the model with the taught tasks, and starts all threads.
    ///
    /// # Errors
    /// An option out of its range, a missing detector, a device that cannot be used, a model that cannot be read.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        config.validate()?;
        let open = || open_detector(config.yunet.as_deref(), config.haar.as_deref(), &config.detector);
        let detectors = (open()?, open()?);
        Self::start_with(config, detectors)
    }

    /// The same with detectors of the caller's choice: for the camera, and for the pictures of requests.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        config: EngineConfig,
        detectors: (Box<dyn FaceDetector>, Box<dyn FaceDetector>),
    ) -> Result<Self, EngineError> {
        config.validate()?;
        let (kind, backend) = choose_device(config.device)?;
        tracing::info!("{backend}");
        // The cores are the network's; detection takes some milliseconds on one.
        vision::set_threads(0)?;
        network::on_device!(kind, B => Self::launch::<B>(config, detectors, backend))
    }

    fn launch<B: NetworkBackend>(
        config: EngineConfig,
        (camera, requests): (Box<dyn FaceDetector>, Box<dyn FaceDetector>),
        backend: String,
    ) -> Result<Self, EngineError> {
        let device = B::Device::default();
        let model = ModelStore::open(&config.model)?;
        let state = StateStore::open(&config.state_dir, model.manifest())?;
        let initial = load::load::<B>(&model, &state, &device)?;

        let mut smoother = Smoother::new(config.smoothing);
        smoother.set_heads(&initial.heads);
        let shared = Arc::new(Shared {
            frames: FrameSlot::default(),
            waiting: WaitingRoom::new(config.scheduler),
            smoother: Mutex::new(smoother),
            meter: Mutex::new(Meter::default()),
            desk: CaptureDesk::default(),
            live: Mutex::new(config.live()),
            keep_images: AtomicBool::new(false),
            results: crossbeam_channel::bounded(RESULTS),
            failure: Mutex::new(None),
        });

        let updates = Arc::new(FrameSlot::default());
        let exchange = {
            let (shared, updates) = (Arc::clone(&shared), Arc::clone(&updates));
            move |update: NetworkUpdate<B>| {
                lock(&shared.smoother).set_heads(&update.heads);
                updates.put(update);
            }
        };
        let learner = Learner::start::<B>(&config, model, state, initial.network.clone(), device.clone(), exchange)?;

        let engine = Self {
            shared: Arc::clone(&shared),
            learner,
            cropper: Cropper::new(requests),
            backend,
            threads: Mutex::new(vec![]),
        };
        let stage = VisionStage::new(camera, config.tracker.clone());
        let vision = spawn("vision", &shared, move |shared| vision_loop(shared, stage))?;
        lock(&engine.threads).push(("vision", vision));
        let judge = Box::new(NetworkJudge::new(initial, device, updates, network_pool(config.threads)?));
        let network = spawn("network", &shared, move |shared| network_loop(shared, judge))?;
        lock(&engine.threads).push(("network", network));
        Ok(engine)
    }

    /// Gives a frame in. One that still waits is dropped and counted: the newest wins.
    pub fn submit(&self, frame: Frame) {
        self.shared.frames.put(Arrived { frame, at: Instant::now() });
    }

    /// Answers, one per processed frame, in order. Bounded: when nobody takes them, the oldest are dropped and counted.
    /// Receivers share the answers, so there should be one reader.
    pub fn results(&self) -> Receiver<FrameResult> {
        self.shared.results.1.clone()
    }

    /// Told whenever the task list changes and as a training progresses.
    pub fn events(&self) -> Receiver<TaskEvent> {
        self.learner.events()
    }

    /// Whether answers come with their picture, for annotated output.
    pub fn keep_images(&self, on: bool) {
        self.shared.keep_images.store(on, Ordering::Relaxed);
    }

    /// Changes thresholds and rates, all or none, from the next frame on.
    ///
    /// # Errors
    /// The first value that is out of its range; the others are not taken over either.
    pub fn set_live(&self, live: LiveParams) -> Result<(), ConfigError> {
        live.validate()?;
        *lock(&self.shared.live) = live;
        self.shared.waiting.set_config(live.scheduler);
        lock(&self.shared.smoother).set_config(live.smoothing);
        Ok(())
    }

    /// All tasks as they are now.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.learner.tasks()
    }

    /// Accepts a training; the ticket tells when it has ended. `images` are cut to faces and join the request's samples.
    ///
    /// # Errors
    /// A request that is refused, with what to do about it; nothing has changed then.
    pub fn add_task(&self, mut request: AddTask, images: &[SampleImage]) -> Result<TaskTicket, TaskError> {
        request.samples.extend(self.faces(images)?);
        self.learner.add_task(request)
    }

    /// Stores labelled pictures without training. The task need not exist yet.
    ///
    /// # Errors
    /// A picture without a face, or samples that are refused; nothing is stored then.
    pub fn add_samples(&self, name: &TaskName, images: &[SampleImage]) -> Result<Stored, TaskError> {
        self.learner.add_samples(name, self.faces(images)?)
    }

    /// Collects `count` (1..=200) crops of one live track within `time` (0.1..=60 s), spread over it, and stores them
    /// under a label. Blocks until then.
    ///
    /// # Errors
    /// An unknown track, nobody to be seen, values out of range, or a store that refuses.
    pub fn capture_samples(
        &self,
        name: &TaskName,
        label: &Label,
        track: TrackSelector,
        count: u32,
        time: Duration,
    ) -> Result<Captured, TaskError> {
        let min_quality = lock(&self.shared.live).scheduler.min_quality;
        let crops = self.shared.desk.collect(track, count, time, min_quality)?;
        let captured = crops.len() as u32;
        let stored = self.learner.store_captured(name, label, crops)?;
        Ok(Captured { captured, counts: stored.counts })
    }

    /// Removes a taught task, its column, and unless kept its samples.
    ///
    /// # Errors
    /// A task that is unknown, shipped, or drawn from by others without `cascade` or `keep_as_source`.
    pub fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError> {
        self.learner.remove_task(request)
    }

    /// Ends a training, running or queued; without a name, the one that runs. Answers whose it was.
    ///
    /// # Errors
    /// When there is none.
    pub fn cancel_training(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        self.learner.cancel_training(name)
    }

    /// Writes a taught task into a folder that is empty or does not exist yet.
    ///
    /// # Errors
    /// A task that is unknown or shipped, or a folder that cannot be used.
    pub fn export_task(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError> {
        self.learner.export_task(name, directory, with_samples)
    }

    /// Brings in a task that was exported, under another name when one is given.
    ///
    /// # Errors
    /// Another encoder, missing sources, a name in use, or a folder that cannot be read.
    pub fn import_task(&self, directory: &Path, name: Option<TaskName>) -> Result<Imported, TaskError> {
        self.learner.import_task(directory, name)
    }

    /// Erases stored crops for good, of one label or of all; answers how many. The column stays as it is.
    ///
    /// # Errors
    /// Nothing stored under the name, or a disk that refuses.
    pub fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError> {
        self.learner.forget_samples(name, label)
    }

    /// How it goes: rates, latencies, drops, memory.
    pub fn stats(&self) -> Stats {
        let counts = self.shared.frames.counts();
        let failure = lock(&self.shared.failure).clone();
        let meter = lock(&self.shared.meter);
        Stats { failure, ..meter.stats(Instant::now(), counts, &self.backend) }
    }

    /// Ends all threads within two seconds, a training included. Later calls do nothing.
    pub fn shutdown(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        let start = Instant::now();
        self.shared.close();
        self.learner.shutdown();
        let busy = join(threads, SHUTDOWN.saturating_sub(start.elapsed()));
        if !busy.is_empty() {
            tracing::warn!(threads = ?busy, "still busy at shutdown, left behind");
        }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn faces(&self, images: &[SampleImage]) -> Result<Vec<LabelledFace>, TaskError> {
        let faces = self.cropper.crop(images)?;
        Ok(faces.into_iter().map(|(label, face)| LabelledFace { label, face }).collect())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}
