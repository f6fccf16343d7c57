//! The engine's life in the node: loaded, asked by every part of the node, let go again.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::{Engine, EngineConfig, Frame, LiveParams, lock};

use crate::camera::Input;
use crate::clock::NodeClock;
use crate::convert::texts;
use crate::humans::Humans;
use crate::memory;
use crate::options::Live;
use crate::page::Page;
use crate::publishers::{Publishers, Publishing};
use crate::service::Refusal;
use crate::shutdown::Stop;

/// Answers to requests that need what is not there.
const UNCONFIGURED: &str = "the node is unconfigured: it has no model in memory; configure it first \
                            (lifecycle_msgs/srv/ChangeState, or `ros2 lifecycle set`)";
const INACTIVE: &str = "the node is inactive: it looks at no camera; activate it first \
                        (lifecycle_msgs/srv/ChangeState, or `ros2 lifecycle set`)";
const FINALIZED: &str = "the node is finalized: it has given up its model; end its process and start it again";

/// Requests and a training that write to the disk have so long to end when the model is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the node works with.
pub(crate) struct Serving {
    config: EngineConfig,
    /// Thresholds and rates, also for the next engine.
    live_params: Mutex<LiveParams>,
    /// The engine before, whose files the next one needs.
    before: Mutex<Weak<Engine>>,
    /// One a camera.
    inputs: Vec<Arc<Input>>,
    // A publisher may be moved, but not shared, between threads.
    publishers: Mutex<Publishers>,
    humans: Option<Humans>,
    page: Option<Page>,
    live: Live,
    clock: NodeClock,
    place: Mutex<Place>,
    changed: Condvar,
}

/// Where the engine is.
enum Place {
    Unloaded,
    /// Being loaded or unloaded.
    Changing,
    Loaded(Loaded),
    /// Unloaded for good.
    Finalized,
}

/// An engine with the threads that give out what it says.
struct Loaded {
    engine: Arc<Engine>,
    threads: Vec<JoinHandle<()>>,
    stop: Stop,
}

impl Serving {
    /// Without an engine. Where one is `awaited`, whoever asks for it waits for the first [`Self::load`].
    pub(crate) fn new(
        config: EngineConfig,
        inputs: Vec<Arc<Input>>,
        (publishers, humans, page): (Publishers, Option<Humans>, Option<Page>),
        live: Live,
        clock: NodeClock,
        awaited: bool,
    ) -> Self {
        let (live_params, publishers) = (Mutex::new(config.live()), Mutex::new(publishers));
        let place = Mutex::new(if awaited { Place::Changing } else { Place::Unloaded });
        Self {
            config,
            live_params,
            before: Mutex::default(),
            inputs,
            publishers,
            humans,
            page,
            live,
            clock,
            place,
            changed: Condvar::new(),
        }
    }

