//! What every face detector promises, and the choice between them.

use std::path::Path;

use opencv::core::{self, Mat};
use serde::{Deserialize, Serialize};

use crate::{BgrImage, ConfigError, DetectError, Haar, Landmarks, Roi, YuNet};

/// A face found in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The face's box in pixels of the frame; it may reach over the border.
    pub roi: Roi,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
    /// The five landmarks in pixels of the frame, where the detector has them.
    pub landmarks: Option<Landmarks>,
}

/// Which detector it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// A network, which gives landmarks.
    YuNet,
    /// A cascade, the fallback: no landmarks.
    Haar,
}

impl DetectorKind {
    /// `yunet` or `haar`, as messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::YuNet => "yunet",
            Self::Haar => "haar",
        }
    }
}

/// Finds faces in pictures.
pub trait FaceDetector: Send {
    /// Which one it is.
    fn kind(&self) -> DetectorKind;

    /// The faces of `image`, the surest first, none twice.
    ///
    /// # Errors
    /// When the model cannot be run on the picture.
    fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError>;

    /// From now on, faces with a score below `threshold` (0 to 1) are not reported.
    fn set_score_threshold(&mut self, threshold: f32);
}

/// What evaluates YuNet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorBackend {
    /// The kernels of this project.
    #[default]
    Fastconv,
    /// OpenCV's `dnn`: slower.
    Opencv,
}

/// How faces are looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// What evaluates the detector's network.
    pub backend: DetectorBackend,
    /// Faces with a score below this are not reported; 0 to 1.
    pub score_threshold: f32,
    /// Of two boxes that overlap by more than this IoU the less sure one is dropped; 0 to 1.
    pub nms_iou: f32,
    /// Detection runs on the picture shrunk so that its longer side has at most this many pixels; 32 or more.
    pub max_side: u32,
    /// Faces whose box is narrower or lower than this many pixels of the frame are not reported.
    pub min_face: u32,
    /// At most this many faces are reported, the surest ones; 1 or more.
    pub max_faces: usize,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            backend: DetectorBackend::default(),
            score_threshold: 0.6,
            nms_iou: 0.3,
            max_side: 640,
            min_face: 24,
            max_faces: 64,
        }
    }
}

impl DetectorConfig {
    /// Holds every value against its range.
    ///
    /// # Errors
    /// Names the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check("score_threshold", self.score_threshold, 0.0..=1.0, "0..=1")?;
        ConfigError::check("nms_iou", self.nms_iou, 0.0..=1.0, "0..=1")?;
        ConfigError::check("max_side", self.max_side, 32..=8192, "32..=8192")?;
        ConfigError::check("max_faces", self.max_faces, 1..=1000, "1..=1000")
    }
}

/// Opens YuNet at `yunet`; where that does not work, the Haar cascade at `haar`, with a warning that says why.
///
/// Haar finds fewer faces, is slower, and gives no landmarks: alignment is then only approximate.
///
/// # Errors
/// When neither opens: the error of the last one tried, or [`DetectError::NoModel`] when no path is given.
pub fn open_detector(
    yunet: Option<&Path>,
    haar: Option<&Path>,
    config: &DetectorConfig,
) -> Result<Box<dyn FaceDetector>, DetectError> {
    config.validate()?;
    let refused = match yunet {
        None => None,
        Some(path) => match YuNet::from_file(path, config) {
            Ok(detector) => return Ok(Box::new(detector)),
            Err(error) => Some(error),
        },
    };
    let Some(path) = haar else {
        return Err(refused.unwrap_or(DetectError::NoModel));
    };
    let why = refused.map_or_else(|| "no YuNet model was given".to_owned(), |error| error.to_string());
    let detector = Haar::from_file(path, config)?;
    tracing::warn!(
        cascade = %path.display(),
        "faces are found by a Haar cascade, without landmarks and less reliably: {why}"
    );
    Ok(Box::new(detector))
}

/// The picture shrunk for detection, and how many pixels of the frame one of its pixels is wide and high.
pub(crate) struct Shrunk<'a> {
    pub(crate) image: std::borrow::Cow<'a, BgrImage>,
    pub(crate) scale: (f32, f32),
}

