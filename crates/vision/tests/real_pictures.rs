//! The detectors on a real photo. `FACE_ATTRIBUTES_YUNET` names the model, `FACE_ATTRIBUTES_MEDIA` a folder with
//! `astronaut.png`; a test without what it needs says that it was skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;

use vision::{
    BgrImage, DetectError, Detection, DetectorBackend, DetectorConfig, FaceDetector, Haar, YuNet,
    align::{self, AlignedFace, FACE_SIZE, TEMPLATE},
    measure, open_detector,
};

/// The path in the environment variable `name`, unless the test must be skipped.
fn path_in(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: {name} is not set");
    }
    path
}

fn photo() -> Option<BgrImage> {
    let path = path_in("FACE_ATTRIBUTES_MEDIA")?.join("astronaut.png");
    Some(BgrImage::read(&path, 10_000_000).unwrap())
}

fn yunet() -> Option<YuNet> {
    let path = path_in("FACE_ATTRIBUTES_YUNET")?;
    Some(YuNet::from_file(&path, &DetectorConfig::default()).unwrap())
}

fn only(detections: Vec<Detection>) -> Detection {
    assert_eq!(detections.len(), 1, "{detections:?}");
    detections[0]
}

/// The aligned face in the middle of a grey picture of twice its size.
fn framed(face: &AlignedFace) -> BgrImage {
    let side = 2 * FACE_SIZE;
    let mut data = vec![128; side * side * 3];
    for (index, &value) in face.pixels.iter().enumerate() {
        let (x, y) = (index % FACE_SIZE + FACE_SIZE / 2, index / FACE_SIZE + FACE_SIZE / 2);
        data[(y * side + x) * 3..][..3].fill(value);
    }
    BgrImage::new(side as u32, side as u32, data).unwrap()
}

#[test]
fn the_face_of_a_photo_is_found_once_and_lies_on_the_template_after_alignment() {
    let (Some(photo), Some(mut yunet)) = (photo(), yunet()) else {
        return;
    };
    let face = only(yunet.detect(&photo).unwrap());
    assert!(face.score > 0.8, "{face:?}");
    let landmarks = face.landmarks.unwrap();
    assert!(landmarks[0].x < landmarks[1].x && landmarks[3].x < landmarks[4].x);
    assert!(landmarks[0].y < landmarks[2].y && landmarks[2].y < landmarks[3].y);

    let aligned = align::align(&photo, &landmarks).unwrap();
    let again = only(yunet.detect(&framed(&aligned)).unwrap());
    let mut worst = 0.0_f32;
    for (found, wanted) in again.landmarks.unwrap().iter().zip(TEMPLATE) {
        let shift = (FACE_SIZE / 2) as f32;
        worst = worst.max((found.x - shift - wanted.x).hypot(found.y - shift - wanted.y));
    }
    println!("re-detected landmarks are at most {worst:.2} px off");
    // The template is a mean: no one person's five landmarks all lie on it.
    let residual = landmarks
        .iter()
        .zip(TEMPLATE)
        .map(|(point, wanted)| aligned.transform.apply(*point).distance(&wanted))
        .fold(0.0, f32::max);
    assert!(worst < residual + 3.0, "{worst} px with a residual of {residual} px");

    let quality = measure(&aligned, &face.roi, Some(&landmarks));
    assert!(quality.overall > 0.5, "{quality:?}");
}

#[test]
fn a_large_picture_gives_the_same_face_at_its_own_scale() {
    let (Some(photo), Some(mut yunet)) = (photo(), yunet()) else {
        return;
    };
    let small = only(yunet.detect(&photo).unwrap());
    let factor = 3;
    let large = photo.resized(photo.width() * factor, photo.height() * factor).unwrap();
    let large = only(yunet.detect(&large).unwrap());
    let [left, right, ..] = small.landmarks.unwrap();
    // YuNet itself places a landmark a little differently at another size.
    let tolerance = 0.15 * left.distance(&right) * factor as f32;
    for (a, b) in small.landmarks.unwrap().iter().zip(large.landmarks.unwrap()) {
        let off = (a.x * factor as f32 - b.x).hypot(a.y * factor as f32 - b.y);
        assert!(off < tolerance, "{off} pixels of the large picture");
    }
}

