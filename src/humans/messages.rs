//! A face's messages as REP-155 has them; pure functions.

use engine::{Attribute, Face, FrameResult};
use r2r::geometry_msgs::msg::{Quaternion, Transform, TransformStamped, Vector3};
use r2r::hri_msgs::msg::{
    Expression, FacialLandmarks, IdsMatch, NormalizedPointOfInterest2D, NormalizedRegionOfInterest2D, SoftBiometrics,
};
use r2r::sensor_msgs::msg::{CameraInfo, Image};
use r2r::std_msgs::msg::Header;
use vision::align::AlignedFace;
use vision::{BgrImage, CameraModel, HeadPose, Roi};

use crate::convert::{header, text, time};

/// Points of `hri_msgs/msg/FacialLandmarks`, all 70 of them in every message.
const POINTS: usize = 70;
/// Where the five landmarks of the detector are among them: the person's right is on the picture's left.
const RIGHT_PUPIL: usize = 68;
const LEFT_PUPIL: usize = 69;
const NOSE: usize = 30;
const MOUTH_OUTER_RIGHT: usize = 48;
const MOUTH_OUTER_LEFT: usize = 54;
const LANDMARKS: [usize; 5] = [RIGHT_PUPIL, LEFT_PUPIL, NOSE, MOUTH_OUTER_RIGHT, MOUTH_OUTER_LEFT];
/// Of `hri_msgs/msg/SoftBiometrics`.
const FEMALE: u8 = 1;
const MALE: u8 = 2;
/// Of `hri_msgs/msg/IdsMatch`.
const PERSON: i8 = 1;
const FACE: i8 = 2;
/// Added to the first year of an open group (`70+`).
const HALF_GROUP: u8 = 5;

fn share(value: f32, of: u32) -> f32 {
    (value / of.max(1) as f32).clamp(0.0, 1.0)
}

/// The box, clipped to the picture, in [0, 1].
pub(super) fn roi(result: &FrameResult, face: &Face) -> NormalizedRegionOfInterest2D {
    let ((width, height), Roi { x, y, .. }) = (result.size, face.roi);
    NormalizedRegionOfInterest2D {
        header: header(result),
        xmin: share(x, width),
        ymin: share(y, height),
        xmax: share(x + face.roi.width, width),
        ymax: share(y + face.roi.height, height),
        c: face.score,
    }
}

/// The five points that there are; all others are at 0 with confidence 0. `None` without landmarks.
pub(super) fn landmarks(result: &FrameResult, face: &Face) -> Option<FacialLandmarks> {
    let (width, height) = result.size;
    let mut points = vec![NormalizedPointOfInterest2D::default(); POINTS];
    for (at, point) in LANDMARKS.into_iter().zip(face.landmarks?) {
        let (x, y) = (share(point.x, width), share(point.y, height));
        points[at] = NormalizedPointOfInterest2D { x, y, c: face.score };
    }
    Some(FacialLandmarks { header: header(result), landmarks: points, height, width })
}

/// The face in the picture, as it is in its box.
pub(super) fn cropped(result: &FrameResult, face: &Face, picture: &BgrImage) -> Option<Image> {
    let (width, height) = (picture.width(), picture.height());
    let Roi { x, y, width: wide, height: high } = face.roi;
    let [left, right] = [x, x + wide].map(|at| at.clamp(0.0, width as f32) as usize);
    let [top, bottom] = [y, y + high].map(|at| at.clamp(0.0, height as f32) as usize);
    if left >= right || top >= bottom {
        return None;
    }
    let row = |y: usize| &picture.data()[(y * width as usize + left) * 3..(y * width as usize + right) * 3];
    Some(Image {
        header: header(result),
        width: (right - left) as u32,
        height: (bottom - top) as u32,
        encoding: "bgr8".to_owned(),
        is_bigendian: 0,
        step: 3 * (right - left) as u32,
        data: (top..bottom).flat_map(row).copied().collect(),
    })
}

/// The face as the network sees it.
pub(super) fn aligned(result: &FrameResult, face: &AlignedFace) -> Image {
    let side = network::FACE_SIZE as u32;
    Image {
        header: header(result),
        width: side,
        height: side,
        encoding: "mono8".to_owned(),
        is_bigendian: 0,
        step: side,
        data: face.pixels.to_vec(),
    }
}

/// What a task says of a face, if it has judged it.
pub(super) fn of_task<'a>(face: &'a Face, task: &str) -> Option<&'a Attribute> {
    face.attributes.iter().find(|attribute| attribute.task.as_str() == task)
}

