//! The engine's life in the node: loaded, asked by every part of the node, let go again.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use engine::{Engine, EngineConfig, Frame, LiveParams, lock};

use crate::camera::Input;
use crate::clock::NodeClock;
use crate::convert::texts;
use crate::humans::Humans;
use crate::memory;
use crate::options::Live;
use crate::publishers::{Publishers, Publishing};
use crate::service::Refusal;
use crate::shutdown::Stop;

/// Who has no engine is told how to get one.
const UNCONFIGURED: &str = "the node is unconfigured: it has no model in memory; configure it first \
                            (lifecycle_msgs/srv/ChangeState, or `ros2 lifecycle set`)";
const INACTIVE: &str = "the node is inactive: it looks at no camera; activate it first \
                        (lifecycle_msgs/srv/ChangeState, or `ros2 lifecycle set`)";

/// What the node works with.
pub(crate) struct Serving {
    config: EngineConfig,
    /// Thresholds and rates for the next engine.
    thresholds: Mutex<LiveParams>,
    input: Arc<Input>,
    // A publisher may be moved, but not shared, between threads.
    publishers: Mutex<Publishers>,
    humans: Option<Humans>,
    live: Live,
    clock: NodeClock,
    place: Mutex<Place>,
    changed: Condvar,
}

/// Where the engine is.
enum Place {
    Empty,
    /// Being filled or emptied.
    Changing,
    Full(Loaded),
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
        input: Arc<Input>,
        (publishers, humans): (Publishers, Option<Humans>),
        live: Live,
        clock: NodeClock,
        awaited: bool,
    ) -> Self {
        let (thresholds, publishers) = (Mutex::new(config.live()), Mutex::new(publishers));
        let place = Mutex::new(if awaited { Place::Changing } else { Place::Empty });
        Self { config, thresholds, input, publishers, humans, live, clock, place, changed: Condvar::new() }
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
            Place::Full(loaded) => Ok(Arc::clone(&loaded.engine)),
            _ => Err(Refusal(UNCONFIGURED.to_owned())),
        }
    }

    /// The same, for a request that needs the camera.
    ///
    /// # Errors
    /// When there is none, or the camera is not looked at.
    pub(crate) fn looking_engine(&self) -> Result<Arc<Engine>, Refusal> {
        let engine = self.engine()?;
        if self.input.is_active() { Ok(engine) } else { Err(Refusal(INACTIVE.to_owned())) }
    }

    /// The engine, if there is one now.
    pub(crate) fn engine_now(&self) -> Option<Arc<Engine>> {
        match &*lock(&self.place) {
            Place::Full(loaded) => Some(Arc::clone(&loaded.engine)),
            _ => None,
        }
    }

    /// Gives a frame to the engine; without one it is dropped.
    pub(crate) fn submit(&self, frame: Frame) {
        if let Some(engine) = self.engine_now() {
            engine.submit(frame);
        }
    }

    /// Thresholds and rates from now on.
    ///
    /// # Errors
    /// One that is out of its range, in words; then nothing changes.
    pub(crate) fn set_live(&self, thresholds: LiveParams) -> Result<(), String> {
        thresholds.validate().map_err(|error| error.to_string())?;
        *lock(&self.thresholds) = thresholds;
        match self.engine_now() {
            Some(engine) => engine.set_live(thresholds).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Loads model and tasks, and publishes from now on what there is.
    ///
    /// # Errors
    /// What the engine cannot start with, or a thread that the system does not give.
    pub(crate) fn load(&self) -> anyhow::Result<()> {
        *lock(&self.place) = Place::Changing;
        let loaded = self.loaded();
        let (place, result) = match loaded {
            Ok(loaded) => (Place::Full(loaded), Ok(())),
            Err(error) => (Place::Empty, Err(error)),
        };
        self.put(place);
        result
    }

    fn loaded(&self) -> anyhow::Result<Loaded> {
        let engine = Arc::new(Engine::start(self.config.clone())?);
        engine.set_live(*lock(&self.thresholds))?;
        let stop = Stop::default();
        let threads = self.start_publishing(&engine, &stop)?;
        Ok(Loaded { engine, threads, stop })
    }

    fn start_publishing(&self, engine: &Arc<Engine>, stop: &Stop) -> std::io::Result<Vec<JoinHandle<()>>> {
        let publishing = Publishing {
            engine: Arc::clone(engine),
            config: self.config.clone(),
            input: Arc::clone(&self.input),
            humans: self.humans.clone(),
            live: Arc::clone(&self.live),
            clock: self.clock.clone(),
            stop: stop.clone(),
        };
        lock(&self.publishers).start(publishing)
    }

    /// Ends the engine, a training included, and gives its memory back.
    pub(crate) fn unload(&self) {
        let before = std::mem::replace(&mut *lock(&self.place), Place::Changing);
        if let Place::Full(loaded) = before {
            loaded.end();
            lock(&self.publishers).no_tasks(&self.clock);
            memory::give_back_what_is_free();
        }
        self.put(Place::Empty);
    }

    fn put(&self, place: Place) {
        *lock(&self.place) = place;
        self.changed.notify_all();
    }

    /// Whether the camera is looked at. Faces are met anew: nobody knows who stands there after a pause.
    pub(crate) fn set_active(&self, active: bool) {
        if let (true, Some(engine)) = (active, self.engine_now()) {
            engine.forget_faces();
            let tasks = texts(engine.tasks().list().iter().map(|task| &task.name));
            let (tasks, number) = (tasks.join(", "), tasks.len());
            tracing::info!("ready: {number} tasks ({tasks}), detector {}", engine.detector().name());
        }
        self.input.set_active(active);
        if let (false, Some(humans)) = (active, &self.humans) {
            humans.nobody();
        }
    }

    /// What nothing works without and that ended by itself.
    pub(crate) fn failure(&self) -> Option<anyhow::Error> {
        let place = lock(&self.place);
        let Place::Full(Loaded { engine, threads, .. }) = &*place else { return None };
        engine.ended().map(Into::into).or_else(|| ended(threads))
    }

    /// Ends the engine with the process; false where it is being loaded, which nothing interrupts.
    pub(crate) fn end(&self) -> bool {
        match std::mem::replace(&mut *lock(&self.place), Place::Empty) {
            Place::Full(loaded) => loaded.end(),
            Place::Empty => {}
            Place::Changing => return false,
        }
        true
    }
}

impl Loaded {
    fn end(self) {
        self.engine.shutdown();
        self.stop.set();
        for thread in self.threads {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// The first of these threads that is not there any more, as a failure.
pub(crate) fn ended(threads: &[JoinHandle<()>]) -> Option<anyhow::Error> {
    let thread = threads.iter().find(|thread| thread.is_finished())?;
    Some(anyhow::anyhow!("the thread `{}` ended", thread.thread().name().unwrap_or_default()))
}
