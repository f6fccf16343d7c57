//! What tests of the teaching half share: a small model, and faces that a small network can tell apart.

use std::path::Path;

use burn::tensor::Device;
use learning::Calibration;
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, EncoderConfig, FACE_SIZE, TaskName};

use crate::manifest::ColumnRecord;
use crate::samples::LabelledFace;
use crate::store::ModelStore;
use crate::testing::{label, task};

pub(crate) type TestDevice = Device<CpuBackend>;

/// An encoder of a few channels.
pub(crate) fn encoder_config() -> EncoderConfig {
    EncoderConfig { channels: [4, 4, 4, 8], latent: 8 }
}

/// A column that fits it.
pub(crate) fn column_config(classes: usize, sources: usize) -> ColumnConfig {
    ColumnConfig {
        features: 8,
        channels: [4, 8],
        adapter_channels: 4,
        hidden: 8,
        ..ColumnConfig::new(classes, sources)
    }
}

pub(crate) fn record(name: &str, labels: &[&str], sources: &[&str]) -> ColumnRecord {
    let sources: Vec<TaskName> = sources.iter().map(|source| task(source)).collect();
    let config = column_config(labels.len(), sources.len());
    let labels = labels.iter().map(|text| label(text)).collect();
    ColumnRecord::new(task(name), labels, &sources, config, Calibration::default())
}

/// A model without columns.
pub(crate) fn empty_model(dir: &Path) -> ModelStore {
    let device = TestDevice::default();
    let encoder = encoder_config().init::<CpuBackend>(&device, 1);
    ModelStore::create(dir, "small", "CC0-1.0", &encoder, encoder_config(), Precision::F32).unwrap()
}

/// Adds an untrained column; equal seeds give equal weights.
pub(crate) fn put(store: &mut ModelStore, record: ColumnRecord, seed: u64) {
    let column = record.config.init::<CpuBackend>(&TestDevice::default(), seed);
    store.put_column(record, &column, Precision::F32).unwrap();
}

/// A model with `emotion` (transferable) and `person` (not).
pub(crate) fn small_model(dir: &Path) -> ModelStore {
    let mut store = empty_model(dir);
    put(&mut store, record("emotion", &["happy", "sad", "neutral"], &[]), 2);
    put(&mut store, ColumnRecord { transferable: false, ..record("person", &["ada", "bob"], &[]) }, 3);
    store
}

/// `count` faces: bright above for `up`, bright below for anything else, each a little different.
pub(crate) fn faces(text: &str, count: usize) -> Vec<LabelledFace> {
    (0..count)
        .map(|number| {
            let face: Vec<u8> = (0..FACE_SIZE * FACE_SIZE)
                .map(|pixel| {
                    let above = pixel / FACE_SIZE < FACE_SIZE / 2;
                    let noise = (pixel.wrapping_mul(2_654_435_761) >> (number % 13 + 3)) % 40;
                    (if above == (text == "up") { 190 } else { 30 } + noise) as u8
                })
                .collect();
            LabelledFace { label: label(text), face: face.into() }
        })
        .collect()
}