/// The word that ROS4HRI has for one of FER+'s emotions; contempt has none.
fn expression_of(emotion: &str) -> Option<&'static str> {
    Some(match emotion {
        "neutral" => "neutral",
        "happiness" => "happy",
        "surprise" => "surprised",
        "sadness" => "sad",
        "anger" => "angry",
        "disgust" => "disgusted",
        "fear" => "scared",
        _ => return None,
    })
}

/// What the task `emotion` says; empty with confidence 0 while that is unknown. Valence and arousal are not estimated: 0.
pub(super) fn expression(result: &FrameResult, emotion: &Attribute) -> Expression {
    let told = emotion.label.as_ref().and_then(|label| expression_of(label.as_str()));
    Expression {
        header: header(result),
        expression: told.unwrap_or_default().to_owned(),
        confidence: told.map_or(0.0, |_| emotion.confidence),
        ..Expression::default()
    }
}

/// The middle of an age group: `20-29`, or `70+`.
fn years(group: &str) -> Option<u8> {
    let numbers: Vec<u8> =
        group.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [first, last] if first <= last => Some(first + (last - first) / 2),
        [first] => first.checked_add(HALF_GROUP),
        _ => None,
    }
}

/// What the tasks `age` and `gender` say; gender is UNDEFINED while it is unknown. `None` while the age is unknown: listeners read
/// the age whatever its confidence.
pub(super) fn soft_biometrics(
    result: &FrameResult,
    age: Option<&Attribute>,
    gender: Option<&Attribute>,
) -> Option<SoftBiometrics> {
    let age = age?;
    let gender = gender.and_then(|gender| {
        let code = match gender.label.as_ref()?.as_str() {
            "female" => FEMALE,
            "male" => MALE,
            _ => return None,
        };
        Some((code, gender.confidence))
    });
    let (gender, gender_confidence) = gender.unwrap_or_default();
    Some(SoftBiometrics {
        header: header(result),
        age: years(age.label.as_ref()?.as_str())?,
        age_confidence: age.confidence,
        gender,
        gender_confidence,
    })
}

/// That a face may be a person; with confidence 0, that it is not.
// Some versions of hri_msgs have a header here.
#[allow(clippy::needless_update)]
pub(super) fn candidate(face: &str, person: &str, confidence: f32) -> IdsMatch {
    IdsMatch {
        id1: face.to_owned(),
        id1_type: FACE,
        id2: text(person),
        id2_type: PERSON,
        confidence,
        ..IdsMatch::default()
    }
}

/// The frames of a face: `face_ID` in the camera's optical frame, and `gaze_ID` in that, whose z axis is where the face points.
pub(super) fn transforms(result: &FrameResult, id: &str, pose: &HeadPose) -> [TransformStamped; 2] {
    let vector = |[x, y, z]: [f64; 3]| Vector3 { x, y, z };
    let quaternion = |[x, y, z, w]: [f64; 4]| Quaternion { x, y, z, w };
    let face = format!("face_{id}");
    let gaze = TransformStamped {
        header: Header { stamp: time(result.stamp), frame_id: face.clone() },
        child_frame_id: format!("gaze_{id}"),
        // From x ahead, y left, z up to z ahead, x right, y down (REP-103).
        transform: Transform { translation: vector([0.0; 3]), rotation: quaternion([-0.5, 0.5, -0.5, 0.5]) },
    };
    let face = TransformStamped {
        header: header(result),
        child_frame_id: face,
        transform: Transform { translation: vector(pose.position), rotation: quaternion(pose.rotation) },
    };
    [face, gaze]
}

/// Why there are no poses.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum NoCalibration {
    /// The driver sends zeros.
    #[error("the camera is not calibrated: heads have no poses")]
    Uncalibrated,
    /// Of a fisheye lens, mostly.
    #[error("the distortion model '{0}' is not supported (plumb_bob and rational_polynomial are): heads have no poses")]
    Distortion(String),
}

