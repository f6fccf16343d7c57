//! The teaching half's handle: requests come in here, one thread trains in the background.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Receiver;
use network::{FaceCrop, Label, NetworkBackend, TaskName};
use vision::FaceDetector;

use crate::EngineConfig;
use crate::model::heads::NetworkUpdate;
use crate::model::sample_list::StoredCrop;
use crate::model::state::CannotTeach;
use crate::sync::{join, lock};
use crate::teaching::capture::{CaptureError, CaptureRequest, Captured, Captures, TrackSelector};
use crate::teaching::crops::{Cropper, Sample};
use crate::teaching::requests::Requests;
use crate::teaching::served_model::Found;
use crate::teaching::tasks::{
    AddTask, Exported, Imported, LabelledFace, RemoveTask, Removed, Stored, TaskError, TaskStatus, TaskTicket,
};
use crate::teaching::trainer;
use crate::teaching::workshop::Workshop;

/// A training step is much shorter; a change that is being written takes about a second.
const PATIENCE: Duration = Duration::from_millis(1700);

/// Keeps the tasks: accepts trainings, trains one at a time, stores, and puts new networks into service.
///
/// Calls that change tasks block their thread: for disk and probe about a second, [`Tasks::add`] also while faces are found in its
/// pictures, [`Tasks::capture`] for the time that it is given. Dropping it ends the training, which
/// starts again at the next start.
pub struct Tasks {
    requests: Arc<dyn Requests>,
    cropper: Cropper,
    /// One a camera.
    captures: Vec<Arc<Captures>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Tasks {
    /// Starts the background thread and takes up trainings that had not ended.
    ///
    /// `on_network` is given every changed network, to be put into service between two batches; it must not call these tasks.
    ///
    /// # Errors
    /// When what the last run left cannot be read, or the system gives no thread.
    pub(crate) fn start<B: NetworkBackend>(
        config: &EngineConfig,
        found: Found<B>,
        detector: Box<dyn FaceDetector>,
        captures: Vec<Arc<Captures>>,
        on_network: impl Fn(NetworkUpdate<B>) + Send + 'static,
    ) -> Result<Self, TaskError> {
        let workshop = Arc::new(Workshop::open(config, found, Box::new(on_network))?);
        let trainer = Arc::clone(&workshop);
        let thread = Builder::new()
            .name("teaching".to_owned())
            .spawn(move || trainer::run(&trainer))
            .map_err(TaskError::Thread)?;
        Ok(Self { requests: workshop, cropper: Cropper::new(detector), captures, thread: Mutex::new(Some(thread)) })
    }

    /// Why nothing can be taught, where that is so. May wait for a change that is being made.
    pub(crate) fn cannot_teach(&self) -> Option<CannotTeach> {
        self.requests.cannot_teach()
    }

    /// All tasks as they are now.
    pub fn list(&self) -> Vec<TaskStatus> {
        self.requests.tasks()
    }

    /// Rings whenever the list changes, and some times a second while training; one ring may stand for many. Its receivers
    /// share it, so there should be one reader.
    pub fn changes(&self) -> Receiver<()> {
        self.requests.changes()
    }

    /// Accepts a training: its samples are on the disk when this returns, the column follows in the background; the ticket tells
    /// when it has ended.
    ///
    /// # Errors
    /// A request that is refused, with what to do about it; nothing has changed then.
    pub fn add(&self, request: AddTask) -> Result<TaskTicket, TaskError> {
        self.requests.add_task(&request.try_with_samples(|samples| self.cropper.crop(samples))?)
    }

    /// Stores samples without training. The task need not exist yet.
    ///
    /// # Errors
    /// A picture without a face, too many samples, a shipped task, or a disk that refuses; nothing is stored then.
    pub fn add_samples(&self, name: &TaskName, samples: Vec<Sample>) -> Result<Stored, TaskError> {
        self.requests.add_samples(name, &self.cropper.crop(samples)?)
    }

    /// Collects crops of one active track, spread over the time, and stores them under a label. Blocks until then; `go_on` is told
    /// some times a second how many crops there are, and may end it.
    ///
    /// # Errors
    /// An unknown track, nobody to be seen, values out of range, a store that refuses, or `go_on`; nothing is stored then.
    pub fn capture(
        &self,
        wanted: &CaptureRequest,
        go_on: &mut dyn FnMut(u32) -> bool,
    ) -> Result<Captured, CaptureError> {
        let camera = self.camera_of(wanted);
        let mut given: Vec<FaceCrop> = Vec::new();
        let mut read_and_go_on = |crops: &[FaceCrop]| {
            let fresh = &crops[given.len()..];
            self.requests.read_fresh(&wanted.name, fresh);
            given.extend(fresh.iter().cloned());
            go_on(given.len() as u32)
        };
        let (selector, count) = (wanted.track.clone(), wanted.count);
        let collected = self.captures[camera].collect(selector, count, wanted.time, &mut read_and_go_on);
        let stored = collected.and_then(|(track, crops)| {
            let captured = crops.len() as u32;
            let labelled = |face| LabelledFace { label: wanted.label.clone(), face };
            let samples: Vec<_> = crops.into_iter().map(labelled).collect();
            let counts = self.requests.add_samples(&wanted.name, &samples)?.counts;
            Ok(Captured { track, camera, captured, counts })
        });
        if stored.is_err() {
            self.requests.drop_fresh(&wanted.name, &given);
        }
        stored
    }

    /// The stored crops of a task; none where it has none.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub fn crops(&self, name: &TaskName) -> Result<Vec<StoredCrop>, TaskError> {
        self.requests.crops(name)
    }

