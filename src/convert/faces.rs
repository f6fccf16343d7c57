//! The answer to a frame becomes a message.

use engine::{Attribute, Face, FrameResult};
use r2r::face_attributes::msg::{FaceAttributes, FaceAttributesArray, Point2D, Quality, Roi, TaskAttribute};
use r2r::std_msgs::msg::Header;

use super::{text, texts, time};

/// The whole answer; the header is the frame's own.
pub(crate) fn face_attributes_array(result: &FrameResult) -> FaceAttributesArray {
    FaceAttributesArray {
        header: header(result),
        faces: result.faces.iter().map(face).collect(),
        detector: result.detector.name().to_owned(),
    }
}

/// The frame's own header.
pub(crate) fn header(result: &FrameResult) -> Header {
    Header { stamp: time(result.stamp), frame_id: text(result.frame_id.clone()) }
}

fn face(face: &Face) -> FaceAttributes {
    let point = |point: &vision::Point| Point2D { x: point.x, y: point.y };
    FaceAttributes {
        track_id: face.track_id.to_string(),
        roi: Roi { x: face.roi.x, y: face.roi.y, width: face.roi.width, height: face.roi.height },
        score: face.score,
        has_landmarks: face.landmarks.is_some(),
        landmarks: face.landmarks.iter().flatten().map(point).collect(),
        quality: Quality {
            overall: face.quality.overall,
            size: face.quality.size,
            sharpness: face.quality.sharpness,
            frontality: face.quality.frontality,
            brightness: face.quality.brightness,
        },
        attributes: face.attributes.iter().map(attribute).collect(),
    }
}

fn attribute(attribute: &Attribute) -> TaskAttribute {
    TaskAttribute {
        task: attribute.task.to_string(),
        label: attribute.label.as_ref().map(|label| text(label.as_str())).unwrap_or_default(),
        confidence: attribute.confidence,
        unknown: attribute.unknown,
        labels: texts(attribute.labels.iter()),
        probabilities: attribute.probabilities.clone(),
        stamp: time(attribute.stamp),
        observations: attribute.observations,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::{FrameLatency, Stamp};
    use vision::{Point, TrackId};

    use super::*;

    pub(crate) fn result(faces: Vec<Face>) -> FrameResult {
        FrameResult {
            stamp: Stamp { sec: -3, nanosec: 999_999_999 },
            frame_id: "camera_optical_frame".to_owned(),
            size: (640, 480),
            active: faces.iter().map(|face| face.track_id.clone()).collect(),
            faces,
            detector: vision::DetectorKind::YuNet,
            image: None,
            latency: FrameLatency::default(),
        }
    }

    pub(crate) fn someone() -> Face {
        Face {
            track_id: TrackId::from_sequence(5),
            roi: vision::Roi::new(-4.0, 8.0, 64.0, 80.0),
            score: 0.9,
            landmarks: Some([1.0, 2.0, 3.0, 4.0, 5.0].map(|value| Point::new(value, 10.0 * value))),
            quality: vision::Quality { size: 0.1, sharpness: 0.2, frontality: 0.3, brightness: 0.4, overall: 0.5 },
            attributes: vec![Attribute {
                task: "emotion".parse().unwrap(),
                label: Some("happy".parse().unwrap()),
                confidence: 0.7,
                unknown: 0.1,
                labels: ["happy", "sad"].map(|label| label.parse().unwrap()).as_slice().into(),
                probabilities: vec![0.7, 0.2],
                stamp: Stamp { sec: -4, nanosec: 1 },
                observations: 6,
            }],
        }
    }

    #[test]
    fn an_empty_scene_is_a_message_with_the_frames_header() {
        let message = face_attributes_array(&result(vec![]));
        assert_eq!((message.header.stamp.sec, message.header.stamp.nanosec), (-3, 999_999_999));
        assert_eq!(message.header.frame_id, "camera_optical_frame");
        assert!(message.faces.is_empty());
        assert_eq!(message.detector, "yunet");
    }

    #[test]
    fn every_field_of_a_face_arrives() {
        let message = &face_attributes_array(&result(vec![someone()])).faces[0];
        assert_eq!(message.track_id, TrackId::from_sequence(5).to_string());
        assert_eq!((message.roi.x, message.roi.y, message.roi.width, message.roi.height), (-4.0, 8.0, 64.0, 80.0));
        assert_eq!(message.score, 0.9);
        assert!(message.has_landmarks);
        let landmarks: Vec<(f32, f32)> = message.landmarks.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(landmarks, [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (4.0, 40.0), (5.0, 50.0)]);
        let quality = &message.quality;
        let quality = (quality.size, quality.sharpness, quality.frontality, quality.brightness, quality.overall);
        assert_eq!(quality, (0.1, 0.2, 0.3, 0.4, 0.5));
        let attribute = &message.attributes[0];
        assert_eq!((attribute.task.as_str(), attribute.label.as_str()), ("emotion", "happy"));
        assert_eq!((attribute.confidence, attribute.unknown, attribute.observations), (0.7, 0.1, 6));
        assert_eq!(attribute.labels, ["happy", "sad"]);
        assert_eq!(attribute.probabilities, [0.7, 0.2]);
        assert_eq!((attribute.stamp.sec, attribute.stamp.nanosec), (-4, 1));
    }

    #[test]
    fn a_face_without_landmarks_says_so_and_an_unknown_one_has_no_label() {
        let mut face = someone();
        face.landmarks = None;
        face.attributes[0].label = None;
        let message = &face_attributes_array(&result(vec![face])).faces[0];
        assert!(!message.has_landmarks && message.landmarks.is_empty());
        assert_eq!(message.attributes[0].label, "");
    }
}
