//! Training a column: it learns, it can be cancelled, and it resumes on the same curve.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use learning::augment::AugmentConfig;
use learning::data::LabelledFaces;
use learning::{
    Checkpoint, ColumnTrainingConfig, EpochRecord, Parts, Progress, TrainError, TrainedColumn, Training, train_column,
};
use network::{
    ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, FACE_SIZE, FaceCrop, ProgressiveNetwork, TaskName,
};
use std::ops::ControlFlow;

type B = CpuBackend;

/// Bright above or below.
fn faces(count: usize, seed: u64) -> LabelledFaces {
    let mut faces = LabelledFaces::new(vec!["above".parse().unwrap(), "below".parse().unwrap()]);
    for n in 0..count {
        let class = n % 2;
        let face = FaceCrop::from_fn(|i| {
            let noise = ((i as u64 * 2_654_435_761).wrapping_add(seed * 7919 + n as u64 * 104_729) >> 13) % 60;
            let bright = (i / FACE_SIZE < FACE_SIZE / 2) == (class == 0);
            (noise + if bright { 150 } else { 40 }) as u8
        });
        faces.push(face, class);
    }
    faces
}

fn small(classes: usize) -> ColumnConfig {
    ColumnConfig { channels: [16, 16], features: 16, adapter_channels: 16, hidden: 20, ..ColumnConfig::new(classes, 0) }
}

fn network() -> ProgressiveNetwork<B> {
    let encoder = EncoderConfig { channels: [16; 4], ..EncoderConfig::default() };
    ProgressiveNetwork::new(encoder.init(&Default::default(), 1))
}

fn config(epochs: u32) -> ColumnTrainingConfig {
    ColumnTrainingConfig {
        epochs,
        batch: 8,
        learning_rate: 5e-4,
        patience: 0,
        dropout: 0.0,
        augment: AugmentConfig::none(),
        ..ColumnTrainingConfig::default()
    }
}

fn train(
    config: &ColumnTrainingConfig,
    network: &ProgressiveNetwork<B>,
    sources: &[TaskName],
    checkpoint: Option<&Checkpoint>,
) -> TrainedColumn<B> {
    let (train, validation) = (faces(24, 1), faces(10, 2));
    let parts = Parts { train: &train, validation: &validation };
    let observer = &mut |_: &_| ControlFlow::Continue(());
    let training = Training { network, sources, sizes: small(2), device: &Default::default(), observer };
    train_column(training, parts, config, checkpoint).unwrap()
}

#[test]
fn a_column_learns_what_can_be_seen() {
    for cached_copies in [0, 1] {
        let trained = train(&ColumnTrainingConfig { cached_copies, ..config(12) }, &network(), &[], None);
        assert_eq!(trained.accuracy.value, 1.0, "{:?}", trained.curve);
        assert!(trained.curve.last().unwrap().loss < trained.curve[0].loss);
    }
}

#[test]
fn the_head_alone_learns_from_few_faces_and_leaves_the_blocks() {
    for cached_copies in [0, 2] {
        let few = ColumnTrainingConfig { cached_copies, ..ColumnTrainingConfig::few_shot() };
        assert_eq!(few.trainable, learning::Trainable::Head);
        let trained = train(&few, &network(), &[], None);
        assert_eq!(trained.accuracy.value, 1.0, "{:?}", trained.curve);
    }
}

#[test]
fn a_column_with_a_source_learns_too_and_leaves_the_source_alone() {
    let mut network = network();
    let first = train(&config(2), &network, &[], None);
    let name: TaskName = "side".parse().unwrap();
    network.insert(ColumnEntry::new(name.clone(), vec![], first.column, false)).unwrap();
    let bits = |network: &ProgressiveNetwork<B>| -> Vec<u32> {
        let face = faces(1, 5).faces[0].clone();
        let logits = network.forward(network::faces_to_tensor(&[face.as_slice()], &Default::default()));
        logits[0].1.clone().into_data().iter::<f32>().map(f32::to_bits).collect()
    };
    let before = bits(&network);
    let second = train(&config(12), &network, &[name], None);
    assert_eq!(second.accuracy.value, 1.0, "{:?}", second.curve);
    assert_eq!(bits(&network), before);
}

#[test]
fn a_training_that_was_cut_off_continues_the_same_curve() {
    let losses = |curve: &[EpochRecord]| -> Vec<(u32, u32, u32)> {
        curve.iter().map(|e| (e.epoch, e.loss.to_bits(), e.validation_loss.to_bits())).collect()
    };
    let config = config(4);
    let whole = train(&config, &network(), &[], None);

    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(folder.path(), &config).unwrap();
    let (data, validation) = (faces(24, 1), faces(10, 2));
    let parts = Parts { train: &data, validation: &validation };
    let network = network();
    let observer = &mut |at: &Progress| if at.epoch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let training = Training { network: &network, sources: &[], sizes: small(2), device: &Default::default(), observer };
    let cut = train_column(training, parts, &config, Some(&checkpoint));
    assert!(matches!(cut, Err(TrainError::Cancelled)));
    let resumed = train(&config, &network, &[], Some(&checkpoint));
    assert_eq!(losses(&resumed.curve), losses(&whole.curve));
    let other = Checkpoint::open(folder.path(), &ColumnTrainingConfig::default());
    assert!(matches!(other, Err(learning::CheckpointError::Other { .. })));
}

#[test]
fn a_label_without_faces_is_named() {
    let mut data = faces(8, 1);
    data.labels.push("nobody".parse().unwrap());
    for target in &mut data.targets {
        target.push(0.0);
    }
    let parts = Parts { train: &data, validation: &faces(4, 1) };
    let observer = &mut |_: &_| ControlFlow::Continue(());
    let training =
        Training { network: &network(), sources: &[], sizes: small(3), device: &Default::default(), observer };
    let error = train_column(training, parts, &config(1), None).unwrap_err();
    assert_eq!(error.to_string(), "no training faces for 'nobody'");
}

#[test]
fn a_cancelled_training_ends_at_once() {
    let (data, mut calls) = (faces(24, 1), 0);
    let parts = Parts { train: &data, validation: &LabelledFaces::default() };
    let observer = &mut |_: &_| {
        calls += 1;
        ControlFlow::Break(())
    };
    let training =
        Training { network: &network(), sources: &[], sizes: small(2), device: &Default::default(), observer };
    let result = train_column(training, parts, &config(50), None);
    assert!(matches!(result, Err(TrainError::Cancelled)));
    assert_eq!(calls, 1);
}
