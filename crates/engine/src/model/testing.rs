//! What tests of the teaching half share: a small model, and faces that a small network can tell apart.

use std::path::Path;

use burn::tensor::Device;
use learning::Calibration;
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, EncoderConfig, FACE_SIZE, FaceCrop, TaskName};

use crate::model::manifest::ColumnRecord;
use crate::model::samples::LabelledFace;
use crate::model::store::ModelStore;
use crate::teaching::crops::Sample;
use crate::testing::{label, task};

pub(crate) type TestDevice = Device<CpuBackend>;

/// An encoder of a few channels.
pub(crate) fn encoder_config() -> EncoderConfig {
    EncoderConfig { channels: [4, 4, 4, 8], latent: 8, ..EncoderConfig::default() }
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

/// A model whose encoder describes faces, with strangers and the column `emotion`.
pub(crate) fn model_that_knows_people(dir: &Path) -> ModelStore {
    let device = TestDevice::default();
    let config = EncoderConfig { descriptor: 16, ..encoder_config() };
    let encoder = config.init::<CpuBackend>(&device, 1);
    let mut store = ModelStore::create(dir, "small", "CC0-1.0", &encoder, config, Precision::F32).unwrap();
    let value = |at: usize| ((at * 2_654_435_761) >> 7 & 0xff) as f32 / 128.0 - 1.0;
    let stranger = |number: usize| {
        let values: Vec<f32> = (0..16).map(|at| value(number * 16 + at + 1)).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.into_iter().map(|value| value / length).collect()
    };
    let strangers: Vec<Vec<f32>> = (0..50).map(stranger).collect();
    store.put_cohort::<CpuBackend>(&strangers, "made up", &device).unwrap();
    put(&mut store, record("emotion", &["happy", "sad", "neutral"], &[]), 2);
    store
}

/// `count` faces: bright above for `up`, bright below for anything else, each a little different.
pub(crate) fn faces(text: &str, count: usize) -> Vec<LabelledFace> {
    (0..count)
        .map(|number| {
            let face = FaceCrop::from_fn(|pixel| {
                let above = pixel / FACE_SIZE < FACE_SIZE / 2;
                let noise = (pixel.wrapping_mul(2_654_435_761) >> (number % 13 + 3)) % 40;
                (if above == (text == "up") { 190 } else { 30 } + noise) as u8
            });
            LabelledFace { label: label(text), face }
        })
        .collect()
}

/// [`faces`] as a request gives them.
pub(crate) fn samples(text: &str, count: usize) -> Vec<Sample> {
    faces(text, count).into_iter().map(Sample::from).collect()
}
