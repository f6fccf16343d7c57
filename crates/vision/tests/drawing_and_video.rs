//! Pictures for people: annotations stay inside the picture, videos come back as they were written.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;

use proptest::prelude::*;
use vision::{
    BgrImage, Point, Roi, VideoError,
    draw::draw_face,
    video::{VideoReader, VideoWriter},
};

const GREEN: [u8; 3] = [0, 255, 0];

fn grey(width: u32, height: u32, value: u8) -> BgrImage {
    BgrImage::new(width, height, vec![value; (width * height * 3) as usize]).unwrap()
}

fn is_green(image: &BgrImage, x: u32, y: u32) -> bool {
    image.data()[((y * image.width() + x) * 3) as usize..][..3] == GREEN
}

/// As the edges of thin letters are.
fn is_greenish(image: &BgrImage, x: u32, y: u32) -> bool {
    let pixel = &image.data()[((y * image.width() + x) * 3) as usize..][..3];
    pixel[1] > 140 && pixel[0] < 100 && pixel[2] < 100
}

#[test]
fn a_face_is_marked_by_its_box_its_landmarks_and_text_below() {
    let mut image = grey(640, 480, 128);
    let before = image.clone();
    let roi = Roi::new(200.0, 100.0, 120.0, 160.0);
    let landmarks = [Point::new(250.0, 170.0); 5];
    let lines = ["happy 0.91".to_owned(), "zoë".to_owned()];
    draw_face(&mut image, &roi, Some(&landmarks), &lines, GREEN).unwrap();
    assert!(is_green(&image, 200, 180) && is_green(&image, 250, 170));
    let changed_below = (262..320).any(|y| (200..400).any(|x| is_greenish(&image, x, y)));
    assert!(changed_below, "no text below the box");
    let row = 640 * 3;
    assert_eq!(image.data()[..90 * row], before.data()[..90 * row]);
}

proptest! {
    #[test]
    fn boxes_points_and_text_of_any_kind_are_drawn_without_a_panic(
        numbers in proptest::array::uniform6(prop_oneof![
            -300.0f32..300.0, Just(f32::NAN), Just(f32::INFINITY), Just(-1e30),
        ]),
        size in (1u32..120, 1u32..120),
        text in ".{0,40}",
    ) {
        let mut image = grey(size.0, size.1, 90);
        let roi = Roi::new(numbers[0], numbers[1], numbers[2], numbers[3]);
        let landmarks = [Point::new(numbers[4], numbers[5]); 5];
        let lines = vec![text; 3];
        prop_assert!(draw_face(&mut image, &roi, Some(&landmarks), &lines, GREEN).is_ok());
    }
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vision-{}-{name}", std::process::id()))
}

#[test]
fn a_video_is_read_back_with_its_frames_in_order_and_again_after_rewinding() {
    for name in ["clip.avi", "clip.mp4"] {
        let path = scratch(name);
        let mut writer = VideoWriter::create(&path, 160, 96, 12.0).unwrap();
        for frame in 0..10 {
            writer.write(&grey(160, 96, 20 * frame + 20)).unwrap();
        }
        let wrong = writer.write(&grey(80, 96, 0));
        assert!(matches!(wrong, Err(VideoError::FrameSize { .. })));
        writer.finish().unwrap();

        let mut reader = VideoReader::open(&path).unwrap();
        assert!((reader.fps().unwrap() - 12.0).abs() < 0.1);
        assert_eq!(reader.frame_count(), Some(10));
        for _ in 0..2 {
            let mut count = 0;
            while let Some(frame) = reader.next_frame().unwrap() {
                assert_eq!((frame.width(), frame.height()), (160, 96));
                let (found, expected) = (i32::from(frame.data()[0]), 20 * count + 20);
                assert!((found - expected).abs() <= 8, "{name}: {found} instead of {expected}");
                count += 1;
            }
            assert_eq!(count, 10);
            reader.rewind().unwrap();
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn videos_that_cannot_be_opened_or_written_are_refused_with_a_reason() {
    let missing = VideoReader::open(&scratch("missing.mp4")).unwrap_err();
    assert!(missing.to_string().contains("missing.mp4"));
    let path = scratch("text.mp4");
    std::fs::write(&path, "no video").unwrap();
    assert!(matches!(VideoReader::open(&path), Err(VideoError::Open(_))));
    std::fs::remove_file(&path).unwrap();
    let create = |name: &str, fps| VideoWriter::create(&scratch(name), 64, 64, fps).unwrap_err();
    assert!(matches!(create("clip.txt", 10.0), VideoError::Container(_)));
    assert!(matches!(create("clip.avi", f64::NAN), VideoError::Rate(_)));
    let nowhere = PathBuf::from("/nonexistent/folder/clip.avi");
    assert!(matches!(VideoWriter::create(&nowhere, 64, 64, 10.0), Err(VideoError::Open(_))));
    assert!(matches!(VideoReader::open_device(4_000_000_000), Err(VideoError::Open(_))));
}

/// Gives the first track of an MP4 a display matrix (ISO 14496-12, `tkhd`): a, b, c, d.
fn turn(mp4: &mut [u8], matrix: [i32; 4]) {
    let tag = mp4.windows(4).position(|bytes| bytes == b"tkhd").unwrap();
    let begin = tag + 4 + if mp4[tag + 4] == 1 { 52 } else { 40 };
    let one = 1 << 16;
    for (value, place) in matrix.into_iter().zip([0, 4, 12, 16]) {
        mp4[begin + place..begin + place + 4].copy_from_slice(&(value * one).to_be_bytes());
    }
}

#[test]
fn a_phones_video_is_read_with_heads_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.mp4");
    let mut white_on_the_left = grey(64, 32, 0);
    let whiten = |data: &mut [u8]| data.chunks_exact_mut(64 * 3).for_each(|row| row[..32 * 3].fill(255));
    let mut data = white_on_the_left.data().to_vec();
    whiten(&mut data);
    white_on_the_left = BgrImage::new(64, 32, data).unwrap();
    let mut writer = VideoWriter::create(&path, 64, 32, 10.0).unwrap();
    for _ in 0..8 {
        writer.write(&white_on_the_left).unwrap();
    }
    writer.finish().unwrap();
    let plain = std::fs::read(&path).unwrap();
    // Where the left side of the stored picture is to be seen: 90° to the right, and so on.
    for (matrix, size, bright) in [
        ([1, 0, 0, 1], (64, 32), (8, 16)),
        ([0, 1, -1, 0], (32, 64), (16, 8)),
        ([-1, 0, 0, -1], (64, 32), (56, 16)),
        ([0, -1, 1, 0], (32, 64), (16, 56)),
    ] {
        let mut turned = plain.clone();
        turn(&mut turned, matrix);
        std::fs::write(&path, turned).unwrap();
        let mut reader = VideoReader::open(&path).unwrap();
        for number in 0..8 {
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!((frame.width(), frame.height()), size, "{matrix:?}");
            let at = |x: u32, y: u32| frame.data()[((y * size.0 + x) * 3) as usize];
            assert!(at(bright.0, bright.1) > 200, "{matrix:?}");
            assert!(at(size.0 - 1 - bright.0, size.1 - 1 - bright.1) < 60, "{matrix:?}");
            let time = reader.time_s().unwrap();
            assert!((time - f64::from(number) / 10.0).abs() < 0.02, "{number}: {time}");
        }
    }
}
