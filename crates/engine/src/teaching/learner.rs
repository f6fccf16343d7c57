//! The teaching half's handle: requests come in here, one thread trains in the background.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Receiver;
use learning::Face;
use network::{Label, NetworkBackend, ProgressiveNetwork, TaskName};

use crate::EngineConfig;
use crate::model::heads::NetworkUpdate;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::teaching::tasks::{
    AddTask, Exported, Imported, LabelledFace, RemoveTask, Removed, Stored, TaskError, TaskEvent, TaskStatus,
    TaskTicket,
};
use crate::teaching::trainer;
use crate::teaching::workshop::{Requests, Workshop};
use crate::threads::{join, lock};

/// A training step is much shorter; a change that is being written takes about a second.
const PATIENCE: Duration = Duration::from_millis(1700);

/// Keeps the tasks: accepts trainings, trains one at a time, stores, and puts new networks into service.
///
/// The same for every backend. Dropping it ends the training, which starts again at the next start.
pub struct Learner {
    requests: Arc<dyn Requests>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Learner {
    /// Starts the background thread and takes up trainings that had not ended.
    ///
    /// `network` is the model with the taught columns. `on_network` is given every changed network, to be put into
    /// service between two batches; it must not call back into the learner.
    ///
    /// # Errors
    /// When what the last run left cannot be read, or the system gives no thread.
    pub fn start<B: NetworkBackend>(
        config: &EngineConfig,
        model: ModelStore,
        state: StateStore,
        network: ProgressiveNetwork<B>,
        device: B::Device,
        on_network: impl Fn(NetworkUpdate<B>) + Send + 'static,
    ) -> Result<Self, TaskError> {
        let workshop = Arc::new(Workshop::open(config, model, state, network, device, Box::new(on_network))?);
        let trainer = Arc::clone(&workshop);
        let thread = Builder::new()
            .name("learner".to_owned())
            .spawn(move || trainer::run(&trainer))
            .map_err(TaskError::Thread)?;
        Ok(Self { requests: workshop, thread: Mutex::new(Some(thread)) })
    }

    /// All tasks as they are now.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.requests.tasks()
    }

    /// Told whenever the task list changes, and some times a second while training. Holds the newest state only; its
    /// receivers share it, so there should be one reader.
    pub fn events(&self) -> Receiver<TaskEvent> {
        self.requests.events()
    }

    /// Accepts a training: its samples are on the disk when this returns, the column follows in the background.
    ///
    /// # Errors
    /// A request that is refused, with what to do about it; nothing has changed then.
    pub fn add_task(&self, request: AddTask) -> Result<TaskTicket, TaskError> {
        self.requests.add_task(&request)
    }

    /// Stores samples without training. The task need not exist yet.
    ///
    /// # Errors
    /// Too many, of another size, for a shipped task, or a disk that refuses; nothing is stored then.
    pub fn add_samples(&self, name: &TaskName, samples: Vec<LabelledFace>) -> Result<Stored, TaskError> {
        self.requests.add_samples(name, &samples)
    }

    /// Stores crops of one track under one label.
    ///
    /// # Errors
    /// As [`Self::add_samples`].
    pub fn store_captured(&self, name: &TaskName, label: &Label, faces: Vec<Face>) -> Result<Stored, TaskError> {
        let samples: Vec<_> = faces.into_iter().map(|face| LabelledFace { label: label.clone(), face }).collect();
        self.requests.add_samples(name, &samples)
    }

    /// Removes a taught task, its column, and unless kept its samples.
    ///
    /// # Errors
    /// A task that is unknown, shipped, in training, or drawn from by others without `cascade` or `keep_as_source`.
    pub fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError> {
        self.requests.remove_task(request)
    }

    /// Ends a training within one step; without a name, the one that runs. Answers whose it was.
    ///
    /// # Errors
    /// When there is none, or it has ended and is being stored.
    pub fn cancel_training(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        self.requests.cancel_training(name)
    }

    /// Writes a taught task into a folder that is empty or does not exist yet.
    ///
    /// # Errors
    /// A task that is unknown or shipped, or a folder that cannot be used.
    pub fn export_task(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError> {
        self.requests.export_task(name, directory, with_samples)
    }

    /// Brings in a task that was exported, under another name when one is given.
    ///
    /// # Errors
    /// Another encoder, missing sources, a name in use, a broken file, or a folder that cannot be read.
    pub fn import_task(&self, directory: &Path, name: Option<TaskName>) -> Result<Imported, TaskError> {
        self.requests.import_task(directory, name.as_ref())
    }

    /// Erases stored crops for good, of one label or of all; answers how many. The column stays as it is.
    ///
    /// # Errors
    /// Nothing known under the name, a training that needs them, or a disk that refuses.
    pub fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError> {
        self.requests.forget_samples(name, label)
    }

    /// Ends the thread, a training included, within two seconds. Later calls do nothing.
    pub fn shutdown(&self) {
        self.requests.stop();
        if let Some(thread) = lock(&self.thread).take() {
            let busy = join(vec![("learner", thread)], PATIENCE);
            if !busy.is_empty() {
                tracing::warn!("the learner is still writing; what it changes is changed as a whole or not at all");
            }
        }
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
#[path = "learner_tests.rs"]
mod tests;
