//! Reads the model and what was taught on top of it.

use network::NetworkBackend;
use std::path::Path;

use crate::model::manifest::ColumnRecord;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::model::store_error::StoreError;
use crate::{AnsweringTask, NetworkUpdate};

/// Heads of the columns that answer, in the order of the records.
pub(crate) fn heads<'a>(records: impl IntoIterator<Item = &'a ColumnRecord>) -> Vec<AnsweringTask> {
    let head = |record: &ColumnRecord| AnsweringTask {
        name: record.name.clone(),
        version: record.version,
        labels: record.labels.as_slice().into(),
        kind: record.kind(),
        calibration: record.calibration,
    };
    records.into_iter().filter(|record| !record.silent).map(head).collect()
}

/// The shipped model with the taught columns, ready to answer.
pub(crate) fn load<B: NetworkBackend>(
    model: &ModelStore,
    state: &StateStore,
    device: &B::Device,
) -> Result<NetworkUpdate<B>, StoreError> {
    let network = state.load(model.load_answering::<B>(device)?, device)?;
    let heads = heads(model.manifest().columns.iter().chain(&state.manifest().columns));
    Ok(NetworkUpdate { network, heads })
}

/// The same for a model's folder and that of the taught tasks.
pub(crate) fn load_folders<B: NetworkBackend>(
    model: &Path,
    state: &Path,
    device: &B::Device,
) -> Result<NetworkUpdate<B>, StoreError> {
    let model = ModelStore::open(model)?;
    let state = StateStore::open(state, model.manifest())?;
    load(&model, &state, device)
}
