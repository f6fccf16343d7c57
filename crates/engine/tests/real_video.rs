//! Real people on real video. Needs the files that `scripts/setup` and `scripts/fetch-media` bring; without
//! `FACE_ATTRIBUTES_YUNET` and `FACE_ATTRIBUTES_MEDIA` in the environment it says so and stops there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;

use engine::{ColumnRecord, EngineConfig, Frame, ModelStore, Pipeline, Stamp};
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, DeviceChoice, EncoderConfig};
use vision::video::VideoReader;

/// A small untrained model: detection and tracking are what is looked at here.
fn config(dir: &std::path::Path, yunet: PathBuf) -> EngineConfig {
    let device = Default::default();
    let encoder = EncoderConfig { channels: [4, 4, 4, 8], latent: 8, ..EncoderConfig::default() };
    let weights = encoder.init::<CpuBackend>(&device, 1);
    let model = dir.join("model");
    let mut store =
        ModelStore::create(&model, "small", "Apache-2.0", &weights, encoder.clone(), Precision::F32).unwrap();
    let column = ColumnConfig {
        features: encoder.features(),
        channels: [8, 8],
        adapter_channels: 8,
        hidden: 8,
        ..ColumnConfig::new(2, 0)
    };
    let labels = ["calm", "tense"].map(|label| label.parse().unwrap()).to_vec();
    let record = ColumnRecord::new("mood".parse().unwrap(), labels, &[], column.clone(), Default::default());
    store.put_column(record, &column.init::<CpuBackend>(&device, 2), Precision::F32).unwrap();
    EngineConfig {
        model,
        state_dir: dir.join("state"),
        device: DeviceChoice::Cpu,
        yunet: Some(yunet),
        ..EngineConfig::default()
    }
}

fn media() -> Option<(PathBuf, PathBuf)> {
    let files = std::env::var_os("FACE_ATTRIBUTES_YUNET").zip(std::env::var_os("FACE_ATTRIBUTES_MEDIA"));
    if files.is_none() {
        eprintln!("skipped: FACE_ATTRIBUTES_YUNET and FACE_ATTRIBUTES_MEDIA are not set, see scripts/fetch-media");
    }
    files.map(|(yunet, media)| (yunet.into(), media.into()))
}

/// Per frame of the first two seconds: the ids of its faces, and how many of them have been judged.
fn run(pipeline: &mut Pipeline, video: &std::path::Path) -> Vec<(Vec<String>, usize)> {
    let mut reader = VideoReader::open(video).unwrap();
    let fps = reader.fps().unwrap_or(25.0);
    let mut frames = vec![];
    while let Some(image) = reader.next_frame().unwrap() {
        let stamp = Stamp::from_seconds(frames.len() as f64 / fps);
        let result = pipeline.process(&Frame { image, stamp, frame_id: "video".to_owned() }).unwrap();
        assert_eq!((result.stamp, result.detector), (stamp, vision::DetectorKind::YuNet));
        let judged = result.faces.iter().filter(|face| !face.attributes.is_empty()).count();
        frames.push((result.faces.iter().map(|face| face.track_id.to_string()).collect(), judged));
        if frames.len() as f64 >= 2.0 * fps {
            break;
        }
    }
    frames
}

#[test]
fn one_person_on_video_keeps_one_id_and_is_judged() {
    let Some((yunet, media)) = media() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::new(&config(dir.path(), yunet)).unwrap();
    let frames = run(&mut pipeline, &media.join("single_face.mp4"));
    let ids: std::collections::BTreeSet<&String> = frames.iter().flat_map(|(ids, _)| ids).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let judged = frames.iter().filter(|(_, judged)| *judged == 1).count();
    assert!(judged * 10 >= frames.len() * 9, "{judged} of {} frames", frames.len());
}

#[test]
fn a_video_without_a_face_gives_an_empty_answer_for_every_frame() {
    let Some((yunet, media)) = media() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::new(&config(dir.path(), yunet)).unwrap();
    let frames = run(&mut pipeline, &media.join("no_face.mp4"));
    assert!(!frames.is_empty() && frames.iter().all(|(ids, _)| ids.is_empty()));
}
