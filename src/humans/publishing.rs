//! What is published of each frame.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use engine::{FrameResult, lock};
use r2r::hri_msgs::msg::{IdsList, IdsMatch};
use r2r::std_msgs::msg::Header;
use r2r::tf2_msgs::msg::TFMessage;
use r2r::{Node, Publisher, QosProfile};

use super::face::TrackedFace;
use super::messages;
use super::topics::{Calibration, Made, Wanted};
use crate::convert::header;
use crate::names;
use crate::ros::log_unpublished;

/// How often it is asked whether somebody subscribes to pictures.
const GLANCE: Duration = Duration::from_millis(500);
/// The faces of a camera that has not sent for so long are given up.
const SILENT: Duration = Duration::from_secs(3);

/// Publishes below `/humans`.
pub(super) struct HumansPublisher {
    tracked: Publisher<IdsList>,
    candidates: Publisher<IdsMatch>,
    tf: Publisher<TFMessage>,
    ask: Sender<Wanted>,
    made: Receiver<Made>,
    calibrations: Vec<Calibration>,
    people: Arc<Mutex<Vec<String>>>,
    /// The faces that each camera follows, and when it told.
    active: Vec<(Vec<String>, Instant)>,
    faces: HashMap<String, TrackedFace>,
    glanced: Option<Instant>,
    pictures: bool,
    last: Header,
    /// It was told that transforms need a frame.
    nameless: bool,
}

impl HumansPublisher {
    pub(super) fn new(
        node: &mut Node,
        ask: Sender<Wanted>,
        made: Receiver<Made>,
        calibrations: Vec<Calibration>,
        people: Arc<Mutex<Vec<String>>>,
    ) -> r2r::Result<Self> {
        let newest = QosProfile::default().keep_last(1);
        Ok(Self {
            tracked: node.create_publisher(names::FACES_TRACKED, newest)?,
            candidates: node.create_publisher(names::CANDIDATE_MATCHES, QosProfile::default())?,
            tf: node.create_publisher(names::TF, QosProfile::default().keep_last(100))?,
            ask,
            made,
            active: vec![(vec![], Instant::now()); calibrations.len()],
            calibrations,
            people,
            faces: HashMap::new(),
            glanced: None,
            pictures: false,
            last: Header::default(),
            nameless: false,
        })
    }

    /// Whether somebody subscribes to a picture of a face.
    pub(super) fn wants_pictures(&self) -> bool {
        self.pictures
    }

    /// Publishes what there is in a camera's frame, and withdraws the faces that are not followed any more.
    pub(super) fn publish(&mut self, camera: usize, result: &FrameResult) {
        self.take_publishers();
        if self.glanced.is_none_or(|at| at.elapsed() >= GLANCE) {
            self.glanced = Some(Instant::now());
            self.pictures = self.faces.values().any(TrackedFace::wants_pictures);
        }
        self.last = header(result);
        let now = Instant::now();
        self.active[camera] = (result.active.iter().map(ToString::to_string).collect(), now);
        self.forget_silent(now);
        self.withdraw_others();
        let (camera, people) = (lock(&self.calibrations[camera]).clone(), lock(&self.people).clone());
        let camera = camera.filter(|_| self.has_frame());
        let mut transforms = vec![];
        for face in &result.faces {
            let id = face.track_id.to_string();
            if !self.faces.contains_key(&id) && self.ask.try_send(Wanted::Topics(id.clone())).is_err() {
                // With the next frame.
                continue;
            }
            let tracked = self.faces.entry(id.clone()).or_default();
            if let Some(pose) = camera.as_ref().and_then(|camera| tracked.pose(camera, result, face)) {
                transforms.extend(messages::transforms(result, &id, &pose));
            }
            tracked.publish(result, face);
            for candidate in tracked.candidates(&id, face, &people) {
                log_unpublished(names::CANDIDATE_MATCHES, self.candidates.publish(&candidate));
            }
        }
        if !transforms.is_empty() {
            log_unpublished(names::TF, self.tf.publish(&TFMessage { transforms }));
        }
        // Last: whoever hears of a face finds its topics.
        self.tell_tracked();
    }

    /// Nobody is before a camera any more.
    pub(super) fn withdraw(&mut self, camera: usize) {
        self.active[camera].0.clear();
        self.take_publishers();
        self.withdraw_others();
        self.pictures = self.faces.values().any(TrackedFace::wants_pictures);
        self.tell_tracked();
    }

    /// Withdraws the faces of cameras that have not sent for so long that nobody knows who is there.
    pub(super) fn withdraw_silent(&mut self) {
        if self.forget_silent(Instant::now()) {
            self.withdraw_others();
            self.tell_tracked();
        }
    }

    /// Whether there were faces of such cameras.
    fn forget_silent(&mut self, now: Instant) -> bool {
        let mut forgotten = false;
        for (ids, _) in self.active.iter_mut().filter(|(_, told)| now.duration_since(*told) > SILENT) {
            forgotten |= !ids.is_empty();
            ids.clear();
        }
        forgotten
    }

    /// Nobody is there any more.
    pub(super) fn withdraw_all(&mut self) {
        for camera in 0..self.active.len() {
            self.withdraw(camera);
        }
    }

    /// Lists the faces that are followed, also those that are missed for some frames.
    fn tell_tracked(&mut self) {
        let has_topics = |id: &&String| self.faces.get(*id).is_some_and(TrackedFace::has_topics);
        let ids = self.active.iter().flat_map(|(ids, _)| ids).filter(has_topics).cloned().collect();
        log_unpublished(names::FACES_TRACKED, self.tracked.publish(&IdsList { header: self.last.clone(), ids }));
    }

    /// Whether pictures name their frame; transforms are relative to it.
    fn has_frame(&mut self) -> bool {
        let has_frame = !self.last.frame_id.is_empty();
        if !has_frame && !std::mem::replace(&mut self.nameless, true) {
            tracing::warn!("pictures have an empty frame_id: heads have no frames on {}", names::TF);
        }
        has_frame
    }

    fn take_publishers(&mut self) {
        for (id, publishers) in self.made.try_iter() {
            // One that has gone in the meantime has been given up already.
            if let Some(face) = self.faces.get_mut(&id) {
                face.set_topics(publishers);
            }
        }
    }

    /// Ends the faces that no camera follows.
    fn withdraw_others(&mut self) {
        let (ask, candidates, active) = (&self.ask, &self.candidates, &self.active);
        self.faces.retain(|id, face| {
            if active.iter().any(|(ids, _)| ids.contains(id)) {
                return true;
            }
            for candidate in face.no_candidates(id) {
                log_unpublished(names::CANDIDATE_MATCHES, candidates.publish(&candidate));
            }
            // A full queue keeps the face for another frame.
            ask.try_send(Wanted::NoTopics(id.clone())).is_err()
        });
    }
}
