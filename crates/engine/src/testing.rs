//! What tests of this crate share: names, painted faces and a detector that finds them.

use std::path::Path;
use std::time::Duration;

use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, DeviceChoice, EncoderConfig, FaceCrop, Label, TaskName};
use vision::align::TEMPLATE;
use vision::{BgrImage, DetectError, Detection, DetectorKind, FaceDetector, Point, Quality, Roi, TrackId};

use crate::model::manifest::ColumnRecord;
use crate::model::store::ModelStore;
use crate::perception::vision_stage::{Seen, SeenFace};
use crate::types::Stamp;
use crate::{AnsweringTask, EngineConfig};

/// The id of the `number`th track.
pub(crate) fn track(number: usize) -> TrackId {
    TrackId::from_sequence(number as u64)
}

pub(crate) fn task(name: &str) -> TaskName {
    name.parse().unwrap()
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

/// A pipe that nobody writes to: who opens it waits for ever.
pub(crate) fn make_pipe(path: &Path) {
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name ends with a zero, and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

/// A head with neutral calibration.
pub(crate) fn head(name: &str, version: u32, labels: &[&str]) -> AnsweringTask {
    AnsweringTask {
        name: task(name),
        version,
        labels: labels.iter().map(|text| label(text)).collect(),
        kind: crate::TaskKind::General,
        calibration: learning::Calibration::default(),
    }
}

/// Writes a small untrained model with tasks `mood` and `who` into `dir/model`; taught tasks go to `dir/state`.
pub(crate) fn small_model(dir: &Path) -> EngineConfig {
    let device = Default::default();
    let encoder = EncoderConfig { channels: [4, 4, 4, 8], latent: 8, ..EncoderConfig::default() };
    let mut store = ModelStore::create::<CpuBackend>(
        &dir.join("model"),
        "small",
        "Apache-2.0",
        &encoder.init(&device, 1),
        encoder.clone(),
        Precision::F32,
    )
    .unwrap();
    for (seed, (name, labels)) in [("mood", ["calm", "tense"]), ("who", ["ada", "grace"])].into_iter().enumerate() {
        let config = ColumnConfig {
            features: encoder.features(),
            channels: [8, 8],
            adapter_channels: 8,
            hidden: 8,
            ..ColumnConfig::new(2, 0)
        };
        let column = config.init::<CpuBackend>(&device, seed as u64);
        let labels = labels.iter().map(|text| label(text)).collect();
        let record = ColumnRecord::new(task(name), labels, &[], config, learning::Calibration::default());
        store.put_column(record, &column, Precision::F32).unwrap();
    }
    EngineConfig {
        model: dir.join("model"),
        state_dir: dir.join("state"),
        device: DeviceChoice::Cpu,
        threads: 1,
        ..EngineConfig::default()
    }
}

/// What the vision stage might have seen: per face its track, the side of its box and its quality.
///
/// The first byte of a crop is the last byte of the track's name.
pub(crate) fn seen(stamp: f64, faces: &[(TrackId, f32, f32)]) -> Seen {
    let face = |(track, side, overall): &(TrackId, f32, f32)| SeenFace {
        track: track.clone(),
        roi: Roi::new(0.0, 0.0, *side, *side),
        score: 0.9,
        landmarks: None,
        quality: Quality { size: 1.0, sharpness: 1.0, frontality: 1.0, brightness: 1.0, overall: *overall },
        crop: Some(FaceCrop::from_fn(|_| *track.as_str().as_bytes().last().unwrap())),
    };
    Seen {
        moment: Stamp::from_seconds(stamp).into(),
        faces: faces.iter().map(face).collect(),
        active: faces.iter().map(|(track, ..)| track.clone()).collect(),
        detect: Duration::ZERO,
        track: Duration::ZERO,
        align: Duration::ZERO,
    }
}

/// Red values from here on mark a painted face; the ground stays below.
const MARK: u8 = 200;

/// A dark picture with faces: textured squares of (which, left, top, side), `which` below 50.
pub(crate) fn picture(width: u32, height: u32, faces: &[(u8, f32, f32, f32)]) -> BgrImage {
    let mut data = vec![];
    for y in 0..height {
        for x in 0..width {
            let inside = |&&(_, left, top, side): &&(u8, f32, f32, f32)| {
                (left..left + side).contains(&(x as f32)) && (top..top + side).contains(&(y as f32))
            };
            let pixel = match faces.iter().find(inside) {
                Some(&(which, left, top, _)) => {
                    // A checkerboard that moves with the face, finer for each: contrast for the quality measure.
                    let cell = 9 - u32::from(which) % 6;
                    let (u, v) = ((x - left.ceil() as u32) / cell, (y - top.ceil() as u32) / cell);
                    let shade = if (u + v) % 2 == 0 { 60 } else { 180 };
                    [shade, shade, MARK + which]
                }
                None => [40, 40, 40],
            };
            data.extend(pixel);
        }
    }
    BgrImage::new(width, height, data).unwrap()
}

/// Finds what [`picture`] paints.
pub(crate) struct PaintedFaces;

impl FaceDetector for PaintedFaces {
    fn kind(&self) -> DetectorKind {
        DetectorKind::YuNet
    }

    fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError> {
        let mut boxes = std::collections::BTreeMap::<u8, (u32, u32, u32, u32)>::new();
        for (index, pixel) in image.data().chunks_exact(3).enumerate() {
            if pixel[2] >= MARK {
                let (x, y) = (index as u32 % image.width(), index as u32 / image.width());
                let found = boxes.entry(pixel[2]).or_insert((x, y, x, y));
                *found = (found.0.min(x), found.1.min(y), found.2.max(x), found.3.max(y));
            }
        }
        let detection = |(left, top, right, bottom): (u32, u32, u32, u32)| {
            let roi = Roi::new(left as f32, top as f32, (right - left + 1) as f32, (bottom - top + 1) as f32);
            let place = |p: Point| Point::new(roi.x + p.x * roi.width / 128.0, roi.y + p.y * roi.height / 128.0);
            Detection { roi, score: 0.95, landmarks: Some(TEMPLATE.map(place)) }
        };
        Ok(boxes.into_values().map(detection).collect())
    }

    fn set_score_threshold(&mut self, _: f32) {}
}
