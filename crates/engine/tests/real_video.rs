//! Real people on real video. Needs the files that `scripts/setup` and `scripts/fetch-media` bring; without
//! `FACE_ATTRIBUTES_YUNET` and `FACE_ATTRIBUTES_MEDIA` in the environment it says so and stops there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;
use std::time::Duration;

use engine::{ColumnRecord, Engine, EngineConfig, Frame, ModelStore, Pipeline, Sample, SamplePixels, Stamp};
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, DeviceChoice, EncoderConfig, FaceCrop, Label, TaskName};
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

/// Frames of the long run in a test; `scripts/torture` asks for 24 hours at 30 frames a second.
const FRAMES: u64 = 3_000;
/// The longer side of its pictures: small ones pass faster, and take the same way.
const SIDE: u32 = 160;
/// Frames of each video that are shown in turn.
const PIECE: usize = 60;
/// Frames after which what the process takes is first written down.
const SETTLED: u64 = 1_000;
/// Between two changes of what is taught.
const TEACH_EVERY: u64 = 1_500;

/// Threads and open files of this process.
fn taken() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn a_long_video_takes_no_more_memory_threads_or_files_than_a_short_one() {
    let wanted: Option<u64> = std::env::var("FACE_ATTRIBUTES_TORTURE_FRAMES").ok().and_then(|text| text.parse().ok());
    let Some((yunet, media)) = media() else {
        assert_eq!(wanted, None, "there is no video to show");
        return;
    };
    let wanted = wanted.unwrap_or(FRAMES);
    let mut film = Vec::new();
    for name in ["single_face.mp4", "no_face.mp4"] {
        let mut reader = VideoReader::open(&media.join(name)).unwrap();
        for _ in 0..PIECE {
            let Some(image) = reader.next_frame().unwrap() else { break };
            let scale = f64::from(SIDE) / f64::from(image.width().max(image.height()));
            let scaled = |side: u32| (f64::from(side) * scale).round() as u32;
            film.push(image.resized(scaled(image.width()), scaled(image.height())).unwrap());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let detector = vision::DetectorConfig { min_face: 10, ..vision::DetectorConfig::default() };
    let engine = Engine::start(EngineConfig { detector, ..config(dir.path(), yunet) }, 1).unwrap();
    let answers = engine.camera(0).results();
    let (mut faces, mut settled) = (0, None);
    let (gaze, left): (TaskName, Label) = ("gaze".parse().unwrap(), "left".parse().unwrap());
    for number in 0..wanted {
        let image = film[(number % film.len() as u64) as usize].clone();
        let stamp = Stamp::from_seconds(number as f64 / 30.0);
        engine.camera(0).submit(Frame { image, stamp, frame_id: "video".to_owned() });
        let answer = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(answer.stamp, stamp);
        faces += answer.faces.len();
        if number % TEACH_EVERY == 0 {
            let face = FaceCrop::from_fn(|pixel| (pixel as u64 + number) as u8);
            let sample = Sample { label: left.clone(), pixels: SamplePixels::Crop(face) };
            engine.tasks().add_samples(&gaze, vec![sample]).unwrap();
            assert_eq!(engine.tasks().forget(&gaze, None).unwrap(), 1);
        }
        if number == SETTLED {
            settled = Some((engine.camera(0).stats().memory.rss_mb, taken()));
        }
    }
    let (memory, (threads, files)) = settled.unwrap();
    let (after, (threads_after, files_after)) = (engine.camera(0).stats().memory.rss_mb, taken());
    let (frames, hours) = (wanted, wanted as f64 / 30.0 / 3600.0);
    let grown = after - memory;
    println!(
        "torture: {{\"what\": \"video\", \"found\": {{\"frames\": {frames}, \"hours_at_30_hz\": {hours:.2}, \"faces\": {faces}, \
         \"grown_mb\": {grown:.1}, \"threads\": {threads_after}, \"descriptors\": {files_after}}}}}"
    );
    assert!(faces > 0, "nobody was seen");
    assert!(threads_after <= threads && files_after <= files, "{threads} {threads_after} {files} {files_after}");
    assert!(grown < 30.0, "{memory} to {after} MB");
    assert_eq!(engine.camera(0).stats().failures, []);
}
