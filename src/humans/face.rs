//! One face: what was published of it so far.

use std::collections::HashMap;
use std::sync::Once;

use engine::{Face, FrameResult, Stamp};
use r2r::hri_msgs::msg::IdsMatch;
use vision::{CameraModel, HeadPose, SteadyPose, align};

use super::messages;
use super::topics::FacePublishers;
use crate::ros::{is_watched, log_unpublished};

/// A face that is followed.
#[derive(Default)]
pub(super) struct TrackedFace {
    /// Until they are made nothing is said of it.
    topics: Option<Box<FacePublishers>>,
    pose: SteadyPose,
    /// The newest judgements that were published.
    expression: Option<Stamp>,
    biometrics: [Option<Stamp>; 2],
    /// Who it may be, by task.
    candidates: HashMap<String, (String, Stamp)>,
}

impl TrackedFace {
    pub(super) fn has_topics(&self) -> bool {
        self.topics.is_some()
    }

    pub(super) fn set_topics(&mut self, topics: Box<FacePublishers>) {
        self.topics = Some(topics);
    }

    /// Where the head is, steadied over time.
    pub(super) fn pose(&mut self, camera: &CameraModel, result: &FrameResult, face: &Face) -> Option<HeadPose> {
        let pose = camera.head_pose(face.landmarks.as_ref()?, result.size);
        let pose = pose.inspect_err(|error| tracing::debug!("no pose: {error}")).ok().flatten()?;
        Some(self.pose.update(pose, result.stamp.seconds()))
    }

    /// Publishes what there is of it in a frame.
    pub(super) fn publish(&mut self, result: &FrameResult, face: &Face) {
        let Some(topics) = &self.topics else { return };
        log_unpublished("roi", topics.roi.publish(&messages::roi(result, face)));
        if let Some(landmarks) = messages::landmarks(result, face) {
            log_unpublished("landmarks", topics.landmarks.publish(&landmarks));
        }
        if let Some(picture) = &result.image {
            if is_watched(&topics.cropped)
                && let Some(cropped) = messages::cropped(result, face, picture)
            {
                log_unpublished("cropped", topics.cropped.publish(&cropped));
            }
            // A face at the edge of the picture cannot always be aligned.
            if is_watched(&topics.aligned)
                && let Ok(aligned) = align::face(picture, face.landmarks.as_ref(), &face.roi)
            {
                log_unpublished("aligned", topics.aligned.publish(&messages::aligned(result, &aligned)));
            }
        }
        // Judgements come at the network's rate, not at the camera's.
        if let Some(emotion) = messages::of_task(face, "emotion").filter(|now| self.expression != Some(now.stamp)) {
            self.expression = Some(emotion.stamp);
            log_unpublished("expression", topics.expression.publish(&messages::expression(result, emotion)));
        }
        let (age, gender) = (messages::of_task(face, "age"), messages::of_task(face, "gender"));
        let newest = [age, gender].map(|judged| judged.map(|judged| judged.stamp));
        if newest != self.biometrics
            && let Some(biometrics) = messages::soft_biometrics(result, age, gender)
        {
            self.biometrics = newest;
            log_unpublished("softbiometrics", topics.soft_biometrics.publish(&biometrics));
        }
    }

    /// Who it may be, as far as that is news, and who it is not any more. `people`: the tasks whose labels are people.
    pub(super) fn candidates(&mut self, id: &str, face: &Face, people: &[String]) -> Vec<IdsMatch> {
        let judged = |task: &String| face.attributes.iter().find(|attribute| attribute.task.as_str() == task);
        let named = |task: &String| {
            let label = judged(task)?.label.as_ref()?.as_str();
            is_person_id(label).then(|| label.to_owned())
        };
        let mut news = vec![];
        // Another person, nobody, or a task that is not there any more.
        self.candidates.retain(|task, (person, _)| {
            let stays = people.contains(task) && named(task).as_ref() == Some(person);
            if !stays {
                news.push(messages::candidate(id, person, 0.0));
            }
            stays
        });
        for task in people {
            let (Some(attribute), Some(person)) = (judged(task), named(task)) else { continue };
            let before = self.candidates.insert(task.clone(), (person.clone(), attribute.stamp));
            if before.is_none_or(|(_, stamp)| stamp != attribute.stamp) {
                news.push(messages::candidate(id, &person, attribute.confidence));
            }
        }
        news
    }

    /// That it is none of those any more whom it may have been.
    pub(super) fn no_candidates(&mut self, id: &str) -> Vec<IdsMatch> {
        self.candidates.drain().map(|(_, (person, _))| messages::candidate(id, &person, 0.0)).collect()
    }

    pub(super) fn wants_pictures(&self) -> bool {
        self.topics.as_ref().is_some_and(|topics| is_watched(&topics.cropped) || is_watched(&topics.aligned))
    }
}

/// Whether a label may be a person's id: listeners make topics of it.
fn is_person_id(label: &str) -> bool {
    static TOLD: Once = Once::new();
    let letters = label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let fits = letters && label.starts_with(|first: char| first.is_ascii_alphabetic());
    if !fits {
        // Without the label: it may be a name.
        TOLD.call_once(|| tracing::warn!("labels of people must be letters, digits and _ to be candidates of REP-155"));
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::tests_faces::someone;

    fn judged(label: Option<&str>, sec: i32) -> Face {
        let mut face = someone();
        face.attributes[0].task = "who".parse().unwrap();
        face.attributes[0].label = label.map(|label| label.parse().unwrap());
        face.attributes[0].stamp = Stamp { sec, nanosec: 0 };
        face
    }

    #[test]
    fn a_candidate_is_told_at_each_judgement_and_taken_back() {
        let (mut face, people) = (TrackedFace::default(), ["who".to_owned()]);
        let mut news = |now: &Face, people: &[String]| {
            let news = face.candidates("abcde", now, people);
            news.into_iter().map(|told| (told.id2, told.confidence > 0.0)).collect::<Vec<_>>()
        };
        let (anna, bob) = (("anna".to_owned(), true), ("bob".to_owned(), true));
        assert_eq!(news(&judged(Some("anna"), 1), &people), [("anna".to_owned(), true)]);
        assert_eq!(news(&judged(Some("anna"), 1), &people), []);
        assert_eq!(news(&judged(Some("anna"), 2), &people), [anna]);
        assert_eq!(news(&judged(Some("bob"), 3), &people), [("anna".to_owned(), false), bob]);
        // Unknown.
        assert_eq!(news(&judged(None, 4), &people), [("bob".to_owned(), false)]);
        // The task is removed.
        assert_eq!(news(&judged(Some("bob"), 5), &people).len(), 1);
        assert_eq!(news(&judged(Some("bob"), 5), &[]), [("bob".to_owned(), false)]);
        // No name of a topic.
        assert_eq!(news(&judged(Some("Anna Müller"), 6), &people), []);
    }

    #[test]
    fn a_face_that_goes_is_nobody() {
        let mut face = TrackedFace::default();
        face.candidates("abcde", &judged(Some("anna"), 1), &["who".to_owned()]);
        assert_eq!(face.no_candidates("abcde").len(), 1);
        assert_eq!(face.no_candidates("abcde").len(), 0);
    }
}
