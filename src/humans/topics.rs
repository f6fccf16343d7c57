//! The topics of single faces. The thread that owns the node makes and ends their publishers; another uses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender};
use r2r::hri_msgs::msg::{Expression, FacialLandmarks, NormalizedRegionOfInterest2D, SoftBiometrics};
use r2r::sensor_msgs::msg::Image;
use r2r::{Node, Publisher, QosProfile};
use vision::CameraModel;

use crate::names;

/// The newest calibration of a camera; none while there is none that can be used.
pub(super) type Calibration = Arc<Mutex<Option<CameraModel>>>;

/// What is published of one face.
#[derive(Clone)]
pub(super) struct FacePublishers {
    pub(super) roi: Publisher<NormalizedRegionOfInterest2D>,
    pub(super) landmarks: Publisher<FacialLandmarks>,
    pub(super) cropped: Publisher<Image>,
    pub(super) aligned: Publisher<Image>,
    pub(super) expression: Publisher<Expression>,
    pub(super) soft_biometrics: Publisher<SoftBiometrics>,
}

/// A face, by its id, whose topics are wanted, or not any more.
pub(super) enum Wanted {
    Topics(String),
    NoTopics(String),
}

/// Publishers for a face that asked for them.
pub(super) type Made = (String, Box<FacePublishers>);

/// The side of the thread that owns the node.
pub(crate) struct FaceTopics {
    wanted: Receiver<Wanted>,
    made: Sender<Made>,
    faces: HashMap<String, FacePublishers>,
}

impl FaceTopics {
    pub(super) fn new(wanted: Receiver<Wanted>, made: Sender<Made>) -> Self {
        Self { wanted, made, faces: HashMap::new() }
    }

    /// Makes and ends what is wanted.
    ///
    /// # Errors
    /// When ROS refuses a topic.
    pub(crate) fn follow(&mut self, node: &mut Node) -> r2r::Result<()> {
        for wanted in self.wanted.try_iter() {
            match wanted {
                Wanted::Topics(id) => {
                    let publishers = publishers(node, &id)?;
                    // A face that came back before its end was seen to.
                    if let Some(before) = self.faces.insert(id.clone(), publishers.clone()) {
                        destroy(node, before);
                    }
                    // Fails when the node is stopping.
                    let _ = self.made.try_send((id, Box::new(publishers)));
                }
                Wanted::NoTopics(id) => {
                    if let Some(publishers) = self.faces.remove(&id) {
                        destroy(node, publishers);
                    }
                }
            }
        }
        Ok(())
    }
}

fn publishers(node: &mut Node, id: &str) -> r2r::Result<FacePublishers> {
    // As hri_face_detect has them.
    let newest = QosProfile::default().keep_last(1);
    let topic = |of_all: &str| of_all.replace('*', id);
    Ok(FacePublishers {
        roi: node.create_publisher(&topic(names::FACE_ROI), newest.clone())?,
        landmarks: node.create_publisher(&topic(names::FACE_LANDMARKS), newest.clone())?,
        cropped: node.create_publisher(&topic(names::FACE_CROPPED), newest.clone())?,
        aligned: node.create_publisher(&topic(names::FACE_ALIGNED), newest.clone())?,
        expression: node.create_publisher(&topic(names::FACE_EXPRESSION), newest.clone())?,
        soft_biometrics: node.create_publisher(&topic(names::FACE_SOFT_BIOMETRICS), newest)?,
    })
}

fn destroy(node: &mut Node, publishers: FacePublishers) {
    let FacePublishers { roi, landmarks, cropped, aligned, expression, soft_biometrics } = publishers;
    node.destroy_publisher(roi);
    node.destroy_publisher(landmarks);
    node.destroy_publisher(cropped);
    node.destroy_publisher(aligned);
    node.destroy_publisher(expression);
    node.destroy_publisher(soft_biometrics);
}
