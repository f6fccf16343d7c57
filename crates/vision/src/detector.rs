//! What every face detector promises.

use serde::{Deserialize, Serialize};

use crate::{BgrImage, ConfigError, DetectError, Landmarks, Roi};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_an_unknown_key_or_a_value_out_of_range_is_refused() {
        let unknown = serde_json::from_str::<DetectorConfig>(r#"{"score": 0.5}"#);
        assert!(unknown.unwrap_err().to_string().contains("score"));
        let partial: DetectorConfig = serde_json::from_str(r#"{"nms_iou": 1.5}"#).unwrap();
        assert_eq!(partial.max_side, 640);
        assert!(partial.validate().unwrap_err().to_string().contains("nms_iou"));
    }
}
