//! The engine's handle: starts the threads, forwards what is asked, stops them.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use network::{NetworkBackend, choose_device};
use vision::{DetectorKind, FaceDetector, TrackerConfig, open_detector};

use crate::camera::Camera;

use crate::model::load;
use crate::model::state::{CannotTeach, StateStore};
use crate::model::store::ModelStore;
use crate::panics::Panics;
use crate::perception::judge::{NetworkJudge, network_pool};
use crate::perception::smoothing::Smoother;
use crate::perception::stats::{EngineThread, Meter, ThreadFailure};
use crate::perception::vision_stage::VisionStage;
use crate::perception::waiting::WaitingRoom;
use crate::sync::{join, lock};
use crate::teaching::capture::Captures;
use crate::teaching::handle::Tasks;
use crate::teaching::served_model::{Found, open_samples};
use crate::threads::{Lane, Shared, network_loop, spawn, vision_loop};
use crate::{ConfigError, EngineConfig, EngineError, LiveParams, NetworkUpdate, NewestSlot};

/// Answers that wait for their reader at most; then the oldest goes.
const RESULTS: usize = 32;
/// All threads have ended after so long, or are left behind with a warning.
const SHUTDOWN: Duration = Duration::from_millis(1900);
/// The share of that time that a training has.
const TEACHING: f32 = 0.9;

/// Frames in, labelled faces out, tasks taught meanwhile. Dropping it stops everything.
///
/// Calls that change [tasks](Self::tasks) may block their thread; frames go on meanwhile.
pub struct Engine {
    shared: Arc<Shared>,
    tasks: Tasks,
    backend: Arc<str>,
    detector: DetectorKind,
    cannot_teach: Option<CannotTeach>,
    threads: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

/// Who finds faces: in the pictures of each camera, and in those of requests.
pub struct Detectors {
    /// One a camera, at least one.
    pub cameras: Vec<Box<dyn FaceDetector>>,
    /// For the pictures of requests.
    pub requests: Box<dyn FaceDetector>,
}

impl Engine {
    /// Opens detectors for so many cameras (at least one), loads the model with the taught tasks, and starts all threads. The
    /// cameras share network and tasks.
    ///
    /// # Errors
    /// An option out of its range, a missing detector, a device that cannot be used, a model that cannot be read.
    pub fn start(config: EngineConfig, cameras: usize) -> Result<Self, EngineError> {
        config.validate()?;
        let open = || open_detector(config.yunet.as_deref(), config.haar.as_deref(), &config.detector);
        let of_cameras = (0..cameras.max(1)).map(|_| open()).collect::<Result<_, _>>()?;
        let detectors = Detectors { cameras: of_cameras, requests: open()? };
        Self::start_with(config, detectors)
    }

    /// The same with detectors of the caller's choice.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(config: EngineConfig, detectors: Detectors) -> Result<Self, EngineError> {
        config.validate()?;
        let (kind, backend) = choose_device(config.device)?;
        tracing::info!("{backend}");
        // The cores are the network's; detection takes some milliseconds on one.
        vision::set_threads(0)?;
        network::on_device!(kind, B => Self::launch::<B>(config, detectors, backend))
    }

