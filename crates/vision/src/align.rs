//! Faces brought to one template: 128×128 grey pixels, in which eyes, nose and mouth are always at the same place.
//!
//! The template is the median landmark layout of FER2013's own crops; all weights are trained on crops made this way.

use crate::{
    AlignError, BgrImage, Landmarks, Point, Roi,
    grey::{Plane, Window},
};

pub use crate::similarity::Similarity;

/// Width and height of an aligned face in pixels.
pub const FACE_SIZE: usize = 128;

/// Pixels of an aligned face.
pub const FACE_PIXELS: usize = FACE_SIZE * FACE_SIZE;

/// Where an aligned face has its landmarks, in pixels of the crop.
pub const TEMPLATE: Landmarks = [
    Point::new(40.3, 49.3),
    Point::new(87.7, 49.3),
    Point::new(64.0, 76.2),
    Point::new(44.8, 98.2),
    Point::new(83.2, 98.2),
];

/// Where a box of `haarcascade_frontalface_alt2` has the middle between the eyes, in shares of its side: the median of
/// YuNet's landmarks in 20 such boxes of different people.
const HAAR_EYES: (f64, f64) = (0.5, 0.385);
/// How far the eyes are apart in such a box, in shares of its side.
const HAAR_EYE_DISTANCE: f64 = 0.39;

/// The crops in the training data are averages of at least 2×2 samples a pixel.
const LEAST_SAMPLES: usize = 2;
/// Beyond this many samples a side the picture is shrunk first.
const MOST_SAMPLES: f64 = 4.0;

/// A face as the network sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignedFace {
    /// Grey values, `[128, 128]`, rows from the top.
    pub pixels: Box<[u8; FACE_PIXELS]>,
    /// From the frame to the crop.
    pub transform: Similarity,
}

/// Aligns a face by its landmarks where the detector gave them ([`align`]), else by its box ([`align_roi`]).
///
/// # Errors
/// As those two.
pub fn face(image: &BgrImage, landmarks: Option<&Landmarks>, roi: &Roi) -> Result<AlignedFace, AlignError> {
    match landmarks {
        Some(landmarks) => align(image, landmarks),
        None => align_roi(image, roi),
    }
}

/// Aligns a face by its five landmarks.
///
/// Grey by OpenCV's weights; each pixel is the average of the picture's area that it covers, also when the face is
/// enlarged; outside the picture its border is repeated.
///
/// # Errors
/// [`AlignError::DegenerateLandmarks`], or [`AlignError::Outside`] when the crop does not touch the picture.
pub fn align(image: &BgrImage, landmarks: &Landmarks) -> Result<AlignedFace, AlignError> {
    aligned(image, Similarity::fit(landmarks, &TEMPLATE)?)
}

/// Aligns a face of which only a Haar cascade's box is known: upright, the eyes where such boxes usually have them.
///
/// # Errors
/// [`AlignError::DegenerateRoi`], or [`AlignError::Outside`] when the crop does not touch the picture.
pub fn align_roi(image: &BgrImage, roi: &Roi) -> Result<AlignedFace, AlignError> {
    if !roi.is_proper() {
        return Err(AlignError::DegenerateRoi);
    }
    let middle = roi.center();
    let side = f64::from(roi.area()).sqrt();
    let scale = f64::from(TEMPLATE[1].x - TEMPLATE[0].x) / (HAAR_EYE_DISTANCE * side);
    let eyes = (f64::from(middle.x) + (HAAR_EYES.0 - 0.5) * side, f64::from(middle.y) + (HAAR_EYES.1 - 0.5) * side);
    let target = TEMPLATE[0].midpoint(&TEMPLATE[1]);
    let transform = Similarity {
        a: scale,
        b: 0.0,
        tx: f64::from(target.x) - scale * eyes.0,
        ty: f64::from(target.y) - scale * eyes.1,
    };
    if !transform.is_finite() {
        return Err(AlignError::DegenerateRoi);
    }
    aligned(image, transform)
}

/// Takes a picture that already is a face crop: its largest middle square, in grey, resized to 128×128.
///
/// A grey crop of 128×128 keeps every pixel's value.
pub fn from_crop(image: &BgrImage) -> AlignedFace {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let side = width.min(height);
    let scale = FACE_SIZE as f64 / side;
    let shift = |length: f64| -scale * ((length - side) / 2.0).floor() + (scale - 1.0) / 2.0;
    let transform = Similarity { a: scale, b: 0.0, tx: shift(width), ty: shift(height) };
    warp(image, transform, 1)
}

fn aligned(image: &BgrImage, transform: Similarity) -> Result<AlignedFace, AlignError> {
    let (x, y) = bounds(&transform);
    let touches = |(low, high): (f64, f64), side: u32| high >= 0.0 && low <= f64::from(side - 1);
    if !touches(x, image.width()) || !touches(y, image.height()) {
        return Err(AlignError::Outside);
    }
    Ok(warp(image, transform, LEAST_SAMPLES))
}

fn warp(image: &BgrImage, transform: Similarity, least_samples: usize) -> AlignedFace {
    let footprint = 1.0 / transform.scale();
    let factor = if footprint > MOST_SAMPLES { (footprint / 2.0).floor().min(f64::from(crate::MAX_SIDE)) } else { 1.0 };
    // Less a little, so that rounding does not add a sample to a whole footprint.
    let samples = (footprint / factor - 1e-3).ceil().clamp(1.0, MOST_SAMPLES) as usize;
    let (x, y) = bounds(&transform);
    let margin = factor + 1.0;
    let span = |(low, high): (f64, f64), side: u32| {
        let last = f64::from(side - 1);
        let start = (low - margin).floor().clamp(0.0, last) as usize;
        let end = (high + margin).ceil().clamp(0.0, last) as usize;
        (start, end + 1)
    };
    let (left, right) = span(x, image.width());
    let (top, bottom) = span(y, image.height());
    let window = Window { left, top, right, bottom };
    let plane = Plane::new(image, window, factor as usize);
    let samples = samples.max(least_samples);
    let mut pixels = Box::new([0; FACE_PIXELS]);
    plane.warp(&transform.inverse(), FACE_SIZE, samples, pixels.as_mut_slice());
    AlignedFace { pixels, transform }
}

/// The least and the greatest x, and y, that the crop's corners have in the frame.
fn bounds(transform: &Similarity) -> ((f64, f64), (f64, f64)) {
    let back = transform.inverse();
    let end = FACE_SIZE as f64 - 0.5;
    let corners = [(-0.5, -0.5), (end, -0.5), (-0.5, end), (end, end)].map(|(x, y)| back.apply_exact(x, y));
    let range = |values: [f64; 4]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    (range(corners.map(|corner| corner.0)), range(corners.map(|corner| corner.1)))
}