/// Shrinks `image` so that its longer side is at most `max_side`.
pub(crate) fn shrink(image: &BgrImage, max_side: u32) -> Result<Shrunk<'_>, DetectError> {
    let longer = image.width().max(image.height());
    if longer <= max_side {
        return Ok(Shrunk { image: std::borrow::Cow::Borrowed(image), scale: (1.0, 1.0) });
    }
    let shorten = |side: u32| {
        let side = u64::from(side) * u64::from(max_side) / u64::from(longer);
        side.max(1) as u32
    };
    let small = image.resized(shorten(image.width()), shorten(image.height()))?;
    let scale = (image.width() as f32 / small.width() as f32, image.height() as f32 / small.height() as f32);
    Ok(Shrunk { image: std::borrow::Cow::Owned(small), scale })
}

/// Brings detections from the shrunk picture to the frame, `image`, and drops those that are too small or outside it.
pub(crate) fn to_frame(
    mut detections: Vec<Detection>,
    scale: (f32, f32),
    image: &BgrImage,
    config: &DetectorConfig,
) -> Vec<Detection> {
    for detection in &mut detections {
        let roi = &mut detection.roi;
        roi.x *= scale.0;
        roi.y *= scale.1;
        roi.width *= scale.0;
        roi.height *= scale.1;
        for point in detection.landmarks.iter_mut().flatten() {
            point.x *= scale.0;
            point.y *= scale.1;
        }
    }
    let smallest = config.min_face as f32;
    detections.retain(|detection| {
        let roi = &detection.roi;
        let visible = roi.clipped(image.width(), image.height());
        roi.width.min(roi.height) >= smallest && visible.area() > 0.0
    });
    detections.truncate(config.max_faces);
    detections
}

/// Non-maximum suppression: of detections that overlap by more than `iou` the surest stays. The surest comes first.
pub(crate) fn suppress(mut detections: Vec<Detection>, iou: f32) -> Vec<Detection> {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for detection in detections {
        if kept.iter().all(|other| other.roi.iou(&detection.roi) <= iou) {
            kept.push(detection);
        }
    }
    kept
}

/// `picture` extended to the right and downwards by black, to sides that are multiples of `multiple`.
pub(crate) fn padded(
    picture: &impl core::ToInputArray,
    (width, height): (u32, u32),
    multiple: u32,
) -> Result<Mat, opencv::Error> {
    let missing = |side: u32| (side.next_multiple_of(multiple) - side) as i32;
    let mut out = Mat::default();
    core::copy_make_border(
        picture,
        &mut out,
        0,
        missing(height),
        0,
        missing(width),
        core::BORDER_CONSTANT,
        core::Scalar::default(),
    )?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Detection {
        Detection { roi: Roi::new(x, 0.0, 100.0, 100.0), score, landmarks: None }
    }

    #[test]
    fn of_two_boxes_on_one_face_the_surer_one_stays() {
        let kept = suppress(vec![face(0.0, 0.7), face(10.0, 0.9), face(300.0, 0.8)], 0.3);
        let scores: Vec<f32> = kept.iter().map(|detection| detection.score).collect();
        assert_eq!(scores, [0.9, 0.8]);
    }

    #[test]
    fn a_long_thin_picture_still_has_a_row_after_shrinking() {
        let image = BgrImage::new(2000, 1, vec![0; 6000]).unwrap();
        let small = shrink(&image, 640).unwrap();
        assert_eq!((small.image.width(), small.image.height()), (640, 1));
    }

    #[test]
    fn a_configuration_with_an_unknown_key_or_a_value_out_of_range_is_refused() {
        let unknown = serde_json::from_str::<DetectorConfig>(r#"{"score": 0.5}"#);
        assert!(unknown.unwrap_err().to_string().contains("score"));
        let partial: DetectorConfig = serde_json::from_str(r#"{"nms_iou": 1.5}"#).unwrap();
        assert_eq!(partial.max_side, 640);
        assert!(partial.validate().unwrap_err().to_string().contains("nms_iou"));
    }

    #[test]
    fn without_any_model_opening_a_detector_says_what_is_missing() {
        let config = DetectorConfig::default();
        let nothing = open_detector(None, None, &config).err().unwrap();
        assert!(matches!(nothing, DetectError::NoModel));
        let path = Path::new("no/such/model.onnx");
        let missing = open_detector(Some(path), None, &config).err().unwrap();
        assert!(missing.to_string().contains("no/such/model.onnx"));
    }
}
