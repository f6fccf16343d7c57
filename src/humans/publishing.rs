//! What is published of each frame.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use engine::{Face, FrameResult, Stamp, lock};
use r2r::hri_msgs::msg::{IdsList, IdsMatch};
use r2r::sensor_msgs::msg::Image;
use r2r::std_msgs::msg::Header;
use r2r::tf2_msgs::msg::TFMessage;
use r2r::{Node, Publisher, QosProfile};
use vision::{CameraModel, SteadyPose, align};

use super::messages;
use super::topics::{FacePublishers, Wanted};

const TRACKED: &str = "/humans/faces/tracked";
const CANDIDATES: &str = "/humans/candidate_matches";
const TF: &str = "/tf";
/// How often it is asked whether somebody looks at pictures.
const GLANCE: Duration = Duration::from_millis(500);

/// Everything that is published below `/humans`.
pub(super) struct Publishing {
    tracked: Publisher<IdsList>,
    candidates: Publisher<IdsMatch>,
    tf: Publisher<TFMessage>,
    ask: Sender<Wanted>,
    made: Receiver<Box<FacePublishers>>,
    camera: Arc<Mutex<Option<CameraModel>>>,
    people: Arc<Mutex<Vec<String>>>,
    faces: HashMap<String, TrackedFace>,
    glanced: Option<Instant>,
    pictures: bool,
    last: Header,
}

/// A face that is followed.
#[derive(Default)]
struct TrackedFace {
    /// Until they are made nothing is said of it.
    publishers: Option<Box<FacePublishers>>,
    pose: SteadyPose,
    /// The newest judgements that were published.
    expression: Option<Stamp>,
    biometrics: [Option<Stamp>; 2],
    /// Who it may be, by task.
    candidates: HashMap<String, (String, Stamp)>,
}

impl Publishing {
    pub(super) fn new(
        node: &mut Node,
        ask: Sender<Wanted>,
        made: Receiver<Box<FacePublishers>>,
        camera: Arc<Mutex<Option<CameraModel>>>,
        people: Arc<Mutex<Vec<String>>>,
    ) -> r2r::Result<Self> {
        let newest = QosProfile::default().keep_last(1);
        Ok(Self {
            tracked: node.create_publisher(TRACKED, newest)?,
            candidates: node.create_publisher(CANDIDATES, QosProfile::default())?,
            tf: node.create_publisher(TF, QosProfile::default().keep_last(100))?,
            ask,
            made,
            camera,
            people,
            faces: HashMap::new(),
            glanced: None,
            pictures: false,
            last: Header::default(),
        })
    }

    /// Whether somebody looks at a picture of a face.
    pub(super) fn wants_pictures(&self) -> bool {
        self.pictures
    }

    /// Publishes what there is in a frame, and withdraws the faces that have gone.
    pub(super) fn publish(&mut self, result: &FrameResult) {
        self.take_publishers();
        if self.glanced.is_none_or(|at| at.elapsed() >= GLANCE) {
            self.glanced = Some(Instant::now());
            self.pictures = self.faces.values().any(TrackedFace::wants_pictures);
        }
        self.last = messages::header(result);
        let present: Vec<String> = result.faces.iter().map(|face| face.track_id.to_string()).collect();
        self.withdraw(|id| !present.iter().any(|other| other == id));
        let (camera, people) = (lock(&self.camera).clone(), lock(&self.people).clone());
        let mut transforms = vec![];
        for (face, id) in result.faces.iter().zip(&present) {
            let tracked = match self.faces.get_mut(id) {
                Some(tracked) => tracked,
                None => {
                    if self.ask.try_send(Wanted::Publishers(id.clone())).is_err() {
                        // With the next frame.
                        continue;
                    }
                    self.faces.entry(id.clone()).or_default()
                }
            };
            let pose = camera.as_ref().zip(face.landmarks.as_ref()).and_then(|(camera, landmarks)| {
                let pose = camera.head_pose(landmarks, result.size);
                pose.inspect_err(|error| tracing::debug!("no pose: {error}")).ok().flatten()
            });
            if let Some(pose) = pose {
                let steady = tracked.pose.update(pose, result.stamp.seconds());
                transforms.extend(messages::transforms(result, id, &steady));
            }
            tracked.publish(result, face);
            for candidate in tracked.candidates(id, face, &people) {
                log(CANDIDATES, self.candidates.publish(&candidate));
            }
        }
        if !transforms.is_empty() {
            log(TF, self.tf.publish(&TFMessage { transforms }));
        }
        // Last: whoever hears of a face finds its topics.
        let known = |id: &String| self.faces.get(id).is_some_and(|face| face.publishers.is_some());
        let ids = present.into_iter().filter(known).collect();
        log(TRACKED, self.tracked.publish(&IdsList { header: self.last.clone(), ids }));
    }

