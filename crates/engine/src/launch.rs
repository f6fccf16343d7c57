//! Reads the model and what was taught on top of it.

use network::NetworkBackend;
use rayon::ThreadPool;

use crate::manifest::ColumnRecord;
use crate::state::StateStore;
use crate::store::ModelStore;
use crate::store_error::StoreError;
use crate::{EngineConfig, EngineError, NetworkUpdate, TaskHead};

/// Heads of the columns that answer, in the order of the records.
pub(crate) fn heads<'a>(records: impl IntoIterator<Item = &'a ColumnRecord>) -> Vec<TaskHead> {
    let head = |record: &ColumnRecord| TaskHead {
        name: record.name.clone(),
        version: record.version,
        labels: record.labels.as_slice().into(),
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

/// The same for a configuration's folders.
pub(crate) fn load_configured<B: NetworkBackend>(
    config: &EngineConfig,
    device: &B::Device,
) -> Result<NetworkUpdate<B>, StoreError> {
    let model = ModelStore::open(&config.model)?;
    let state = StateStore::open(&config.state_dir, model.manifest())?;
    load(&model, &state, device)
}

/// Threads of their own for the network on the CPU; 0: one per core. Work that is installed in them stays in them.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool, EngineError> {
    network::threads(threads, "network")
        .build()
        .map_err(|error| EngineError::Thread { name: "network", source: std::io::Error::other(error) })
}
