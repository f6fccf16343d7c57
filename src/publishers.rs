//! Answers out: one message per processed frame, the task list at every change, a marked picture while somebody looks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use engine::{Camera, Engine, EngineConfig, FrameResult, NewestSlot, TaskStatus};
use r2r::face_attributes::msg::{FaceAttributesArray, TaskArray};
use r2r::sensor_msgs::msg::CompressedImage;
use r2r::{Node, Publisher, QosProfile};

use crate::annotate::annotated;
use crate::camera::Input;
use crate::clock::NodeClock;
use crate::convert::{face_attributes_array, task_array};
use crate::explanations::explain_loop;
use crate::humans::Humans;
use crate::names;
use crate::options::{self, Live};
use crate::page::Page;
use crate::ros::{is_watched, log_unpublished};
use crate::shutdown::Stop;

/// How often threads that wait look up.
const GLANCE: Duration = Duration::from_millis(100);

/// What is published, and what says how.
pub(crate) struct Publishing {
    pub(crate) engine: Arc<Engine>,
    pub(crate) config: EngineConfig,
    /// One a camera.
    pub(crate) inputs: Vec<Arc<Input>>,
    pub(crate) humans: Option<Humans>,
    pub(crate) page: Option<Page>,
    pub(crate) live: Live,
    pub(crate) clock: NodeClock,
    pub(crate) stop: Stop,
}

/// The topics about the faces of one camera.
#[derive(Clone)]
struct CameraPublishers {
    attributes: Publisher<FaceAttributesArray>,
    annotated: Publisher<CompressedImage>,
    explanation: Publisher<CompressedImage>,
}

/// The topics about faces and tasks.
pub(crate) struct Publishers {
    cameras: Vec<CameraPublishers>,
    tasks: Publisher<TaskArray>,
}

impl Publishers {
    /// Announces the topics of cameras and tasks. `qos` says what parameters make of a topic's own quality of service.
    ///
    /// # Errors
    /// When ROS refuses one.
    pub(crate) fn new(
        node: &mut Node,
        cameras: &[String],
        qos: impl Fn(&str, QosProfile) -> QosProfile,
    ) -> r2r::Result<Self> {
        // Reliable, so that viewers of either kind match.
        let [all, newest] = [QosProfile::default(), QosProfile::default().keep_last(1)];
        let lasting = newest.clone().transient_local();
        let of_camera = |camera: &String| {
            let name = |name| names::of_camera(camera, name);
            let [attributes, annotated, explanation] = names::OF_A_CAMERA.map(name);
            Ok(CameraPublishers {
                attributes: node.create_publisher(&attributes, qos(&attributes, all.clone()))?,
                annotated: node.create_publisher(&annotated, qos(&annotated, newest.clone()))?,
                explanation: node.create_publisher(&explanation, qos(&explanation, newest.clone()))?,
            })
        };
        let cameras = cameras.iter().map(of_camera).collect::<r2r::Result<_>>()?;
        Ok(Self { cameras, tasks: node.create_publisher(names::TASKS, qos(names::TASKS, lasting))? })
    }

    /// Publishes from threads of their own until the stop is set.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(&self, of: &Publishing) -> io::Result<Vec<JoinHandle<()>>> {
        let mut threads = vec![];
        for (index, (publishers, input)) in self.cameras.iter().zip(&of.inputs).enumerate() {
            threads.extend(publishers.start(index, of, input)?);
        }
        let (tasks, clock, humans) = (self.tasks.clone(), of.clock.clone(), of.humans.clone());
        let (engine, stop, page) = (Arc::clone(&of.engine), of.stop.clone(), of.page.clone());
        threads.push(thread("tasks").spawn(move || {
            let told = |list: &[TaskStatus]| {
                publish_tasks(&tasks, &clock, list);
                humans.iter().for_each(|humans| humans.set_tasks(list));
                page.iter().for_each(|page| page.set_tasks(list));
            };
            tasks_loop(&engine, told, &stop);
        })?);
        Ok(threads)
    }

    /// Tells that there are no tasks: no model is in memory.
    pub(crate) fn no_tasks(&self, clock: &NodeClock, page: Option<&Page>) {
        publish_tasks(&self.tasks, clock, &[]);
        page.iter().for_each(|page| page.set_tasks(&[]));
    }
}

fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into())
}

impl CameraPublishers {
    /// The threads of one camera.
    fn start(&self, index: usize, of: &Publishing, input: &Arc<Input>) -> io::Result<Vec<JoinHandle<()>>> {
        let (pictures, faces) = (Arc::new(NewestSlot::default()), Arc::new(NewestSlot::default()));
        let curious = Arc::new(AtomicBool::new(false));
        let answers = Answers {
            camera: of.engine.camera(index),
            index,
            input: Arc::clone(input),
            attributes: self.attributes.clone(),
            viewers: self.annotated.clone(),
            pictures: Arc::clone(&pictures),
            curious: self.explanation.clone(),
            explanations_wanted: Arc::clone(&curious),
            faces: Arc::clone(&faces),
            humans: of.humans.clone(),
            page: of.page.clone(),
            live: Arc::clone(&of.live),
        };
        let (annotated, explanation, config) = (self.annotated.clone(), self.explanation.clone(), of.config.clone());
        let (quality, live, stop) = (Arc::clone(&of.live), Arc::clone(&of.live), of.stop.clone());
        Ok(vec![
            thread("answers").spawn(move || answers.run(&stop))?,
            thread("annotated").spawn(move || annotate_loop(&pictures, &annotated, &live))?,
            thread("explanation").spawn(move || {
                let quality = || options::current(&quality).annotated.jpeg_quality;
                explain_loop(&faces, &explanation, &curious, &config, quality);
            })?,
        ])
    }
}

struct Answers {
    camera: Camera,
    /// Which one it is.
    index: usize,
    input: Arc<Input>,
    attributes: Publisher<FaceAttributesArray>,
    viewers: Publisher<CompressedImage>,
    pictures: Arc<NewestSlot<FrameResult>>,
    curious: Publisher<CompressedImage>,
    explanations_wanted: Arc<AtomicBool>,
    faces: Arc<NewestSlot<FrameResult>>,
    humans: Option<Humans>,
    page: Option<Page>,
    live: Live,
}

