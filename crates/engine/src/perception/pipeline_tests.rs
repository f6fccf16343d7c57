//! The whole way of a frame through a small untrained network.

use tempfile::TempDir;

use crate::testing::{PaintedFaces, picture, small_model};
use crate::types::{Frame, FrameResult, Stamp};
use crate::{EngineConfig, Pipeline};

fn pipeline() -> (Pipeline, EngineConfig, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small_model(dir.path());
    // The same ids in every run.
    config.tracker.id_seed = 1;
    let pipeline = Pipeline::with_detector(&config, Box::new(PaintedFaces)).unwrap();
    (pipeline, config, dir)
}

fn frame(seconds: f64, faces: &[(u8, f32, f32, f32)]) -> Frame {
    Frame { image: picture(320, 240, faces), stamp: Stamp::from_seconds(seconds), frame_id: "camera".to_owned() }
}

/// Everything but the time it took.
fn said(result: &FrameResult) -> String {
    format!("{:?} {} {:?} {:?}", result.stamp, result.frame_id, result.detector, result.faces)
}

#[test]
fn every_task_judges_a_face_and_its_probabilities_sum_to_one() {
    let (mut pipeline, ..) = pipeline();
    let result = pipeline.process(&frame(1.0, &[(0, 40.0, 60.0, 110.0), (1, 190.0, 60.0, 110.0)])).unwrap();
    assert_eq!(result.faces.len(), 2);
    for face in &result.faces {
        let tasks: Vec<&str> = face.attributes.iter().map(|attribute| attribute.task.as_str()).collect();
        assert_eq!(tasks, ["mood", "who"]);
        for attribute in &face.attributes {
            let sum: f32 = attribute.probabilities.iter().sum::<f32>() + attribute.unknown;
            assert!((sum - 1.0).abs() < 1e-5, "{attribute:?}");
            assert_eq!(attribute.probabilities.len(), attribute.labels.len());
        }
    }
    assert_ne!(result.faces[0].attributes[0].probabilities, result.faces[1].attributes[0].probabilities);
}

#[test]
fn attributes_carry_the_stamp_of_the_frame_they_were_judged_in() {
    let (mut pipeline, config, _dir) = pipeline();
    let period = 1.0 / f64::from(config.scheduler.refresh_hz);
    let face = [(0, 40.0, 60.0, 110.0)];
    for (seconds, judged_at, observations) in
        [(1.0, 1.0, 1), (1.0 + period / 2.0, 1.0, 1), (1.0 + period * 1.5, 1.0 + period * 1.5, 2)]
    {
        let result = pipeline.process(&frame(seconds, &face)).unwrap();
        assert_eq!(result.stamp, Stamp::from_seconds(seconds));
        let attribute = &result.faces[0].attributes[0];
        assert_eq!((attribute.stamp, attribute.observations), (Stamp::from_seconds(judged_at), observations));
    }
}

#[test]
fn the_same_frames_get_the_same_answers() {
    let run = || {
        let (mut pipeline, ..) = pipeline();
        let mut answers = vec![];
        for step in 0..12_u8 {
            let faces = [(0, 20.0 + 3.0 * f32::from(step), 60.0, 100.0), (1, 190.0, 60.0, 110.0)];
            let shown = if step % 4 == 3 { &faces[..1] } else { &faces[..] };
            answers.push(said(&pipeline.process(&frame(f64::from(step) / 10.0, shown)).unwrap()));
        }
        answers
    };
    assert_eq!(run(), run());
}

#[test]
fn an_empty_scene_is_answered_with_no_faces() {
    let (mut pipeline, ..) = pipeline();
    for step in 0..3 {
        let result = pipeline.process(&frame(f64::from(step), &[])).unwrap();
        assert!(result.faces.is_empty());
        assert_eq!(result.frame_id, "camera");
    }
}

#[test]
fn a_camera_clock_that_jumps_back_gives_new_tracks_that_are_judged_at_once() {
    let (mut pipeline, ..) = pipeline();
    let face = [(0, 40.0, 60.0, 110.0)];
    let before = pipeline.process(&frame(1e6, &face)).unwrap();
    let after = pipeline.process(&frame(5.0, &face)).unwrap();
    assert_ne!(before.faces[0].track_id, after.faces[0].track_id);
    assert_eq!(after.faces[0].attributes[0].stamp, Stamp::from_seconds(5.0));
    assert_eq!(after.faces[0].attributes[0].observations, 1);
}

#[test]
fn a_model_folder_without_a_manifest_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig { model: dir.path().join("nothing"), ..small_model(dir.path()) };
    let error = Pipeline::with_detector(&config, Box::new(PaintedFaces)).err().unwrap().to_string();
    assert!(error.contains("nothing"), "{error}");
}