    /// Nobody is there any more.
    pub(super) fn withdraw_all(&mut self) {
        self.take_publishers();
        self.withdraw(|_| true);
        self.pictures = false;
        log(TRACKED, self.tracked.publish(&IdsList { header: self.last.clone(), ids: vec![] }));
    }

    fn take_publishers(&mut self) {
        for publishers in self.made.try_iter() {
            match self.faces.get_mut(&publishers.id) {
                Some(face) => face.publishers = Some(publishers),
                // It has gone in the meantime.
                None => drop(self.ask.try_send(Wanted::NoLonger(publishers))),
            }
        }
    }

    fn withdraw(&mut self, gone: impl Fn(&str) -> bool) {
        let (ask, candidates) = (&self.ask, &self.candidates);
        self.faces.retain(|id, face| {
            if !gone(id) {
                return true;
            }
            for (person, _) in face.candidates.values() {
                log(CANDIDATES, candidates.publish(&messages::candidate(id, person, 0.0)));
            }
            if let Some(publishers) = face.publishers.take() {
                let _ = ask.try_send(Wanted::NoLonger(publishers));
            }
            false
        });
    }
}

impl TrackedFace {
    fn publish(&mut self, result: &FrameResult, face: &Face) {
        let Some(publishers) = &self.publishers else { return };
        log("roi", publishers.roi.publish(&messages::roi(result, face)));
        if let Some(landmarks) = messages::landmarks(result, face) {
            log("landmarks", publishers.landmarks.publish(&landmarks));
        }
        if let Some(picture) = &result.image {
            if watched(&publishers.cropped) {
                let cropped = messages::cropped(result, face, picture);
                log("cropped", cropped.map_or(Ok(()), |cropped| publishers.cropped.publish(&cropped)));
            }
            if watched(&publishers.aligned) {
                // A face at the edge of the picture may not be there to the end.
                if let Ok(aligned) = align::face(picture, face.landmarks.as_ref(), &face.roi) {
                    log("aligned", publishers.aligned.publish(&messages::aligned(result, &aligned)));
                }
            }
        }
        // Judgements come at the network's rate, not at the camera's.
        if let Some(emotion) = messages::of_task(face, "emotion").filter(|now| self.expression != Some(now.stamp)) {
            self.expression = Some(emotion.stamp);
            log("expression", publishers.expression.publish(&messages::expression(result, emotion)));
        }
        let (age, gender) = (messages::of_task(face, "age"), messages::of_task(face, "gender"));
        let newest = [age, gender].map(|told| told.map(|told| told.stamp));
        if newest != [None, None] && newest != self.biometrics {
            self.biometrics = newest;
            let told = messages::soft_biometrics(result, age, gender);
            log("softbiometrics", publishers.soft_biometrics.publish(&told));
        }
    }

    /// Who it may be, as far as that is news, and who it is not any more.
    fn candidates(&mut self, id: &str, face: &Face, people: &[String]) -> Vec<IdsMatch> {
        let mut news = vec![];
        for attribute in &face.attributes {
            let task = attribute.task.as_str();
            if !people.iter().any(|known| known == task) {
                continue;
            }
            let before = self.candidates.get(task).cloned();
            let now = attribute.label.as_ref().map(|label| label.as_str().to_owned());
            if let Some((person, _)) = before.as_ref().filter(|(person, _)| now.as_ref() != Some(person)) {
                news.push(messages::candidate(id, person, 0.0));
                self.candidates.remove(task);
            }
            if let Some(person) = now.filter(|_| before.is_none_or(|(_, stamp)| stamp != attribute.stamp)) {
                news.push(messages::candidate(id, &person, attribute.confidence));
                self.candidates.insert(task.to_owned(), (person, attribute.stamp));
            }
        }
        news
    }

    fn wants_pictures(&self) -> bool {
        self.publishers.as_ref().is_some_and(|face| watched(&face.cropped) || watched(&face.aligned))
    }
}

fn watched(publisher: &Publisher<Image>) -> bool {
    publisher.get_inter_process_subscription_count().unwrap_or(0) > 0
}

fn log(topic: &str, published: r2r::Result<()>) {
    if let Err(error) = published {
        tracing::debug!("{topic}: {error}");
    }
}