impl Answers {
    fn run(self, stop: &Stop) {
        let results = self.camera.results();
        let mut looked = Instant::now();
        let (mut pace, mut explaining, mut page_pace) = (Pace::default(), Pace::default(), Pace::default());
        let (mut explained, mut viewed) = (false, false);
        while !stop.is_set() {
            let result = results.recv_timeout(GLANCE);
            let active = self.input.is_active();
            match result {
                // A frame that was on its way when the node was deactivated.
                Ok(_) if !active => {}
                Ok(result) => {
                    log_unpublished(names::ATTRIBUTES, self.attributes.publish(&face_attributes_array(&result)));
                    if let Some(humans) = &self.humans {
                        humans.put(self.index, result.clone());
                    }
                    let live = options::current(&self.live);
                    if let Some(page) = self.page.as_ref().filter(|page| page.is_watched(self.index))
                        && result.image.is_some()
                        && page_pace.is_due(Instant::now(), live.page.rate_hz)
                    {
                        page.put(self.index, result.clone());
                    }
                    let wanted = self.explanations_wanted.load(Ordering::Relaxed);
                    if wanted && result.image.is_some() && explaining.is_due(Instant::now(), live.explanation.rate_hz) {
                        self.faces.put(result.clone());
                        explained = true;
                    } else if explained && !wanted {
                        // Nothing is explained any more: the weights for it are given up.
                        self.faces.put(result.clone());
                        explained = false;
                    }
                    if viewed && result.image.is_some() && pace.is_due(Instant::now(), live.annotated.rate_hz) {
                        self.pictures.put(result);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if looked.elapsed() >= GLANCE {
                looked = Instant::now();
                let live = options::current(&self.live);
                let wanted =
                    |publisher: &Publisher<CompressedImage>, rate_hz: f32| rate_hz > 0.0 && is_watched(publisher);
                let explanations = wanted(&self.curious, live.explanation.rate_hz);
                self.explanations_wanted.store(explanations, Ordering::Relaxed);
                viewed = wanted(&self.viewers, live.annotated.rate_hz);
                let humans = self.humans.as_ref().is_some_and(Humans::want_pictures);
                let paged = active && self.page.as_ref().is_some_and(|page| page.is_watched(self.index));
                if let Some(page) = self.page.as_ref().filter(|_| !paged) {
                    page.clear(self.index);
                }
                self.camera.keep_images(viewed || explanations || humans || paged);
            }
        }
        if let Some(humans) = &self.humans {
            humans.nobody(self.index);
        }
        if let Some(page) = &self.page {
            page.clear(self.index);
        }
        self.pictures.close();
        self.faces.close();
    }
}

fn annotate_loop(pictures: &NewestSlot<FrameResult>, publisher: &Publisher<CompressedImage>, live: &Live) {
    while let Some(result) = pictures.take() {
        match annotated(result, options::current(live).annotated.jpeg_quality) {
            Ok(Some(picture)) => log_unpublished(names::ANNOTATED, publisher.publish(&picture)),
            Ok(None) => {}
            Err(error) => tracing::debug!("no annotated picture: {error}"),
        }
    }
}

/// Tells the tasks now and at every change.
fn tasks_loop(engine: &Engine, told: impl Fn(&[TaskStatus]), stop: &Stop) {
    let changes = engine.tasks().changes();
    told(&engine.tasks().list());
    while !stop.is_set() {
        match changes.recv_timeout(GLANCE) {
            Ok(()) => told(&engine.tasks().list()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}

fn publish_tasks(publisher: &Publisher<TaskArray>, clock: &NodeClock, tasks: &[TaskStatus]) {
    log_unpublished(names::TASKS, publisher.publish(&task_array(clock.now(), tasks)));
}

/// Time between two pictures at most, however low the rate.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Lets through so many a second at most, evenly.
#[derive(Debug, Default)]
struct Pace {
    due: Option<Instant>,
}

impl Pace {
    fn is_due(&mut self, now: Instant, rate_hz: f32) -> bool {
        if rate_hz <= 0.0 {
            return false;
        }
        // Very low rates are more seconds than a clock holds.
        let period = Duration::try_from_secs_f32(1.0 / rate_hz).unwrap_or(LONGEST).min(LONGEST);
        // What is further away than a period was planned at a lower rate.
        if self.due.is_some_and(|due| now < due && due - now <= period) {
            return false;
        }
        // From the time it was due, so that the camera's own rhythm does not lower the rate; not from long ago.
        let next = self.due.map_or(now, |due| due.min(now).max(now - period.min(Duration::from_secs(1)))) + period;
        self.due = Some(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames let through of ten seconds at 30 Hz.
    fn passed(rate_hz: f32) -> usize {
        let mut pace = Pace::default();
        let start = Instant::now() + Duration::from_secs(10);
        (0..300).filter(|frame| pace.is_due(start + *frame * Duration::from_secs(1) / 30, rate_hz)).count()
    }

    #[test]
    fn the_pace_is_kept_whatever_the_cameras_rate() {
        assert_eq!(passed(0.0), 0);
        assert!((99..=101).contains(&passed(10.0)), "{}", passed(10.0));
        assert!((119..=121).contains(&passed(12.0)), "{}", passed(12.0));
        assert_eq!(passed(60.0), 300);
    }

    #[test]
    fn a_rate_as_low_as_can_be_lets_one_through_and_a_higher_one_counts_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for rate_hz in [1e-20, 1e-40, 1e-3] {
            pace.due = None;
            assert!(pace.is_due(now, rate_hz) && !pace.is_due(now + Duration::from_secs(60), rate_hz));
        }
        assert!(pace.is_due(now + Duration::from_secs(61), 10.0));
    }
}
