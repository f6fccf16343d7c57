//! Quality falls when a picture gets worse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use vision::{
    BgrImage, Landmarks, Point, Roi,
    align::{self, FACE_SIZE, TEMPLATE},
    measure,
};

const ROI: Roi = Roi::new(14.0, 8.0, 100.0, 112.0);

/// Grey values with structure at all sizes, about 60 to 180.
fn texture() -> Vec<f32> {
    (0..FACE_SIZE * FACE_SIZE)
        .map(|i| {
            let (x, y) = ((i % FACE_SIZE) as f32, (i / FACE_SIZE) as f32);
            let coarse = (x / 17.0).sin() + (y / 13.0).cos();
            let fine = (x * 0.9).sin() * (y * 0.8).cos();
            120.0 + 20.0 * coarse + 8.0 * fine
        })
        .collect()
}

fn picture(values: &[f32]) -> BgrImage {
    let data = values.iter().flat_map(|&value| [value as u8; 3]).collect();
    BgrImage::new(FACE_SIZE as u32, FACE_SIZE as u32, data).unwrap()
}

/// The mean of 3×3 pixels.
fn blurred(values: &[f32]) -> Vec<f32> {
    let last = FACE_SIZE - 1;
    (0..values.len())
        .map(|i| {
            let (x, y) = (i % FACE_SIZE, i / FACE_SIZE);
            let mut sum = 0.0;
            for dy in 0..3 {
                for dx in 0..3 {
                    let row = (y + dy).saturating_sub(1).min(last);
                    let column = (x + dx).saturating_sub(1).min(last);
                    sum += values[row * FACE_SIZE + column];
                }
            }
            sum / 9.0
        })
        .collect()
}

#[test]
fn every_blur_lowers_sharpness_and_the_overall_quality() {
    let mut values = texture();
    let judge = |values: &[f32]| measure(&align::from_crop(&picture(values)), &ROI, Some(&TEMPLATE));
    let mut before = judge(&values);
    for _ in 0..4 {
        values = blurred(&values);
        let after = judge(&values);
        assert!(after.sharpness < before.sharpness, "{after:?} {before:?}");
        assert!(after.overall < before.overall);
        before = after;
    }
    let flat = judge(&vec![120.0; FACE_SIZE * FACE_SIZE]);
    assert_eq!((flat.sharpness, flat.overall), (0.0, 0.0));
}

#[test]
fn darkening_lowers_brightness_and_the_overall_quality_but_hardly_sharpness() {
    let values = texture();
    let judge = |light: f32| {
        let dim: Vec<f32> = values.iter().map(|value| value * light).collect();
        measure(&align::from_crop(&picture(&dim)), &ROI, Some(&TEMPLATE))
    };
    let lit = judge(1.0);
    assert_eq!(lit.brightness, 1.0);
    let mut before = judge(0.55);
    assert!((before.sharpness - lit.sharpness).abs() < 0.15);
    for light in [0.45, 0.35, 0.25, 0.15] {
        let after = judge(light);
        assert!(after.brightness < before.brightness);
        assert!(after.overall < before.overall);
        before = after;
    }
    assert_eq!(judge(0.1).brightness, 0.0);
    assert!(judge(1.8).brightness < 1.0, "overexposed");
}

#[test]
fn a_face_turned_aside_or_down_is_less_frontal() {
    let face = align::from_crop(&picture(&texture()));
    let with_nose = |dx: f32, dy: f32| {
        let mut landmarks: Landmarks = TEMPLATE;
        landmarks[2] = Point::new(landmarks[2].x + dx, landmarks[2].y + dy);
        measure(&face, &ROI, Some(&landmarks)).frontality
    };
    assert!(with_nose(0.0, 0.0) > 0.99);
    for side in [-1.0, 1.0] {
        assert!(with_nose(side * 5.0, 0.0) > with_nose(side * 15.0, 0.0));
        assert_eq!(with_nose(side * 40.0, 0.0), 0.0);
        assert!(with_nose(0.0, side * 4.0) > with_nose(0.0, side * 12.0));
    }
    assert_eq!(measure(&face, &ROI, None).frontality, 0.5);
}

#[test]
fn smaller_faces_score_lower_and_hostile_boxes_score_zero() {
    let face = align::from_crop(&picture(&texture()));
    let size = |roi: Roi| measure(&face, &roi, None).size;
    assert_eq!(size(ROI), 1.0);
    assert!(size(Roi::new(0.0, 0.0, 50.0, 60.0)) > size(Roi::new(0.0, 0.0, 20.0, 24.0)));
    assert_eq!(size(Roi::new(0.0, 0.0, -50.0, 60.0)), 0.0);
    let nan = Roi::new(0.0, 0.0, f32::NAN, 60.0);
    let hostile = measure(&face, &nan, Some(&[Point::new(f32::NAN, 1.0); 5]));
    assert!((0.0..=1.0).contains(&hostile.overall), "{hostile:?}");
}
