//! YuNet (face_detection_yunet_2023mar.onnx): boxes with five landmarks, decoded from its outputs.
//!
//! `FaceDetectorYN` refuses this model before OpenCV 4.8; here `fastconv` evaluates it, or OpenCV's `dnn` from 4.5.4 on. Its
//! twelve outputs are four for each stride of 8, 16 and 32 pixels, one row for each cell of the padded input: `cls` and `obj`
//! `[cells, 1]`, `bbox` `[cells, 4]`, `kps` `[cells, 10]`.

mod builder;
mod network;
mod onnx;
mod opencv;
mod step;

use std::{fmt, path::Path};

use crate::detections::{shrink, suppress, to_frame};
use crate::{
    BgrImage, DetectError, Detection, DetectorBackend, DetectorConfig, DetectorKind, FaceDetector, Landmarks, Point,
    Roi,
};
use network::FastYuNet;
use opencv::OpenCvYuNet;

const STRIDES: [u32; 3] = [8, 16, 32];
/// The network's outputs: each kind at each stride.
pub(crate) const OUTPUTS: [&str; 12] = [
    "cls_8", "cls_16", "cls_32", "obj_8", "obj_16", "obj_32", "bbox_8", "bbox_16", "bbox_32", "kps_8", "kps_16",
    "kps_32",
];
/// Sides of the network's input are multiples of this, filled up with black to the right and downwards.
pub(crate) const MULTIPLE: u32 = 32;
/// Suppression compares all pairs; a picture of noise at a low threshold must not take minutes.
const MAX_CANDIDATES: usize = 2_000;

/// Evaluates YuNet's network.
pub(crate) trait Infer: Send {
    /// Evaluates it on `image`, BGR 0 to 255, filled up to `[height, width]`.
    ///
    /// # Errors
    /// When that does not work.
    fn infer(&mut self, image: &BgrImage, padded: [usize; 2]) -> Result<(), DetectError>;

    /// The values of an output of [`OUTPUTS`] for the last picture.
    ///
    /// # Errors
    /// When there are none.
    fn output(&self, at: usize) -> Result<&[f32], DetectError>;
}

/// The YuNet detector.
pub struct YuNet {
    network: Box<dyn Infer>,
    config: DetectorConfig,
}

impl fmt::Debug for YuNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YuNet").field("config", &self.config).finish_non_exhaustive()
    }
}

impl YuNet {
    /// Reads the ONNX model at `path` and runs it once on a black picture, so that a wrong file fails here.
    ///
    /// # Errors
    /// [`DetectError::Missing`], [`DetectError::Model`], or [`DetectError::Config`].
    pub fn from_file(path: &Path, config: &DetectorConfig) -> Result<Self, DetectError> {
        config.validate()?;
        if !path.is_file() {
            return Err(DetectError::Missing(path.to_owned()));
        }
        let wrong = |reason: String| DetectError::Model { path: path.to_owned(), expected: "YuNet", reason };
        let network: Box<dyn Infer> = match config.backend {
            DetectorBackend::Fastconv => {
                let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
                Box::new(FastYuNet::read(&bytes).map_err(wrong)?)
            }
            DetectorBackend::Opencv => {
                let name = path.to_str().ok_or_else(|| wrong("the path is not UTF-8".to_owned()))?;
                Box::new(OpenCvYuNet::read(name).map_err(|error| wrong(error.message.clone()))?)
            }
        };
        let mut detector = Self { network, config: config.clone() };
        let black = BgrImage::new(64, 32, vec![0; 64 * 32 * 3])?;
        detector.detect(&black).map_err(|error| wrong(error.to_string()))?;
        Ok(detector)
    }
}

impl FaceDetector for YuNet {
    fn kind(&self) -> DetectorKind {
        DetectorKind::YuNet
    }

    fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError> {
        let small = shrink(image, self.config.max_side)?;
        let padded = [small.image.height(), small.image.width()].map(|side| side.next_multiple_of(MULTIPLE) as usize);
        self.network.infer(&small.image, padded)?;
        let mut found = Vec::new();
        for (index, stride) in STRIDES.into_iter().enumerate() {
            let [rows, columns] = padded.map(|side| side / stride as usize);
            let output = |kind: usize| self.network.output(kind * 3 + index);
            let level =
                Level { stride, columns, rows, cls: output(0)?, obj: output(1)?, bbox: output(2)?, kps: output(3)? };
            level.decode(self.config.score_threshold, &mut found)?;
        }
        if found.len() > MAX_CANDIDATES {
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            found.truncate(MAX_CANDIDATES);
        }
        let found = suppress(found, self.config.nms_iou);
        Ok(to_frame(found, small.scale, image, &self.config))
    }

    fn set_score_threshold(&mut self, threshold: f32) {
        self.config.score_threshold = threshold.clamp(0.0, 1.0);
    }
}

/// The four outputs of one stride, cells row by row.
struct Level<'a> {
    stride: u32,
    columns: usize,
    rows: usize,
    cls: &'a [f32],
    obj: &'a [f32],
    bbox: &'a [f32],
    kps: &'a [f32],
}

