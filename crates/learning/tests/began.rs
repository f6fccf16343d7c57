//! BEGAN: the loss falls, k stays in its bounds, and a cut training resumes on the same curve.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use learning::Checkpoint;
use learning::began::{BeganConfig, Objective, Phase, StepRecord, train};
use network::{CpuBackend, DecoderConfig, EncoderConfig, FACE_SIZE, FaceCrop};
use std::ops::ControlFlow;
use std::path::Path;

fn faces() -> Vec<FaceCrop> {
    (0..6).map(|n| FaceCrop::from_fn(|i| ((i % FACE_SIZE + n * 10) as f32 * 1.3) as u8)).collect()
}

fn config() -> BeganConfig {
    BeganConfig {
        encoder: EncoderConfig { channels: [16; 4], latent: 16, ..EncoderConfig::default() },
        decoder: DecoderConfig { latent: 16, channels: 16, ..DecoderConfig::default() },
        phases: vec![Phase { side: 32, steps: 6 }, Phase { side: 64, steps: 3 }],
        batch: 4,
        learning_rate: 1e-3,
        lambda: 0.1,
        checkpoint_every: 2,
        ..BeganConfig::default()
    }
}

/// Trains until step `stop`, or to the end.
fn run(folder: &Path, stop: Option<u32>) -> Vec<StepRecord> {
    let config = config();
    let checkpoint = Checkpoint::open(folder, &config).unwrap();
    let mut records = Vec::new();
    let result = train::<CpuBackend>(&faces(), &config, &checkpoint, &Default::default(), &mut |record, sheet| {
        if let Some(sheet) = sheet {
            let image = sheet.to_image();
            assert_eq!((image.width() as usize, image.height() as usize), (4 * record.side, 3 * record.side));
        }
        records.push(record.clone());
        if stop == Some(record.step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(result.is_err(), stop.is_some());
    records
}

#[test]
fn a_cut_training_continues_the_same_loss_curve_across_phases() {
    let values = |records: &[StepRecord]| -> Vec<(u32, usize, u32, u32)> {
        records.iter().map(|r| (r.step, r.side, r.loss_real.to_bits(), r.loss_fake.to_bits())).collect()
    };
    let (whole_folder, cut_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole = run(whole_folder.path(), None);
    assert_eq!(whole.len(), 9);
    // The last checkpoint before the cut at step 5 was written at step 4.
    let cut = run(cut_folder.path(), Some(5));
    let resumed = run(cut_folder.path(), None);
    assert_eq!(resumed[0].step, 5);
    assert_eq!(values(&cut), values(&whole[..5]));
    assert_eq!(values(&resumed), values(&whole[4..]));
}

#[test]
fn reconstruction_improves_and_m_and_k_follow_their_equations() {
    let folder = tempfile::tempdir().unwrap();
    let records = run(folder.path(), None);
    assert!(records[5].loss_real < records[0].loss_real);
    let mut k = 0.0f32;
    for record in &records {
        let balance = 0.5 * record.loss_real - record.loss_fake;
        k = (k + 0.1 * balance).clamp(0.0, 1.0);
        assert!((record.k - k).abs() < 1e-6);
        assert!((record.m - (record.loss_real + balance.abs())).abs() < 1e-6);
    }
}

#[test]
fn a_plain_auto_encoder_learns_faces_without_a_generator() {
    let folder = tempfile::tempdir().unwrap();
    let config = BeganConfig {
        objective: Objective::Autoencoder,
        phases: vec![Phase { side: 32, steps: 30 }],
        checkpoint_every: 30,
        ..config()
    };
    let checkpoint = Checkpoint::open(folder.path(), &config).unwrap();
    let mut records: Vec<StepRecord> = Vec::new();
    train::<CpuBackend>(&faces(), &config, &checkpoint, &Default::default(), &mut |record, _| {
        records.push(record.clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(records.iter().all(|record| (record.loss_fake, record.k) == (0.0, 0.0) && record.m == record.loss_real));
    assert!(records[29].loss_real < 0.9 * records[0].loss_real, "{records:?}");
}
