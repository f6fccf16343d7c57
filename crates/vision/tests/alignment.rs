//! Faces come to lie on the template, wherever and however they are in the picture.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use vision::{
    AlignError, BgrImage, Landmarks, Point, Roi,
    align::{self, FACE_PIXELS, FACE_SIZE, Similarity, TEMPLATE},
};

/// A grey picture with a white dot of the given radius at each landmark, edges smoothed.
fn dots(side: u32, landmarks: &Landmarks, radius: f32) -> BgrImage {
    let mut data = vec![60; (side * side * 3) as usize];
    for (index, pixel) in data.chunks_exact_mut(3).enumerate() {
        let here = Point::new((index as u32 % side) as f32, (index as u32 / side) as f32);
        for landmark in landmarks {
            let inside = (radius + 0.5 - here.distance(landmark)).clamp(0.0, 1.0);
            let value = 60.0 + 190.0 * inside;
            if value > f32::from(pixel[0]) {
                pixel.fill(value as u8);
            }
        }
    }
    BgrImage::new(side, side, data).unwrap()
}

/// The middle of what is bright around `near` in an aligned face.
fn bright_spot(pixels: &[u8], near: Point, reach: f32) -> Point {
    let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
    for (index, &value) in pixels.iter().enumerate() {
        let here = Point::new((index % FACE_SIZE) as f32, (index / FACE_SIZE) as f32);
        if here.distance(&near) <= reach {
            let weight = (f32::from(value) - 60.0).max(0.0);
            x += weight * here.x;
            y += weight * here.y;
            sum += weight;
        }
    }
    Point::new(x / sum, y / sum)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_face_turned_scaled_and_shifted_at_will_is_found_within_a_pixel_of_the_template(
        scale in 0.25f64..6.0,
        angle in -3.1f64..3.1,
        shift in (-20.0f64..20.0, -20.0f64..20.0),
    ) {
        let side = 900;
        // About the template's middle, to the picture's.
        let (a, b) = (scale * angle.cos(), scale * angle.sin());
        let to_picture = Similarity {
            a,
            b,
            tx: 450.0 + shift.0 - (a * 64.0 - b * 74.0),
            ty: 450.0 + shift.1 - (b * 64.0 + a * 74.0),
        };
        let landmarks = TEMPLATE.map(|point| to_picture.apply(point));
        let radius = (5.0 * scale).max(1.0) as f32;
        let face = align::align(&dots(side, &landmarks, radius), &landmarks).unwrap();
        prop_assert!((face.transform.scale() * scale - 1.0).abs() < 1e-3);
        for point in TEMPLATE {
            let found = bright_spot(face.pixels.as_slice(), point, 12.0);
            prop_assert!(found.distance(&point) < 1.0, "{:?} instead of {:?}", found, point);
        }
    }

    #[test]
    fn shrinking_averages_the_area_so_that_fine_stripes_become_even_grey(
        scale in 3.0f64..30.0,
        angle in -3.1f64..3.1,
    ) {
        let side = 1500_u32;
        let data = (0..side * side)
            .flat_map(|index| [if (index % side).is_multiple_of(2) { 0 } else { 200 }; 3])
            .collect();
        let image = BgrImage::new(side, side, data).unwrap();
        let (a, b) = (scale * angle.cos(), scale * angle.sin());
        let to_picture = Similarity { a, b, tx: 750.0 - a * 64.0 + b * 64.0, ty: 750.0 - (a + b) * 64.0 };
        let face = align::align(&image, &TEMPLATE.map(|point| to_picture.apply(point))).unwrap();
        // The middle stays clear of the picture's border.
        for y in 56..72 {
            for x in 56..72 {
                let value = face.pixels[y * FACE_SIZE + x];
                prop_assert!((65..=135).contains(&value), "{} at ({}, {})", value, x, y);
            }
        }
    }

    #[test]
    fn a_similarity_and_its_inverse_cancel(
        a in -5.0f64..5.0, b in 0.1f64..5.0, tx in -900.0f64..900.0, ty in -900.0f64..900.0,
        x in 0.0f32..2000.0, y in 0.0f32..2000.0,
    ) {
        let there = Similarity { a, b, tx, ty };
        let back = there.inverse().apply(there.apply(Point::new(x, y)));
        prop_assert!(back.distance(&Point::new(x, y)) < 0.05);
    }

    #[test]
    fn landmarks_of_any_kind_are_aligned_or_refused_but_never_panic(
        numbers in proptest::array::uniform10(prop_oneof![
            -1e3f32..1e3, Just(f32::NAN), Just(f32::INFINITY), Just(3e38), Just(0.0), -1e9f32..1e9,
        ]),
    ) {
        let image = BgrImage::new(40, 30, vec![90; 40 * 30 * 3]).unwrap();
        let landmarks: Landmarks =
            std::array::from_fn(|i| Point::new(numbers[2 * i], numbers[2 * i + 1]));
        if let Ok(face) = align::align(&image, &landmarks) {
            prop_assert_eq!(*face.pixels, [90; FACE_PIXELS]);
        }
        let roi = Roi::new(numbers[0], numbers[1], numbers[2], numbers[3]);
        if let Ok(face) = align::align_roi(&image, &roi) {
            prop_assert_eq!(*face.pixels, [90; FACE_PIXELS]);
        }
    }
}