impl Level<'_> {
    /// Appends the faces with a score of at least `threshold`, in pixels of the network's input.
    ///
    /// With cell (c, r) and stride s: score = √(cls · obj), each clamped to 0..=1; middle = ((c, r) + bbox₀₁) · s;
    /// size = exp(bbox₂₃) · s; landmark i = ((c, r) + kps₂ᵢ,₂ᵢ₊₁) · s.
    fn decode(&self, threshold: f32, found: &mut Vec<Detection>) -> Result<(), DetectError> {
        let cells = self.columns * self.rows;
        let fits = |name, values: &[f32], width| {
            let expected = cells * width;
            if values.len() == expected {
                return Ok(());
            }
            Err(DetectError::Output { name, expected, found: values.len() })
        };
        fits("cls", self.cls, 1)?;
        fits("obj", self.obj, 1)?;
        fits("bbox", self.bbox, 4)?;
        fits("kps", self.kps, 10)?;
        let stride = self.stride as f32;
        for cell in 0..cells {
            let score = (self.cls[cell].clamp(0.0, 1.0) * self.obj[cell].clamp(0.0, 1.0)).sqrt();
            if score.is_nan() || score < threshold {
                continue;
            }
            let column = (cell % self.columns) as f32;
            let row = (cell / self.columns) as f32;
            let bbox = &self.bbox[cell * 4..][..4];
            let (width, height) = (bbox[2].exp() * stride, bbox[3].exp() * stride);
            let roi = Roi::new(
                (column + bbox[0]) * stride - width / 2.0,
                (row + bbox[1]) * stride - height / 2.0,
                width,
                height,
            );
            let kps = &self.kps[cell * 10..][..10];
            let landmarks: Landmarks =
                std::array::from_fn(|i| Point::new((column + kps[2 * i]) * stride, (row + kps[2 * i + 1]) * stride));
            if roi.is_proper() && landmarks.iter().all(Point::is_finite) {
                found.push(Detection { roi, score, landmarks: Some(landmarks) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Outputs of a level of `columns` × `rows` cells without a face.
    struct Tensors {
        cls: Vec<f32>,
        obj: Vec<f32>,
        bbox: Vec<f32>,
        kps: Vec<f32>,
    }

    impl Tensors {
        fn empty(cells: usize) -> Self {
            Self {
                cls: vec![0.0; cells],
                obj: vec![0.0; cells],
                bbox: vec![0.0; cells * 4],
                kps: vec![0.0; cells * 10],
            }
        }

        fn decode(&self, stride: u32, columns: usize, rows: usize) -> Result<Vec<Detection>, DetectError> {
            let mut found = Vec::new();
            let level =
                Level { stride, columns, rows, cls: &self.cls, obj: &self.obj, bbox: &self.bbox, kps: &self.kps };
            level.decode(0.6, &mut found).map(|()| found)
        }
    }

    proptest! {
        #[test]
        fn a_face_written_into_the_outputs_is_decoded_where_it_was_put(
            level in 0usize..3,
            column in 0usize..12,
            row in 0usize..7,
            middle in (-0.5f32..1.5, -0.5f32..1.5),
            size in (10.0f32..300.0, 10.0f32..300.0),
            points in proptest::array::uniform10(-4.0f32..4.0),
            cls in 0.7f32..1.2,
            obj in 0.7f32..1.2,
        ) {
            let stride = STRIDES[level];
            let (columns, rows, s) = (12, 7, stride as f32);
            let cell = row * columns + column;
            let mut tensors = Tensors::empty(columns * rows);
            tensors.cls[cell] = cls;
            tensors.obj[cell] = obj;
            tensors.bbox[cell * 4..][..4].copy_from_slice(&[
                middle.0, middle.1, (size.0 / s).ln(), (size.1 / s).ln(),
            ]);
            tensors.kps[cell * 10..][..10].copy_from_slice(&points);
            let found = tensors.decode(stride, columns, rows).unwrap();
            prop_assert_eq!(found.len(), 1);
            let face = &found[0];
            let expected = (cls.min(1.0) * obj.min(1.0)).sqrt();
            prop_assert!((face.score - expected).abs() < 1e-6);
            let centre = face.roi.center();
            prop_assert!((centre.x - (column as f32 + middle.0) * s).abs() < 0.01);
            prop_assert!((centre.y - (row as f32 + middle.1) * s).abs() < 0.01);
            prop_assert!((face.roi.width - size.0).abs() < 0.01);
            prop_assert!((face.roi.height - size.1).abs() < 0.01);
            for (i, point) in face.landmarks.unwrap().iter().enumerate() {
                prop_assert!((point.x - (column as f32 + points[2 * i]) * s).abs() < 0.01);
                prop_assert!((point.y - (row as f32 + points[2 * i + 1]) * s).abs() < 0.01);
            }
        }
    }

    #[test]
    fn outputs_that_are_not_numbers_are_no_faces() {
        let mut tensors = Tensors::empty(4);
        tensors.cls = vec![f32::NAN, 1.0, 1.0, 1.0];
        tensors.obj = vec![1.0; 4];
        tensors.bbox[4 + 2] = f32::INFINITY;
        tensors.kps[20] = f32::NAN;
        let found = tensors.decode(8, 2, 2).unwrap();
        assert_eq!(found.len(), 1, "only the fourth cell holds a face");
    }

    #[test]
    fn an_output_of_another_length_is_an_error() {
        let mut tensors = Tensors::empty(4);
        tensors.kps.pop();
        let error = tensors.decode(8, 2, 2).unwrap_err().to_string();
        assert_eq!(error, "output kps: expected 40 values, found 39");
    }
}
