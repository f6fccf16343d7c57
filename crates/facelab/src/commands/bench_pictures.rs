//! What `facelab bench` measures of pictures: detection and alignment, which need OpenCV.

use super::growth::Growth;
use crate::common::{Common, DetectorFiles};
use crate::timing::{Timing, measure};
use std::path::Path;
use vision::align::{TEMPLATE, align};
use vision::{BgrImage, DetectError, DetectorConfig, FaceDetector, Point, YuNet, open_detector};

/// Size of the made-up picture, pixels.
const SIZE: (u32, u32) = (640, 480);
/// A picture given is at most so large, pixels.
const MAX_PIXELS: u64 = 100_000_000;
/// Widths of a frame at 4:3, pixels; detection runs at full size.
const WIDTHS: [u32; 4] = [320, 640, 960, 1280];

/// Smooth shades with some texture: what a detector finds in it does not matter.
fn made_up_picture() -> anyhow::Result<BgrImage> {
    let (width, height) = SIZE;
    let pixel = |at: u32| {
        let (x, y) = (at % width, at / width);
        let noise = at.wrapping_mul(2_654_435_761) >> 28;
        [(x * 200 / width + noise) as u8, (y * 200 / height + noise) as u8, ((x + y) * 100 / width + noise) as u8]
    };
    Ok(BgrImage::new(width, height, (0..width * height).flat_map(pixel).collect())?)
}

/// The picture that is given, or a made-up one.
pub fn picture(given: Option<&Path>) -> anyhow::Result<BgrImage> {
    match given {
        Some(path) => Ok(BgrImage::read(path, MAX_PIXELS)?),
        None => made_up_picture(),
    }
}

/// Times the detector, where there is one; its name.
pub fn detect(
    files: &DetectorFiles,
    picture: &BgrImage,
    runs: usize,
    common: &Common,
    timings: &mut Vec<Timing>,
) -> anyhow::Result<Option<&'static str>> {
    let (yunet, haar) = (files.yunet(), files.haar());
    let mut detector = match open_detector(yunet.as_deref(), haar.as_deref(), &DetectorConfig::default()) {
        Ok(detector) => detector,
        Err(DetectError::NoModel) => {
            common.say("detection is left out: no --yunet or --haar, and neither is in the environment");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    timings.push(measure("detect", 1, runs, || Ok(detector.detect(picture).map(drop)?))?);
    Ok(Some(detector.kind().name()))
}

/// Times the alignment of a face of a third of the picture's height, a little turned.
pub fn alignment(picture: &BgrImage, runs: usize) -> anyhow::Result<Timing> {
    let scale = picture.height() as f32 / 3.0 / 128.0;
    let (middle_x, middle_y) = (picture.width() as f32 / 2.0, picture.height() as f32 / 2.0);
    let landmarks = TEMPLATE.map(|Point { x, y }| {
        let (x, y) = ((x - 64.0) * scale, (y - 64.0) * scale);
        Point::new(middle_x + 0.98 * x - 0.2 * y, middle_y + 0.2 * x + 0.98 * y)
    });
    measure("align", 1, runs, || Ok(align(picture, &landmarks).map(drop)?))
}

/// How detection's time grows with the width of a frame; nothing without YuNet's file.
pub fn growth(yunet: Option<&Path>, runs: usize) -> anyhow::Result<Option<Growth>> {
    let Some(yunet) = yunet else { return Ok(None) };
    let mut width = Growth::new("frame width", "detection, 1 thread, 4:3");
    for size in WIDTHS {
        let mut detector = YuNet::from_file(yunet, &DetectorConfig { max_side: size, ..DetectorConfig::default() })?;
        let picture = made_up_picture()?.resized(size, size / 4 * 3)?;
        width.add(size as usize, runs, || Ok(detector.detect(&picture).map(drop)?))?;
    }
    Ok(Some(width))
}
