//! The topics of single faces. Publishers are made and ended by the thread that owns the node, and used by another.

use crossbeam_channel::{Receiver, Sender};
use r2r::hri_msgs::msg::{Expression, FacialLandmarks, NormalizedRegionOfInterest2D, SoftBiometrics};
use r2r::sensor_msgs::msg::Image;
use r2r::{Node, Publisher, QosProfile};

/// What is published of one face.
pub(super) struct FacePublishers {
    pub(super) id: String,
    pub(super) roi: Publisher<NormalizedRegionOfInterest2D>,
    pub(super) landmarks: Publisher<FacialLandmarks>,
    pub(super) cropped: Publisher<Image>,
    pub(super) aligned: Publisher<Image>,
    pub(super) expression: Publisher<Expression>,
    pub(super) soft_biometrics: Publisher<SoftBiometrics>,
}

/// Asked of the thread that owns the node.
pub(super) enum Wanted {
    /// Topics for a new face.
    Publishers(String),
    /// The face has gone.
    NoLonger(Box<FacePublishers>),
}

/// The side of the thread that owns the node.
pub(crate) struct FaceTopics {
    pub(super) wanted: Receiver<Wanted>,
    pub(super) made: Sender<Box<FacePublishers>>,
}

impl FaceTopics {
    /// Makes and ends what is wanted.
    ///
    /// # Errors
    /// When ROS refuses a topic.
    pub(crate) fn follow(&self, node: &mut Node) -> r2r::Result<()> {
        for wanted in self.wanted.try_iter() {
            match wanted {
                // The other side ends with the process.
                Wanted::Publishers(id) => drop(self.made.try_send(Box::new(publishers(node, id)?))),
                Wanted::NoLonger(face) => {
                    let FacePublishers { id: _, roi, landmarks, cropped, aligned, expression, soft_biometrics } = *face;
                    node.destroy_publisher(roi);
                    node.destroy_publisher(landmarks);
                    node.destroy_publisher(cropped);
                    node.destroy_publisher(aligned);
                    node.destroy_publisher(expression);
                    node.destroy_publisher(soft_biometrics);
                }
            }
        }
        Ok(())
    }
}

fn publishers(node: &mut Node, id: String) -> r2r::Result<FacePublishers> {
    // As hri_face_detect has them.
    let newest = QosProfile::default().keep_last(1);
    let topic = |name: &str| format!("/humans/faces/{id}/{name}");
    Ok(FacePublishers {
        roi: node.create_publisher(&topic("roi"), newest.clone())?,
        landmarks: node.create_publisher(&topic("landmarks"), newest.clone())?,
        cropped: node.create_publisher(&topic("cropped"), newest.clone())?,
        aligned: node.create_publisher(&topic("aligned"), newest.clone())?,
        expression: node.create_publisher(&topic("expression"), newest.clone())?,
        soft_biometrics: node.create_publisher(&topic("softbiometrics"), newest)?,
        id,
    })
}
