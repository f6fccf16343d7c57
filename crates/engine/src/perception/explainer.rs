//! Why columns answered what they did, for whoever looks.

use network::{Explanation, Label, NetworkBackend, ProgressiveNetwork, TaskName, explain};
use rayon::ThreadPool;

use crate::model::manifest::ColumnRecord;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::perception::judge::network_pool;
use crate::{EngineConfig, EngineError};

/// What a task answered for a face, and from where.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The task.
    pub task: TaskName,
    /// The label with the largest logit.
    pub label: Label,
    /// Where in the face it comes from.
    pub explanation: Explanation,
}

/// Explains answers with weights of its own: what the engine answers with cannot carry gradients. It takes as much memory
/// as the model again, so it should live only while somebody looks.
pub struct Explainer {
    weights: Box<dyn Weights>,
    pool: ThreadPool,
}

impl Explainer {
    /// Loads the model and the taught tasks of a configuration.
    ///
    /// # Errors
    /// As for the engine itself.
    pub fn open(config: &EngineConfig) -> Result<Self, EngineError> {
        let (kind, why) = network::choose_device(config.device)?;
        let weights: Box<dyn Weights> = network::on_device!(kind, B => Box::new(Loaded::<B>::open(config)?));
        tracing::debug!("explanations: {why}");
        Ok(Self { weights, pool: network_pool(config.training_threads)? })
    }

    /// Every task's answer for an aligned face of 128×128 grey pixels. Tasks that were taught since are there too.
    ///
    /// # Errors
    /// The model on disk has changed and cannot be read.
    pub fn explain(&mut self, face: &[u8]) -> Result<Vec<Explained>, EngineError> {
        let Self { weights, pool } = self;
        pool.install(|| weights.explain(face))
    }
}

/// The same for every backend.
trait Weights: Send {
    fn explain(&mut self, face: &[u8]) -> Result<Vec<Explained>, EngineError>;
}

struct Loaded<B: NetworkBackend> {
    config: EngineConfig,
    records: Vec<ColumnRecord>,
    network: ProgressiveNetwork<B>,
    device: B::Device,
}

impl<B: NetworkBackend> Loaded<B> {
    fn open(config: &EngineConfig) -> Result<Self, EngineError> {
        let device = B::Device::default();
        let model = ModelStore::open(&config.model)?;
        let state = StateStore::read(&config.state_dir, model.manifest())?;
        let network = state.load(model.load::<B>(&device)?, &device)?;
        let records = model.manifest().columns.iter().chain(&state.manifest().columns).cloned().collect();
        Ok(Self { config: config.clone(), records, network, device })
    }
}

impl<B: NetworkBackend> Weights for Loaded<B> {
    fn explain(&mut self, face: &[u8]) -> Result<Vec<Explained>, EngineError> {
        let model = ModelStore::open(&self.config.model)?;
        let state = StateStore::read(&self.config.state_dir, model.manifest())?;
        let now = model.manifest().columns.iter().chain(&state.manifest().columns);
        let shown = |record: &ColumnRecord| (record.name.clone(), record.silent, record.sha256.clone());
        if !now.map(shown).eq(self.records.iter().map(shown)) {
            *self = Self::open(&self.config)?;
        }
        let mut found = Vec::new();
        for record in self.records.iter().filter(|record| !record.silent) {
            let explanation = explain(&self.network, &record.name, None, face, &self.device)?;
            let Some(label) = record.labels.get(explanation.class).cloned() else { continue };
            found.push(Explained { task: record.name.clone(), label, explanation });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{faces, small_model};

    #[test]
    fn every_task_that_answers_is_explained() {
        let (model, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        small_model(model.path());
        let config = EngineConfig {
            model: model.path().to_owned(),
            state_dir: state.path().join("none yet"),
            ..EngineConfig::default()
        };
        let mut explainer = Explainer::open(&config).unwrap();
        let face = faces("up", 1).remove(0).face;
        let found = explainer.explain(face.as_slice()).unwrap();
        let tasks: Vec<&str> = found.iter().map(|explained| explained.task.as_str()).collect();
        assert_eq!(tasks, ["emotion", "person"]);
        assert!(found.iter().all(|explained| explained.explanation.guided.iter().any(|value| *value != 0.0)));
        assert!(!config.state_dir.exists(), "looking leaves no trace");
    }
}
