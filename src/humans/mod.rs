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

use engine::{FrameResult, NewestSlot, TaskKind, TaskStatus, lock};
use futures::StreamExt;
use r2r::sensor_msgs::msg::CameraInfo;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;
use vision::CameraModel;

pub(crate) use self::topics::FaceTopics;

use self::publishing::HumansPublisher;

/// Length of the queues between the two threads: more than the faces of one frame.
const QUEUE: usize = 2048;

/// Whether this program was built with `hri_msgs` and `tf2_msgs`.
pub(crate) const BUILT_IN: bool = true;

/// The way of answers to those who publish them.
#[derive(Clone)]
pub(crate) struct Humans {
    /// None: the camera is not looked at any more.
    answers: Arc<NewestSlot<Option<FrameResult>>>,
    /// Somebody subscribes to pictures of faces.
    pictures: Arc<AtomicBool>,
    /// Names of the tasks whose labels are people.
    people: Arc<Mutex<Vec<String>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Humans {
    /// Takes an answer.
    pub(crate) fn put(&self, result: FrameResult) {
        self.answers.put(Some(result));
    }

    /// Nobody is there any more, as far as this node knows.
    pub(crate) fn nobody(&self) {
        self.answers.put(None);
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
        self.answers.close();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Announces the topics and publishes from now on. `camera_info` is where the camera's calibration comes.
///
/// # Errors
/// When ROS refuses a topic, or the system gives no thread.
pub(crate) fn start(node: &mut Node, runtime: &Handle, camera_info: &str) -> anyhow::Result<(Humans, FaceTopics)> {
    let camera: Arc<Mutex<Option<CameraModel>>> = Arc::default();
    let mut infos = node.subscribe::<CameraInfo>(camera_info, QosProfile::sensor_data().keep_last(1))?;
    let newest = Arc::clone(&camera);
    runtime.spawn(async move {
        let mut told = None;
        while let Some(info) = infos.next().await {
            let model = messages::camera_model(&info);
            let news = model.as_ref().map_or_else(ToString::to_string, |_| "heads have poses".to_owned());
            if told.as_ref() != Some(&news) {
                tracing::info!("the camera's calibration: {news}");
                told = Some(news);
            }
            *lock(&newest) = model.ok();
        }
    });
    tracing::info!("publishes below /humans (REP-155); the camera's calibration is awaited on {camera_info}");

    let (ask, wanted) = crossbeam_channel::bounded(QUEUE);
    let (made, publishers) = crossbeam_channel::bounded(QUEUE);
    let humans =
        Humans { answers: Arc::default(), pictures: Arc::default(), people: Arc::default(), thread: Arc::default() };
    let publisher = HumansPublisher::new(node, ask, publishers, camera, Arc::clone(&humans.people))?;
    *lock(&humans.thread) = Some(spawn(publisher, &humans)?);
    Ok((humans, FaceTopics::new(wanted, made)))
}

fn spawn(mut publisher: HumansPublisher, humans: &Humans) -> io::Result<JoinHandle<()>> {
    let (answers, pictures) = (Arc::clone(&humans.answers), Arc::clone(&humans.pictures));
    std::thread::Builder::new().name("humans".into()).spawn(move || {
        while let Some(result) = answers.take() {
            // A frame that it panics at is left out; the panic itself is on the console.
            let _ = catch_unwind(AssertUnwindSafe(|| match result {
                Some(result) => publisher.publish(&result),
                None => publisher.withdraw_all(),
            }));
            pictures.store(publisher.wants_pictures(), Ordering::Relaxed);
        }
        publisher.withdraw_all();
    })
}
