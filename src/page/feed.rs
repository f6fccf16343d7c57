//! What viewers see: the newest picture of each camera, the tasks, how the node is. No picture is made or kept while nobody looks.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use engine::{FrameResult, NewestSlot, TaskStatus, lock};
use r2r::diagnostic_msgs::msg::DiagnosticStatus;
use tokio::sync::watch;

use super::messages;
use crate::camera::Input;
use crate::options::{self, Live};

/// A message for all viewers.
pub(super) type Text = Arc<str>;
/// A picture with its faces, as it is sent.
pub(super) type Shown = Bytes;

/// The way of answers, tasks and diagnostics to those who look at the page.
#[derive(Clone)]
pub(crate) struct Page {
    feeds: Arc<Feeds>,
}

pub(super) struct Feeds {
    pub(super) cameras: Vec<CameraFeed>,
    pub(super) tasks: watch::Sender<Text>,
    pub(super) health: watch::Sender<Text>,
    known: Mutex<Known>,
}

/// What the newest message about tasks was made of.
#[derive(Default)]
struct Known {
    tasks: Vec<TaskStatus>,
    /// What trainings begun on the page have left as it was, by the id of what they trained: `mood@2`.
    promises: BTreeMap<String, String>,
}

pub(super) struct CameraFeed {
    /// Empty: the only one.
    pub(super) name: String,
    pub(super) input: Arc<Input>,
    answers: NewestSlot<FrameResult>,
    pub(super) shown: watch::Sender<Option<Shown>>,
    /// The newest answer with its picture, while somebody looks.
    newest: Mutex<Option<FrameResult>>,
}

impl Page {
    /// Starts a thread for each camera, which makes its pictures smaller for viewers.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(cameras: &[String], inputs: &[Arc<Input>], live: &Live) -> io::Result<Self> {
        let feed = |(name, input): (&String, &Arc<Input>)| CameraFeed {
            name: name.clone(),
            input: Arc::clone(input),
            answers: NewestSlot::default(),
            shown: watch::Sender::new(None),
            newest: Mutex::default(),
        };
        let feeds = Feeds {
            cameras: cameras.iter().zip(inputs).map(feed).collect(),
            tasks: watch::Sender::new(messages::tasks(&[], &BTreeMap::new()).into()),
            health: watch::Sender::new(messages::NO_HEALTH.into()),
            known: Mutex::default(),
        };
        let page = Self { feeds: Arc::new(feeds) };
        for camera in 0..cameras.len() {
            let (feeds, live) = (Arc::clone(&page.feeds), Arc::clone(live));
            std::thread::Builder::new().name("page".into()).spawn(move || show(&feeds.cameras[camera], &live))?;
        }
        Ok(page)
    }

    pub(super) fn feeds(&self) -> &Arc<Feeds> {
        &self.feeds
    }

    /// Whether somebody looks at a camera: its answers are wanted with their pictures.
    pub(crate) fn is_watched(&self, camera: usize) -> bool {
        self.feeds.cameras[camera].shown.receiver_count() > 0
    }

    /// Takes an answer of a camera that is watched.
    pub(crate) fn put(&self, camera: usize, result: FrameResult) {
        self.feeds.cameras[camera].answers.put(result);
    }

    /// Nobody looks at a camera any more: its last picture is let go.
    pub(crate) fn clear(&self, camera: usize) {
        let feed = &self.feeds.cameras[camera];
        let mut newest = lock(&feed.newest);
        if newest.take().is_some() {
            feed.shown.send_replace(None);
        }
    }

    /// Takes over the tasks.
    pub(crate) fn set_tasks(&self, tasks: &[TaskStatus]) {
        self.change(|known| known.tasks = tasks.to_vec());
    }

    /// What a training that was begun on the page has left as it was, in words.
    pub(super) fn set_promise(&self, task_id: String, promise: String) {
        self.change(|known| drop(known.promises.insert(task_id, promise)));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = lock(&self.feeds.known);
        change(&mut known);
        self.feeds.tasks.send_replace(messages::tasks(&known.tasks, &known.promises).into());
    }

    /// Takes over how the node is, where somebody wants to know.
    pub(crate) fn set_health(&self, statuses: &[DiagnosticStatus]) {
        if self.feeds.health.receiver_count() == 0 {
            return;
        }
        let cameras: Vec<(&str, Option<String>)> =
            self.feeds.cameras.iter().map(|feed| (feed.name.as_str(), feed.input.counts().silence)).collect();
        self.feeds.health.send_replace(messages::health(statuses, &cameras).into());
    }

    /// Ends the threads.
    pub(crate) fn end(&self) {
        self.feeds.cameras.iter().for_each(|feed| feed.answers.close());
    }
}

impl Feeds {
    /// The number of the camera of a name; of an empty one, the first.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        if name.is_empty() { Some(0) } else { self.cameras.iter().position(|feed| feed.name == name) }
    }
}

impl CameraFeed {
    /// The newest answer with its picture; none while nobody has looked.
    pub(super) fn newest(&self) -> Option<FrameResult> {
        lock(&self.newest).clone()
    }
}

/// Makes messages of answers until the slot is closed.
fn show(feed: &CameraFeed, live: &Live) {
    while let Some(result) = feed.answers.take() {
        match messages::frame(&feed.name, &result, options::current(live).page.jpeg_quality) {
            Ok(Some(message)) => {
                // Under one lock, so that both go together.
                let mut newest = lock(&feed.newest);
                let is_watched = feed.shown.receiver_count() > 0;
                *newest = is_watched.then_some(result);
                feed.shown.send_replace(is_watched.then(|| message.into()));
            }
            Ok(None) => {}
            Err(error) => tracing::debug!("no picture for the page: {error}"),
        }
    }
}