    /// One stored crop, by an id of [`Self::crops`].
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn crop(&self, name: &TaskName, id: &str) -> Result<FaceCrop, TaskError> {
        self.requests.crop(name, id)
    }

    /// Erases one stored crop for good.
    ///
    /// # Errors
    /// There is none, its task trains, or the disk refuses.
    pub fn discard(&self, name: &TaskName, id: &str) -> Result<(), TaskError> {
        self.requests.discard(name, id)
    }

    /// The wanted camera; without one, that which follows the track or has the largest face.
    fn camera_of(&self, wanted: &CaptureRequest) -> usize {
        let chosen = match (wanted.camera, &wanted.track) {
            (Some(camera), _) => Some(camera).filter(|camera| *camera < self.captures.len()),
            (None, TrackSelector::Id(id)) => self.captures.iter().position(|captures| captures.follows(id)),
            (None, TrackSelector::Largest) => {
                let faces = self.captures.iter().map(|captures| captures.largest_face()).enumerate();
                let largest = faces.max_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                largest.map(|(camera, _)| camera)
            }
        };
        chosen.unwrap_or_default()
    }

    /// Removes a taught task, its column, and unless kept its samples.
    ///
    /// # Errors
    /// A task that is unknown, shipped, in training, or drawn from by others without `cascade` or `keep_as_source`.
    pub fn remove(&self, request: &RemoveTask) -> Result<Removed, TaskError> {
        self.requests.remove_task(request)
    }

    /// Ends a training within one step, running or queued; without a name, the one that runs. Answers whose it was.
    ///
    /// # Errors
    /// When there is none, or it has ended and is being stored.
    pub fn cancel(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        self.requests.cancel_training(name)
    }

    /// Writes a taught task into a folder that is empty or does not exist yet, below [`EngineConfig::exchange_dir`].
    ///
    /// # Errors
    /// A task that is unknown or shipped, or a folder that is elsewhere or cannot be used.
    pub fn export(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError> {
        self.requests.export_task(name, directory, with_samples)
    }

    /// Brings in a task that was exported to a folder below [`EngineConfig::exchange_dir`], under another name when one is given.
    ///
    /// # Errors
    /// Another encoder, missing sources, a name in use, a broken file, or a folder that cannot be read.
    pub fn import(&self, directory: &Path, name: Option<&TaskName>) -> Result<Imported, TaskError> {
        self.requests.import_task(directory, name)
    }

    /// Erases stored crops for good, of one label or of all; answers how many. The column stays as it is.
    ///
    /// # Errors
    /// Nothing known under the name, a training that needs them, or a disk that refuses.
    pub fn forget(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError> {
        self.requests.forget_samples(name, label)
    }

    /// Ends the thread, a training included, or leaves it behind after the time. Later calls do nothing.
    pub(crate) fn shutdown(&self, patience: Duration) {
        self.requests.stop();
        if let Some(thread) = lock(&self.thread).take() {
            let busy = join(vec![("teaching", thread)], patience);
            if !busy.is_empty() {
                tracing::warn!(
                    "the teaching thread is still writing; what it changes is changed as a whole or not at all"
                );
            }
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.shutdown(PATIENCE);
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
