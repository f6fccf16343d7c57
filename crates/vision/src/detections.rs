//! What detectors do before and after they look: shrink the picture, bring boxes back to it, and drop those found twice.

use opencv::core::{self, Mat};

use crate::{BgrImage, DetectError, Detection, DetectorConfig};

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
    use crate::Roi;

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
}