/// The calibration of a camera, for its unrectified pictures.
///
/// # Errors
/// A calibration that is not there, or of another kind.
pub(super) fn camera_model(info: &CameraInfo) -> Result<CameraModel, NoCalibration> {
    let [fx, _, cx, _, fy, cy] = *info.k.first_chunk().ok_or(NoCalibration::Uncalibrated)?;
    if !matches!(info.distortion_model.as_str(), "plumb_bob" | "rational_polynomial" | "") {
        return Err(NoCalibration::Distortion(info.distortion_model.chars().take(40).collect()));
    }
    // The matrix is that of the whole sensor; pictures may be a part of it, with pixels put together.
    let (bin_x, bin_y) = (info.binning_x.max(1), info.binning_y.max(1));
    let part = |size: u32, whole: u32| if size == 0 { whole } else { size };
    let (width, height) = (part(info.roi.width, info.width), part(info.roi.height, info.height));
    let binned = |value: f64, by: u32| value / f64::from(by);
    let model = CameraModel {
        size: (width / bin_x, height / bin_y),
        focal: (binned(fx, bin_x), binned(fy, bin_y)),
        centre: (binned(cx - f64::from(info.roi.x_offset), bin_x), binned(cy - f64::from(info.roi.y_offset), bin_y)),
        distortion: info.d.clone(),
    };
    if model.is_calibrated() { Ok(model) } else { Err(NoCalibration::Uncalibrated) }
}

#[cfg(test)]
mod tests {
    use r2r::sensor_msgs::msg::RegionOfInterest;

    use super::*;
    use crate::convert::tests_faces::{result, someone};

    fn info() -> CameraInfo {
        CameraInfo {
            width: 640,
            height: 480,
            distortion_model: "plumb_bob".to_owned(),
            d: vec![0.1, 0.0, 0.0, 0.0, 0.0],
            k: vec![600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0],
            ..CameraInfo::default()
        }
    }

    #[test]
    fn a_calibration_counts_for_the_part_of_the_sensor_that_is_read() {
        let whole = camera_model(&info()).unwrap();
        assert_eq!((whole.size, whole.focal, whole.centre), ((640, 480), (600.0, 610.0), (320.0, 240.0)));
        let roi =
            RegionOfInterest { x_offset: 100, y_offset: 40, width: 400, height: 400, ..RegionOfInterest::default() };
        let part = camera_model(&CameraInfo { roi, binning_x: 2, binning_y: 2, ..info() }).unwrap();
        assert_eq!((part.size, part.focal, part.centre), ((200, 200), (300.0, 305.0), (110.0, 100.0)));
    }

    #[test]
    fn without_a_calibration_it_is_told_why() {
        let none = CameraInfo { k: vec![0.0; 9], ..info() };
        assert_eq!(camera_model(&none).unwrap_err(), NoCalibration::Uncalibrated);
        let fisheye = CameraInfo { distortion_model: "equidistant".to_owned(), ..info() };
        assert!(camera_model(&fisheye).unwrap_err().to_string().contains("equidistant"));
    }

    #[test]
    fn a_box_is_clipped_to_the_picture() {
        let mut face = someone();
        face.roi = Roi::new(-10.0, 400.0, 74.0, 160.0);
        let told = roi(&result(vec![]), &face);
        assert_eq!((told.xmin, told.ymin, told.xmax, told.ymax), (0.0, 400.0 / 480.0, 0.1, 1.0));
    }

    #[test]
    fn a_crop_is_what_lies_in_the_box() {
        let data: Vec<u8> = (0..4 * 3 * 3).collect();
        let picture = BgrImage::new(4, 3, data).unwrap();
        let mut face = someone();
        face.roi = Roi::new(2.0, 1.0, 9.0, 1.0);
        let crop = cropped(&result(vec![]), &face, &picture).unwrap();
        assert_eq!((crop.width, crop.height, crop.step), (2, 1, 6));
        assert_eq!(crop.data, [18, 19, 20, 21, 22, 23]);
        face.roi = Roi::new(9.0, 0.0, 2.0, 2.0);
        assert!(cropped(&result(vec![]), &face, &picture).is_none());
    }

    #[test]
    fn groups_have_a_middle_and_emotions_a_word() {
        assert_eq!([years("0-2"), years("20-29"), years("70+"), years("old")], [Some(1), Some(24), Some(75), None]);
        assert_eq!(expression_of("happiness"), Some("happy"));
        assert_eq!(expression_of("contempt"), None);
    }

    #[test]
    fn an_unknown_age_is_not_told_as_zero() {
        let mut age = someone().attributes.remove(0);
        age.label = None;
        assert!(soft_biometrics(&result(vec![]), Some(&age), None).is_none());
        age.label = Some("20-29".parse().unwrap());
        let told = soft_biometrics(&result(vec![]), Some(&age), None).unwrap();
        assert_eq!((told.age, told.gender, told.gender_confidence), (24, 0, 0.0));
    }
}
