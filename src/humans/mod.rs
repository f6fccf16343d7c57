//! People as REP-155 has them (<https://www.ros.org/reps/rep-0155.html>): topics below `/humans`, frames of heads.

mod face;
mod messages;
mod publishing;
mod topics;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use engine::{FrameResult, TaskKind, TaskStatus, lock};
use futures::StreamExt;
use r2r::sensor_msgs::msg::CameraInfo;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;

pub(crate) use self::topics::FaceTopics;

use self::publishing::HumansPublisher;
use self::topics::Calibration;

/// Length of the queues between the two threads: more than the faces of one frame.
const QUEUE: usize = 2048;

/// How often it is looked whether a camera has died, while no answer comes.
const LOOK_UP: Duration = Duration::from_millis(500);
/// Answers that wait at most.
const ANSWERS: usize = 8;

/// Whether this program was built with `hri_msgs` and `tf2_msgs`.
pub(crate) const BUILT_IN: bool = true;

/// What the publishing thread hears.
enum Heard {
    /// The answer to a camera's frame.
    Answer(usize, Box<FrameResult>),
    /// Nobody is before a camera any more, as far as this node knows.
    Nobody(usize),
    /// The node ends.
    End,
}

/// The way of answers to those who publish them.
#[derive(Clone)]
pub(crate) struct Humans {
    heard: Sender<Heard>,
    /// Somebody subscribes to pictures of faces.
    pictures: Arc<AtomicBool>,
    /// Names of the tasks whose labels are people.
    people: Arc<Mutex<Vec<String>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Humans {
    /// Takes an answer to a camera's frame; one that comes too fast is left out.
    pub(crate) fn put(&self, camera: usize, result: FrameResult) {
        let _ = self.heard.try_send(Heard::Answer(camera, Box::new(result)));
    }

    /// Nobody is before a camera any more, as far as this node knows.
    pub(crate) fn nobody(&self, camera: usize) {
        // Fails when the thread has ended, and has withdrawn all.
        let _ = self.heard.send(Heard::Nobody(camera));
    }

    /// Takes over which tasks recognise people.
    pub(crate) fn set_tasks(&self, tasks: &[TaskStatus]) {
        let people = tasks.iter().filter(|task| task.kind == TaskKind::Identity);
        *lock(&self.people) = people.map(|task| task.name.to_string()).collect();
    }

    /// Whether answers are wanted with their pictures.
    pub(crate) fn want_pictures(&self) -> bool {
        self.pictures.load(Ordering::Relaxed)
    }

    /// Withdraws all faces and ends the thread.
    pub(crate) fn end(&self) {
        let _ = self.heard.send(Heard::End);
        if let Some(thread) = lock(&self.thread).take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Announces the topics and publishes from now on. `camera_infos` is where the calibration of each camera comes.
///
/// # Errors
/// When ROS refuses a topic, or the system gives no thread.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    camera_infos: &[String],
) -> anyhow::Result<(Humans, FaceTopics)> {
    let calibrations: Vec<Calibration> =
        camera_infos.iter().map(|topic| calibration(node, runtime, topic)).collect::<r2r::Result<_>>()?;
    tracing::info!("publishes below /humans (REP-155); calibration is awaited on {}", camera_infos.join(", "));

    let (ask, wanted) = crossbeam_channel::bounded(QUEUE);
    let (made, publishers) = crossbeam_channel::bounded(QUEUE);
    let (heard, hears) = crossbeam_channel::bounded(ANSWERS);
    let humans = Humans { heard, pictures: Arc::default(), people: Arc::default(), thread: Arc::default() };
    let publisher = HumansPublisher::new(node, ask, publishers, calibrations, Arc::clone(&humans.people))?;
    *lock(&humans.thread) = Some(spawn(publisher, hears, Arc::clone(&humans.pictures))?);
    Ok((humans, FaceTopics::new(wanted, made)))
}

/// The newest calibration of a camera, from now on.
fn calibration(node: &mut Node, runtime: &Handle, topic: &str) -> r2r::Result<Calibration> {
    let camera = Calibration::default();
    let mut infos = node.subscribe::<CameraInfo>(topic, QosProfile::sensor_data().keep_last(1))?;
    let (newest, topic) = (Arc::clone(&camera), topic.to_owned());
    runtime.spawn(async move {
        let mut told = None;
        while let Some(info) = infos.next().await {
            let model = messages::camera_model(&info);
            let news = model.as_ref().map_or_else(ToString::to_string, |_| "heads have poses".to_owned());
            if told.as_ref() != Some(&news) {
                tracing::info!("{topic}: {news}");
                told = Some(news);
            }
            *lock(&newest) = model.ok();
        }
    });
    Ok(camera)
}

fn spawn(
    mut publisher: HumansPublisher,
    hears: Receiver<Heard>,
    pictures: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("humans".into()).spawn(move || {
        loop {
            let heard = match hears.recv_timeout(LOOK_UP) {
                Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => return publisher.withdraw_all(),
                Ok(heard) => Some(heard),
                Err(RecvTimeoutError::Timeout) => None,
            };
            // A frame that it panics at is left out; the panic itself is on the console.
            let _ = catch_unwind(AssertUnwindSafe(|| match heard {
                Some(Heard::Answer(camera, result)) => publisher.publish(camera, &result),
                Some(Heard::Nobody(camera)) => publisher.withdraw(camera),
                Some(Heard::End) | None => publisher.withdraw_silent(),
            }));
            pictures.store(publisher.wants_pictures(), Ordering::Relaxed);
        }
    })
}