#[test]
fn both_backends_find_the_same_faces_whatever_the_size() {
    let (Some(photo), Some(path)) = (photo(), path_in("FACE_ATTRIBUTES_YUNET")) else {
        return;
    };
    let open = |backend| {
        let config = DetectorConfig { backend, max_side: 1000, ..DetectorConfig::default() };
        YuNet::from_file(&path, &config).unwrap()
    };
    let (mut ours, mut opencv) = (open(DetectorBackend::Fastconv), open(DetectorBackend::Opencv));
    // Larger, smaller and larger again: what one picture leaves behind must not reach the next.
    for (width, height) in [(512, 512), (160, 120), (333, 481), (640, 480), (65, 500)] {
        let photo = photo.resized(width, height).unwrap();
        for threshold in [0.6, 0.05] {
            ours.set_score_threshold(threshold);
            opencv.set_score_threshold(threshold);
            let (ours, opencv) = (ours.detect(&photo).unwrap(), opencv.detect(&photo).unwrap());
            assert_eq!(ours.len(), opencv.len(), "{width}×{height}");
            for (a, b) in ours.iter().zip(&opencv) {
                assert!((a.score - b.score).abs() < 1e-4, "{a:?} {b:?}");
                assert!((a.roi.x - b.roi.x).abs() < 0.01 && (a.roi.width - b.roi.width).abs() < 0.01, "{a:?} {b:?}");
                for (a, b) in a.landmarks.unwrap().iter().zip(b.landmarks.unwrap()) {
                    assert!(a.distance(&b) < 0.01, "{a:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn a_damaged_model_is_refused_with_its_path_and_never_a_panic() {
    let Some(path) = path_in("FACE_ATTRIBUTES_YUNET") else {
        return;
    };
    let whole = std::fs::read(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.onnx");
    let mut refused = 0;
    let step = whole.len() / 60;
    for at in 0..60 {
        // Cut off, and with a changed byte. A changed weight is still a model.
        for bytes in [whole[..at * step].to_vec(), {
            let mut bytes = whole.clone();
            bytes[at * 7] ^= 0x55;
            bytes
        }] {
            std::fs::write(&damaged, bytes).unwrap();
            if let Err(error) = YuNet::from_file(&damaged, &DetectorConfig::default()) {
                assert!(error.to_string().contains("damaged.onnx"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 60, "{refused}");
}

#[test]
fn a_picture_without_a_face_and_one_of_a_single_pixel_give_none() {
    let Some(mut yunet) = yunet() else {
        return;
    };
    for (width, height) in [(1, 1), (33, 7), (640, 480)] {
        let image = BgrImage::new(width, height, vec![100; (width * height * 3) as usize]).unwrap();
        assert!(yunet.detect(&image).unwrap().is_empty());
    }
}

#[test]
fn a_higher_threshold_and_a_larger_least_face_leave_fewer_faces() {
    let (Some(photo), Some(mut yunet)) = (photo(), yunet()) else {
        return;
    };
    yunet.set_score_threshold(1.0);
    assert!(yunet.detect(&photo).unwrap().is_empty());
    let config = DetectorConfig { min_face: 400, ..DetectorConfig::default() };
    let path = path_in("FACE_ATTRIBUTES_YUNET").unwrap();
    let mut strict = YuNet::from_file(&path, &config).unwrap();
    assert!(strict.detect(&photo).unwrap().is_empty());
}

#[test]
fn the_haar_cascade_finds_the_face_without_landmarks_and_aligns_it_roughly() {
    let Some(cascade) = Haar::installed() else {
        eprintln!("SKIPPED: no Haar cascade is installed");
        return;
    };
    let Some(photo) = photo() else {
        return;
    };
    let missing = PathBuf::from("no/yunet.onnx");
    let config = DetectorConfig::default();
    let mut haar = open_detector(Some(&missing), Some(&cascade), &config).unwrap();
    assert_eq!(haar.kind(), vision::DetectorKind::Haar);
    let face = only(haar.detect(&photo).unwrap());
    assert_eq!(face.landmarks, None);
    let Some(mut yunet) = yunet() else {
        return;
    };
    let landmarks = only(yunet.detect(&photo).unwrap()).landmarks.unwrap();
    let rough = align::align_roi(&photo, &face.roi).unwrap();
    for (point, wanted) in landmarks.iter().zip(TEMPLATE) {
        let off = rough.transform.apply(*point).distance(&wanted);
        assert!(off < 16.0, "{off} px");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_when_it_is_opened() {
    let path = std::env::temp_dir().join(format!("vision-no-model-{}.onnx", std::process::id()));
    std::fs::write(&path, b"this is no model").unwrap();
    let config = DetectorConfig::default();
    let yunet = YuNet::from_file(&path, &config).unwrap_err();
    let haar = Haar::from_file(&path, &config).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(yunet, DetectError::Model { .. }), "{yunet}");
    assert!(matches!(haar, DetectError::Model { .. }), "{haar}");
}
