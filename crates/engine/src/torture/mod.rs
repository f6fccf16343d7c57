//! Crash consistency, by fault injection: random changes of what was taught, ended by SIGKILL, by a power cut or by a disk that refuses, at every step that
//! the state folder's files take (`crate::model::disk::steps`). Whatever happened, the folder opens, a change was made as a whole
//! or not at all, what was acknowledged is there, and no file is left that no record names.
//!
//! `scripts/torture` runs the long forms: `FACE_ATTRIBUTES_TORTURE` multiplies the rounds.

mod changes;
mod facts;
mod kills;
mod power;
mod power_cuts;
mod refusals;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use network::CpuBackend;

use crate::EngineConfig;
use crate::model::load;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::model::testing::TestDevice;
use crate::teaching::handle::Tasks;
use crate::teaching::served_model::{Found, open_samples};
use crate::teaching::tasks::TaskError;
use crate::testing::PaintedFaces;

/// So many times as long as in a test run.
fn times() -> u32 {
    std::env::var("FACE_ATTRIBUTES_TORTURE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// So many rounds of a test that takes `longer` times as long as the kills.
fn rounds(longer: u32) -> u64 {
    u64::from(times().div_ceil(longer))
}

/// A row of the table of `scripts/torture`.
fn report(what: &str, row: &serde_json::Value) {
    println!("torture: {}", serde_json::json!({ "what": what, "found": row }));
}

/// In a test run one step of so many is tried, in the long forms each.
fn stride() -> usize {
    if times() > 1 { 1 } else { 5 }
}

fn key_beside(model_dir: &Path) -> PathBuf {
    model_dir.with_file_name("key")
}

/// Every other seed stores its samples under a key.
fn perhaps_with_key(model_dir: &Path, seed: u64) {
    if seed % 2 == 1 {
        let path = key_beside(model_dir);
        std::fs::write(&path, [5; 32]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The teaching half alone, on the model of `crate::model::testing::small_model`.
fn start(model_dir: &Path, state_dir: &Path) -> Result<Tasks, TaskError> {
    let model = ModelStore::open(model_dir)?;
    let mut state = StateStore::open(state_dir, model.manifest())?;
    let device = TestDevice::default();
    let network = load::load::<CpuBackend>(&model, &state, &device)?.network;
    // A training in closed form: no checkpoints, and moments long.
    let mut config = EngineConfig::default();
    config.training.epochs = 0;
    config.samples_key_file = Some(key_beside(model_dir)).filter(|key| key.exists());
    config.exchange_dir = state_dir.parent().map(Path::to_path_buf).unwrap_or_default();
    let samples = open_samples(&config, &mut state);
    let found = Found { model, state, samples, network, device, judging: std::sync::Arc::default() };
    Tasks::start(&config, found, Box::new(PaintedFaces), Default::default(), |_| ())
}