    fn launch<B: NetworkBackend>(
        config: EngineConfig,
        detectors: Detectors,
        backend: String,
    ) -> Result<Self, EngineError> {
        let device = B::Device::default();
        let model = ModelStore::open(&config.model)?;
        let mut state = StateStore::open(&config.state_dir, model.manifest())?;
        let samples = open_samples(&config, &mut state);
        let initial = load::load::<B>(&model, &state, &device)?;

        let mut smoother = Smoother::new(config.smoothing.clone());
        smoother.set_heads(&initial.heads);
        let captures: Vec<Arc<Captures>> = detectors.cameras.iter().map(|_| Arc::default()).collect();
        for captures in &captures {
            captures.set_min_quality(config.scheduler.min_quality);
        }
        let shared = Arc::new(Shared {
            lanes: captures.iter().map(|captures| Lane::new(Arc::clone(captures), RESULTS)).collect(),
            waiting: WaitingRoom::new(config.scheduler),
            judging: Arc::default(),
            smoother: Mutex::new(smoother),
            network_meter: Mutex::new(Meter::default()),
            live: Mutex::new(config.live()),
            panics: Mutex::new(Panics::default()),
        });

        let updates = Arc::new(NewestSlot::default());
        let on_update = {
            let (shared, updates) = (Arc::clone(&shared), Arc::clone(&updates));
            move |update: NetworkUpdate<B>| {
                lock(&shared.smoother).set_heads(&update.heads);
                updates.put(update);
            }
        };
        let judging = Arc::clone(&shared.judging);
        let found = Found { model, state, samples, network: initial.network.clone(), device: device.clone(), judging };
        let tasks = Tasks::start::<B>(&config, found, detectors.requests, captures, on_update)?;
        let cannot_teach = tasks.cannot_teach();

        // The same for all.
        let detector = detectors.cameras.first().map_or(DetectorKind::YuNet, |detector| detector.kind());
        let engine = Self {
            shared: Arc::clone(&shared),
            tasks,
            backend: backend.into(),
            detector,
            cannot_teach,
            threads: Mutex::new(vec![]),
        };
        for (camera, detector) in detectors.cameras.into_iter().enumerate() {
            // Each with ids of its own, also from a seed.
            let seed = config.tracker.id_seed;
            let id_seed = if seed == 0 { 0 } else { seed + camera as u64 };
            let tracker = TrackerConfig { id_seed, ..config.tracker.clone() };
            let mut stage = VisionStage::new(detector, tracker).turned(config.camera.rotate);
            let vision = spawn(EngineThread::Vision, &shared, move |shared| vision_loop(shared, camera, &mut stage))?;
            lock(&engine.threads).push((EngineThread::Vision.name(), vision));
        }
        let mut judge = NetworkJudge::new(initial, device, updates, network_pool(config.threads)?);
        let network = spawn(EngineThread::Network, &shared, move |shared| network_loop(shared, &mut judge))?;
        lock(&engine.threads).push((EngineThread::Network.name(), network));
        Ok(engine)
    }

    /// One of the cameras, counted from 0; the last one where there are fewer.
    pub fn camera(&self, index: usize) -> Camera {
        Camera::new(Arc::clone(&self.shared), index.min(self.shared.lanes.len() - 1), Arc::clone(&self.backend))
    }

    /// The tasks: what there are, and all that changes them.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Changes thresholds and rates, all or none, from the next frame on.
    ///
    /// # Errors
    /// The first value that is out of its range; the others are not taken over either.
    pub fn set_live(&self, live: LiveParams) -> Result<(), ConfigError> {
        live.validate()?;
        *lock(&self.shared.live) = live.clone();
        for lane in &self.shared.lanes {
            lane.captures.set_min_quality(live.scheduler.min_quality);
        }
        self.shared.waiting.set_config(live.scheduler);
        lock(&self.shared.smoother).set_config(live.smoothing);
        Ok(())
    }

    /// What finds faces in the camera's pictures.
    pub fn detector(&self) -> DetectorKind {
        self.detector
    }

    /// Why nothing can be taught: taught tasks that are broken, a key for samples that cannot be read, a folder that cannot be
    /// written.
    pub fn cannot_teach(&self) -> Option<&CannotTeach> {
        self.cannot_teach.as_ref()
    }

    /// What ended a thread for good: without it nothing is answered, or judged, any more.
    pub fn ended(&self) -> Option<ThreadFailure> {
        lock(&self.shared.panics).told(Instant::now()).into_iter().find(|failure| failure.ended)
    }

    /// Ends all threads within two seconds, a training included. Later calls do nothing.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN);
    }

    /// The same with other patience, for a process that goes on.
    pub fn shutdown_within(&self, patience: Duration) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        let start = Instant::now();
        self.shared.close();
        self.tasks.shutdown(patience.mul_f32(TEACHING));
        let busy = join(threads, patience.saturating_sub(start.elapsed()));
        if !busy.is_empty() {
            tracing::warn!(threads = ?busy, "still busy at shutdown, left behind");
        }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}
