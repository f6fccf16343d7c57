//! What benchmarks run on: an untrained model, and faces of noise.

use burn::tensor::Tensor;
use engine::{ColumnRecord, ModelStore};
use learning::Calibration;
use network::weights::Precision;
use network::{ColumnConfig, EncoderConfig, FACE_PIXELS, Label, NetworkBackend, TaskName, faces_to_tensor};
use std::path::{Path, PathBuf};

/// Writes a model with the tables' sizes and random weights, without dropout; each column draws from those before it.
/// Its folder.
pub(super) fn untrained_model<B: NetworkBackend>(
    dir: &Path,
    columns: &[(&str, usize)],
    precision: Precision,
    device: &B::Device,
) -> anyhow::Result<PathBuf> {
    let config = EncoderConfig::default();
    let encoder = config.init::<B>(device, 0);
    let mut store = ModelStore::create(dir, "untrained", "none", &encoder, config, precision)?;
    let mut sources: Vec<TaskName> = Vec::new();
    for (seed, &(name, classes)) in (1..).zip(columns) {
        let config = ColumnConfig { dropout: 0.0, ..ColumnConfig::new(classes, sources.len()) };
        let column = config.init::<B>(device, seed);
        let labels = (0..classes).map(|at| format!("label {at}").parse()).collect::<Result<Vec<Label>, _>>()?;
        let task: TaskName = name.parse()?;
        let record = ColumnRecord::new(task.clone(), labels, &sources, config, Calibration::default());
        store.put_column(record, &column, precision)?;
        sources.push(task);
    }
    Ok(dir.to_owned())
}

/// Faces of noise.
pub(super) fn test_faces<B: NetworkBackend>(count: usize, device: &B::Device) -> Tensor<B, 4> {
    let pixels: Vec<u8> = (0..FACE_PIXELS as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    faces_to_tensor::<B>(&vec![pixels.as_slice(); count], device)
}