    /// The engine, for a request; waits while one is being loaded.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, Refusal> {
        let place = lock(&self.place);
        let still = |place: &mut Place| matches!(place, Place::Changing);
        let place = self.changed.wait_while(place, still).unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Place::Loaded(loaded) => Ok(Arc::clone(&loaded.engine)),
            Place::Finalized => Err(Refusal(FINALIZED.to_owned())),
            _ => Err(Refusal(UNCONFIGURED.to_owned())),
        }
    }

    /// The same, for a request that needs the camera.
    ///
    /// # Errors
    /// When there is none, or the camera is not looked at.
    pub(crate) fn looking_engine(&self) -> Result<Arc<Engine>, Refusal> {
        let engine = self.engine()?;
        if self.is_active() { Ok(engine) } else { Err(Refusal(INACTIVE.to_owned())) }
    }

    /// The engine, if there is one now.
    pub(crate) fn engine_now(&self) -> Option<Arc<Engine>> {
        match &*lock(&self.place) {
            Place::Loaded(loaded) => Some(Arc::clone(&loaded.engine)),
            _ => None,
        }
    }

    /// Gives a camera's frame to the engine; without one it is dropped.
    pub(crate) fn submit(&self, camera: usize, frame: Frame) {
        if let Some(engine) = self.engine_now() {
            engine.camera(camera).submit(frame);
        }
    }

    /// Whether the cameras are looked at.
    pub(crate) fn is_active(&self) -> bool {
        self.inputs.iter().all(|input| input.is_active())
    }

    /// Why nothing comes from a camera, or from any, where that is so.
    pub(crate) fn silence(&self, camera: Option<usize>) -> Option<String> {
        let meant = self.inputs.iter().enumerate().filter(|(index, _)| camera.is_none_or(|camera| camera == *index));
        meant.map(|(_, input)| input).find_map(|input| input.counts().silence)
    }

    /// Thresholds and rates from now on.
    ///
    /// # Errors
    /// One that is out of its range, in words; then nothing changes.
    pub(crate) fn set_live(&self, params: LiveParams) -> Result<(), String> {
        params.validate().map_err(|error| error.to_string())?;
        *lock(&self.live_params) = params.clone();
        match self.engine_now() {
            Some(engine) => engine.set_live(params).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Loads model and tasks, and publishes from now on what there is.
    ///
    /// # Errors
    /// What the engine cannot start with, a thread that the system does not give, or an engine before that still writes.
    pub(crate) fn load(&self) -> anyhow::Result<()> {
        *lock(&self.place) = Place::Changing;
        let loaded = self.loaded();
        let (place, result) = match loaded {
            Ok(loaded) => (Place::Loaded(loaded), Ok(())),
            Err(error) => (Place::Unloaded, Err(error)),
        };
        self.put(place);
        // What was set while it was being loaded.
        if let Some(engine) = self.engine_now() {
            // Held meanwhile: a parameter that is set now must not be overwritten.
            let live = lock(&self.live_params);
            engine.set_live(live.clone())?;
        }
        result
    }

    fn loaded(&self) -> anyhow::Result<Loaded> {
        // It would find the state folder locked, and could not teach.
        anyhow::ensure!(self.has_let_go(), "requests to the model before are still worked on; try again");
        let engine = Arc::new(Engine::start(self.config.clone(), self.inputs.len())?);
        *lock(&self.before) = Arc::downgrade(&engine);
        let stop = Stop::default();
        match self.start_publishing(&engine, &stop) {
            Ok(threads) => Ok(Loaded { engine, threads, stop }),
            Err(error) => {
                stop.set();
                engine.shutdown();
                Err(error.into())
            }
        }
    }

    /// Waits until nobody works with the engine before.
    fn has_let_go(&self) -> bool {
        let start = Instant::now();
        while lock(&self.before).strong_count() > 0 {
            if start.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    fn start_publishing(&self, engine: &Arc<Engine>, stop: &Stop) -> std::io::Result<Vec<JoinHandle<()>>> {
        let publishing = Publishing {
            engine: Arc::clone(engine),
            config: self.config.clone(),
            inputs: self.inputs.clone(),
            humans: self.humans.clone(),
            page: self.page.clone(),
            live: Arc::clone(&self.live),
            clock: self.clock.clone(),
            stop: stop.clone(),
        };
        lock(&self.publishers).start(&publishing)
    }

    /// Ends the engine, a training included, and gives its memory back; `finally`: no other comes after it.
    pub(crate) fn unload(&self, finally: bool) {
        let before = std::mem::replace(&mut *lock(&self.place), Place::Changing);
        if let Place::Loaded(loaded) = before {
            loaded.end_within(PATIENCE);
            if !self.has_let_go() {
                tracing::warn!("a request is still worked on; the model's memory is given back after it");
            }
            lock(&self.publishers).no_tasks(&self.clock, self.page.as_ref());
            memory::give_back_what_is_free();
        }
        self.put(if finally { Place::Finalized } else { Place::Unloaded });
    }

    fn put(&self, place: Place) {
        *lock(&self.place) = place;
        self.changed.notify_all();
    }

    /// Looks at the cameras from now on, or at none. Faces are met anew: nobody knows who stands there after a pause.
    pub(crate) fn set_active(&self, active: bool) {
        if let (true, Some(engine)) = (active, self.engine_now()) {
            for camera in 0..self.inputs.len() {
                engine.camera(camera).forget_faces();
            }
            let tasks = texts(engine.tasks().list().iter().map(|task| &task.name));
            let (tasks, number) = (tasks.join(", "), tasks.len());
            tracing::info!("ready: {number} tasks ({tasks}), detector {}", engine.detector().name());
        }
        for (camera, input) in self.inputs.iter().enumerate() {
            input.set_active(active);
            if let (false, Some(humans)) = (active, &self.humans) {
                humans.nobody(camera);
            }
        }
    }

    /// What nothing works without and that ended by itself.
    pub(crate) fn failure(&self) -> Option<anyhow::Error> {
        let place = lock(&self.place);
        let Place::Loaded(Loaded { engine, threads, .. }) = &*place else { return None };
        engine.ended().map(Into::into).or_else(|| ended_thread(threads))
    }

    /// Ends the engine with the process; false where it is being loaded, which nothing interrupts.
    pub(crate) fn end(&self) -> bool {
        match std::mem::replace(&mut *lock(&self.place), Place::Unloaded) {
            Place::Loaded(loaded) => loaded.end(),
            Place::Unloaded | Place::Finalized => {}
            Place::Changing => return false,
        }
        true
    }
}

impl Loaded {
    fn end(self) {
        self.engine.shutdown();
        self.join();
    }

    fn end_within(self, patience: Duration) {
        self.engine.shutdown_within(patience);
        self.join();
    }

    fn join(self) {
        self.stop.set();
        for thread in self.threads {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// The first of these threads that is not there any more, as a failure.
pub(crate) fn ended_thread(threads: &[JoinHandle<()>]) -> Option<anyhow::Error> {
    let thread = threads.iter().find(|thread| thread.is_finished())?;
    Some(anyhow::anyhow!("the thread `{}` ended", thread.thread().name().unwrap_or_default()))
}