#[test]
fn a_face_crop_of_128_by_128_keeps_every_pixel() {
    let grey: Vec<u8> = (0..128_u32 * 128).map(|i| (i * 31 % 251) as u8).collect();
    let data = grey.iter().flat_map(|&value| [value; 3]).collect();
    let face = align::from_crop(&BgrImage::new(128, 128, data).unwrap());
    assert_eq!(face.pixels.as_slice(), grey);
    let identity = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };
    assert_eq!(face.transform.inverse(), identity.inverse());
}

#[test]
fn a_crop_of_twice_the_size_is_averaged_in_blocks_of_four() {
    let pixel = |i: u32| ((i % 256) * 7 + (i / 256) * 13) as u8;
    let data = (0..256 * 256).flat_map(|i| [pixel(i); 3]).collect();
    let face = align::from_crop(&BgrImage::new(256, 256, data).unwrap());
    let block = [0, 1, 256, 257].map(|offset| u32::from(pixel(256 * 20 + 40 + offset)));
    let mean = (block.iter().sum::<u32>() + 2) / 4;
    assert_eq!(u32::from(face.pixels[10 * 128 + 20]), mean);
}

#[test]
fn crops_of_any_size_and_shape_give_a_face() {
    for (width, height) in [(1, 1), (1, 300), (48, 48), (100, 37), (5000, 3)] {
        let data = vec![77; (width * height * 3) as usize];
        let face = align::from_crop(&BgrImage::new(width, height, data).unwrap());
        assert_eq!(*face.pixels, [77; FACE_PIXELS], "{width}×{height}");
    }
}

#[test]
fn coinciding_landmarks_and_faces_beside_the_picture_are_refused() {
    let image = BgrImage::new(100, 100, vec![0; 30_000]).unwrap();
    let coinciding = [Point::new(50.0, 50.0); 5];
    assert_eq!(align::align(&image, &coinciding), Err(AlignError::DegenerateLandmarks));
    let beside = TEMPLATE.map(|point| Point::new(point.x + 500.0, point.y));
    assert_eq!(align::align(&image, &beside), Err(AlignError::Outside));
    assert_eq!(align::align_roi(&image, &Roi::default()), Err(AlignError::DegenerateRoi));
}

#[test]
fn the_border_is_repeated_where_the_face_reaches_out_of_the_picture() {
    let image = BgrImage::new(128, 128, vec![140; 128 * 128 * 3]).unwrap();
    let shifted = TEMPLATE.map(|point| Point::new(point.x - 70.0, point.y + 60.0));
    let face = align::align(&image, &shifted).unwrap();
    assert_eq!(*face.pixels, [140; FACE_PIXELS]);
}
