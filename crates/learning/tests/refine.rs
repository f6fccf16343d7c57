//! Refining an encoder: what is frozen stays, and a refinement that was cut goes on to the same end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use learning::data::{DESCRIPTOR, DescribedFaces, LabelledFaces};
use learning::refine::{DescribedParts, RefineConfig, RefineData, RefinePhase, RefineTask, Refined, Start, refine};
use learning::{Checkpoint, TrainError};
use network::{CpuBackend, Encoder, EncoderConfig, FACE_SIZE, FaceCrop, faces_to_tensor};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

type B = CpuBackend;

/// Bright above or below.
fn faces(count: usize) -> LabelledFaces {
    let mut faces = LabelledFaces::new(vec!["above".parse().unwrap(), "below".parse().unwrap()]);
    for n in 0..count {
        let bright = |y: usize| if (y < FACE_SIZE / 2) == (n % 2 == 0) { 150 } else { 40 };
        let noise = |at: usize| ((at * (n + 3) * 2_654_435_761) >> 13) % 60;
        faces.push(FaceCrop::from_fn(|at| (bright(at / FACE_SIZE) + noise(at)) as u8), n % 2);
    }
    faces
}

fn encoder() -> Encoder<B> {
    EncoderConfig { channels: [16; 4], ..EncoderConfig::default() }.init(&Default::default(), 1)
}

/// The same faces with descriptors that tell the two apart.
fn described(count: usize) -> DescribedFaces {
    let descriptor = |n: usize| (0..DESCRIPTOR).map(|at| if (at + n).is_multiple_of(2) { 0.1 } else { -0.1 }).collect();
    DescribedFaces { faces: faces(count).faces, descriptors: (0..count).map(descriptor).collect() }
}

/// Refines in `folder`, cut off after `most` steps.
fn refined(folder: &Path, most: u32) -> Result<Refined<B>, TrainError> {
    let task = RefineTask { name: "light".parse().unwrap(), train: faces(24), validation: faces(6), repeat: 1 };
    let config = RefineConfig {
        phases: vec![RefinePhase::new(32, 2), RefinePhase::new(64, 2)],
        batch: 8,
        dropout: 0.0,
        hog_weight: 1.0,
        averaging: 0.9,
        frozen_layers: 3,
        checkpoint_every: 2,
        ..RefineConfig::default()
    };
    let checkpoint = Checkpoint::open(folder, &config).unwrap();
    let sizes = EncoderConfig { channels: [16; 4], ..EncoderConfig::default() };
    let start = Start { encoder: encoder(), sizes, columns: BTreeMap::new() };
    let data = RefineData {
        tasks: vec![task],
        described: Some(DescribedParts { train: described(24), validation: described(6) }),
    };
    refine(start, &data, &config, &checkpoint, &Default::default(), &mut |step, _| {
        if step < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// What each layer gives for a face.
fn layers(encoder: &Encoder<B>) -> Vec<Vec<f32>> {
    let face = faces(1).faces[0].clone();
    let outputs = encoder.trace(faces_to_tensor(&[face.as_slice()], &Default::default()));
    outputs.into_iter().map(|output| output.into_data().iter::<f32>().collect()).collect()
}

#[test]
fn frozen_layers_stay_and_a_cut_refinement_ends_as_one_in_one_go() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let begun = layers(&encoder());
    let ended = layers(&refined(whole.path(), u32::MAX).unwrap().encoder);
    assert_eq!(ended[..3], begun[..3]);
    for (at, (ended, begun)) in ended.iter().zip(&begun).enumerate().skip(3) {
        assert_ne!(ended, begun, "layer {at}");
    }
    assert!(matches!(refined(cut.path(), 2), Err(TrainError::Cancelled)));
    assert_eq!(layers(&refined(cut.path(), u32::MAX).unwrap().encoder), ended);
}
