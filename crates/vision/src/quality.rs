//! How far an answer about a face can be trusted, judged from its picture alone.

use serde::{Deserialize, Serialize};

use crate::{
    Landmarks, Roi,
    align::{AlignedFace, FACE_SIZE, TEMPLATE},
};

/// A face of this size √(width · height), in pixels of the frame, fills the crop with pixels of its own.
const FULL_SIZE: f32 = 100.0;
/// The share of detail at which sharpness is 1 − 1/e: about the median of LFW's aligned faces. The same faces reduced to
/// 64 pixels and enlarged again have 0.001, to 32 pixels 0.0005.
const DETAIL: f32 = 0.0025;
/// Variance of grey values that noise alone reaches.
const NOISE: f32 = 25.0;
/// The border of the crop, mostly background and hair, does not count.
const MARGIN: usize = 16;
/// Yaw at which a face is seen from the side.
const FULL_YAW: f32 = 0.6;
/// Deviation of the nose's height from the template's at which a face looks fully up or down.
const FULL_PITCH: f32 = 0.5;
/// Grey levels: too dark, dark enough, still not too bright, too bright.
const EXPOSURE: [f32; 4] = [15.0, 70.0, 190.0, 250.0];

/// The quality of one aligned face; 0 is useless, 1 leaves nothing to wish for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// min(1, √(width · height) / 100) of the face's box in pixels of the frame.
    pub size: f32,
    /// 1 − exp(−r / 0.0025), where r = var(∇²g) / (16 · (var(g) + 25)) over the inner 96×96 pixels g of the crop, ∇² the
    /// Laplacian of four neighbours: the share of the contrast that is fine detail. Does not depend on the light.
    pub sharpness: f32,
    /// max(0, 1 − |yaw| / 0.6) · max(0, 1 − |pitch| / 0.5), where, in the crop, yaw = (nose x − x of the middle between
    /// the eyes) / eye distance, and pitch = (nose y − eye y) / (mouth y − eye y) less the template's 0.55.
    /// 0.5 when there are no landmarks.
    pub frontality: f32,
    /// From the mean grey m of the inner 96×96 pixels: 0 up to 15, rising to 1 at 70, 1 to 190, falling to 0 at 250.
    pub brightness: f32,
    /// The geometric mean of the four.
    pub overall: f32,
}

/// Measures a face that was aligned from `roi` and, where there are some, `landmarks`, both in pixels of the frame.
pub fn measure(face: &AlignedFace, roi: &Roi, landmarks: Option<&Landmarks>) -> Quality {
    let size = unit(roi.area().sqrt() / FULL_SIZE);
    let inner = Inner::of(face.pixels.as_slice());
    let sharpness = unit(1.0 - (-inner.detail() / DETAIL).exp());
    let frontality = landmarks.map_or(0.5, |landmarks| frontality(face, landmarks));
    let brightness = exposure(inner.mean);
    let product = size * sharpness * frontality * brightness;
    Quality { size, sharpness, frontality, brightness, overall: unit(product.sqrt().sqrt()) }
}

/// Statistics of the inner part of a crop.
struct Inner {
    mean: f32,
    variance: f32,
    laplacian: f32,
}

impl Inner {
    fn of(pixels: &[u8]) -> Self {
        let at = |x: usize, y: usize| f32::from(pixels[y * FACE_SIZE + x]);
        let range = MARGIN..FACE_SIZE - MARGIN;
        let inner = || range.clone().flat_map(|y| range.clone().map(move |x| (x, y)));
        let count = (range.len() * range.len()) as f32;
        let mean = inner().map(|(x, y)| at(x, y)).sum::<f32>() / count;
        let variance = inner().map(|(x, y)| (at(x, y) - mean).powi(2)).sum::<f32>() / count;
        // The Laplacian's own mean is as good as 0.
        let laplacian = inner()
            .map(|(x, y)| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y))
            .map(|value| value * value)
            .sum::<f32>()
            / count;
        Self { mean, variance, laplacian }
    }

    fn detail(&self) -> f32 {
        self.laplacian / (16.0 * (self.variance + NOISE))
    }
}

fn frontality(face: &AlignedFace, landmarks: &Landmarks) -> f32 {
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = landmarks.map(|point| face.transform.apply(point));
    let (eyes, mouth) = (left_eye.midpoint(&right_eye), left_mouth.midpoint(&right_mouth));
    let yaw = (nose.x - eyes.x) / left_eye.distance(&right_eye);
    let [eye, .., corner] = TEMPLATE;
    let frontal = (TEMPLATE[2].y - eye.y) / (corner.y - eye.y);
    let pitch = (nose.y - eyes.y) / (mouth.y - eyes.y) - frontal;
    unit(1.0 - yaw.abs() / FULL_YAW) * unit(1.0 - pitch.abs() / FULL_PITCH)
}

fn exposure(mean: f32) -> f32 {
    let [dark, dim, light, glaring] = EXPOSURE;
    unit((mean - dark) / (dim - dark)).min(unit((glaring - mean) / (glaring - light)))
}

/// Clamped to 0..=1; 0 for NaN.
fn unit(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}
