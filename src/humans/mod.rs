//! People as REP-155 has them (<https://www.ros.org/reps/rep-0155.html>): topics below `/humans`, frames of heads.

mod messages;
mod publishing;
mod topics;

use std::io;
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

use self::publishing::Publishing;

/// Faces that wait for their topics, or for the end of them: more than a frame has.
const QUEUE: usize = 2048;

/// Whether this program was built with `hri_msgs` and `tf2_msgs`.
pub(crate) const BUILT_IN: bool = true;

/// The way of answers to those who publish them.
#[derive(Clone)]
pub(crate) struct Humans {
    /// None: the camera is not looked at any more.
    answers: Arc<NewestSlot<Option<FrameResult>>>,
    /// Somebody looks at pictures of faces.
    pictures: Arc<AtomicBool>,
    /// Names of the tasks whose labels are people.
    people: Arc<Mutex<Vec<String>>>,
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

    /// Lets the thread go.
    pub(crate) fn close(&self) {
        self.answers.close();
    }
}

/// Announces the topics and publishes from now on. `camera_info` is where the camera's calibration comes.
///
/// # Errors
/// When ROS refuses a topic, or the system gives no thread.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    camera_info: &str,
) -> anyhow::Result<(Humans, FaceTopics, JoinHandle<()>)> {
    let camera: Arc<Mutex<Option<CameraModel>>> = Arc::default();
    let mut infos = node.subscribe::<CameraInfo>(camera_info, QosProfile::sensor_data().keep_last(1))?;
    let newest = Arc::clone(&camera);
    runtime.spawn(async move {
        while let Some(info) = infos.next().await {
            let model = messages::camera_model(&info);
            let mut camera = lock(&newest);
            if *camera != model {
                let calibrated = if model.is_some() { "calibrated: heads have poses" } else { "not calibrated" };
                tracing::info!("the camera is {calibrated}");
                *camera = model;
            }
        }
    });
    tracing::info!("publishes below /humans (REP-155); the camera's calibration is awaited on {camera_info}");

    let (ask, wanted) = crossbeam_channel::bounded(QUEUE);
    let (made, publishers) = crossbeam_channel::bounded(QUEUE);
    let humans = Humans { answers: Arc::default(), pictures: Arc::default(), people: Arc::default() };
    let publishing = Publishing::new(node, ask, publishers, camera, Arc::clone(&humans.people))?;
    let thread = spawn(publishing, &humans)?;
    Ok((humans, FaceTopics { wanted, made }, thread))
}

fn spawn(mut publishing: Publishing, humans: &Humans) -> io::Result<JoinHandle<()>> {
    let Humans { answers, pictures, .. } = humans.clone();
    std::thread::Builder::new().name("humans".into()).spawn(move || {
        while let Some(result) = answers.take() {
            match result {
                Some(result) => publishing.publish(&result),
                None => publishing.withdraw_all(),
            }
            pictures.store(publishing.wants_pictures(), Ordering::Relaxed);
        }
    })
}
