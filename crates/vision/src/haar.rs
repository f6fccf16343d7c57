//! The fallback without landmarks: a Haar cascade such as `haarcascade_frontalface_alt2.xml`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use opencv::{
    core::{Mat, Rect, Size, Vector},
    imgproc,
    objdetect::{CascadeClassifier, CascadeClassifierTrait, CascadeClassifierTraitConst},
};

use crate::{
    BgrImage, DetectError, Detection, DetectorConfig, DetectorKind, FaceDetector, Roi,
    detections::{shrink, suppress, to_frame},
};

const PYRAMID_STEP: f64 = 1.1;
const MIN_NEIGHBOURS: i32 = 3;
/// The window that the frontal cascades were trained on, in pixels.
const WINDOW: f32 = 20.0;

/// The Haar cascade detector.
pub struct Haar {
    cascade: CascadeClassifier,
    config: DetectorConfig,
}

impl fmt::Debug for Haar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Haar").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Haar {
    /// Reads the cascade at `path`.
    ///
    /// # Errors
    /// [`DetectError::Missing`], [`DetectError::Model`], or [`DetectError::Config`].
    pub fn from_file(path: &Path, config: &DetectorConfig) -> Result<Self, DetectError> {
        config.validate()?;
        if !path.is_file() {
            return Err(DetectError::Missing(path.to_owned()));
        }
        let wrong = |reason: &str| DetectError::Model {
            path: path.to_owned(),
            expected: "Haar cascade",
            reason: reason.to_owned(),
        };
        let name = path.to_str().ok_or_else(|| wrong("the path is not UTF-8"))?;
        let cascade = CascadeClassifier::new(name).map_err(|error| wrong(&error.message))?;
        if cascade.empty()? {
            return Err(wrong("it holds no cascade"));
        }
        Ok(Self { cascade, config: config.clone() })
    }

    /// `haarcascade_frontalface_alt2.xml` where OpenCV's packages install it, if it is there.
    pub fn installed() -> Option<PathBuf> {
        ["/usr/share", "/usr/local/share"]
            .into_iter()
            .flat_map(|share| ["opencv4", "opencv"].map(|name| Path::new(share).join(name)))
            .map(|data| data.join("haarcascades/haarcascade_frontalface_alt2.xml"))
            .find(|path| path.is_file())
    }
}

impl FaceDetector for Haar {
    fn kind(&self) -> DetectorKind {
        DetectorKind::Haar
    }

    fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError> {
        let small = shrink(image, self.config.max_side)?;
        let mut grey = Mat::default();
        imgproc::cvt_color_def(&small.image.as_mat()?, &mut grey, imgproc::COLOR_BGR2GRAY)?;
        let mut even = Mat::default();
        imgproc::equalize_hist(&grey, &mut even)?;
        let smallest = (self.config.min_face as f32 / small.scale.0.max(small.scale.1)).max(WINDOW);
        let smallest = smallest.ceil() as i32;
        let (mut boxes, mut counts) = (Vector::<Rect>::new(), Vector::<i32>::new());
        self.cascade.detect_multi_scale2(
            &even,
            &mut boxes,
            &mut counts,
            PYRAMID_STEP,
            MIN_NEIGHBOURS,
            0,
            Size::new(smallest, smallest),
            Size::default(),
        )?;
        let found = boxes
            .iter()
            .zip(counts.iter())
            .map(|(face, count)| Detection {
                roi: Roi::new(face.x as f32, face.y as f32, face.width as f32, face.height as f32),
                score: score(count),
                landmarks: None,
            })
            .filter(|detection| detection.score >= self.config.score_threshold)
            .collect();
        let found = suppress(found, self.config.nms_iou);
        Ok(to_frame(found, small.scale, image, &self.config))
    }

    fn set_score_threshold(&mut self, threshold: f32) {
        self.config.score_threshold = threshold.clamp(0.0, 1.0);
    }
}

/// A cascade gives no confidence, only how many neighbouring windows agree: n / (n + 2), 0.6 at the least count of 3.
fn score(neighbours: i32) -> f32 {
    let count = neighbours.max(0) as f32;
    count / (count + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_agreement_scores_the_default_threshold_and_more_scores_more() {
        assert!(score(MIN_NEIGHBOURS) >= DetectorConfig::default().score_threshold);
        assert!((1..100).all(|count| score(count) < score(count + 1)));
        assert!(score(i32::MAX) <= 1.0);
    }
}
