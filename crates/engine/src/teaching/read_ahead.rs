//! Reads samples before their task is taught, while nothing else is to be done: what is left of the teaching then takes moments.

use std::path::PathBuf;

use learning::{FaceReading, FewShotConfig, MANY_FACES, Reader};
use network::{FaceCrop, Label, NetworkBackend, ProgressiveNetwork, TaskName};
use rayon::ThreadPool;

use crate::model::sample_error::SampleError;
use crate::model::samples::SampleStore;
use crate::teaching::served_model::ServedModel;
use crate::teaching::tasks::TaskError;
use crate::teaching::workshop::Workshop;

/// Samples' files, and what readings in them are named by: the weights that read them. Another encoder or source reads them anew.
pub(crate) struct ReadFiles {
    store: SampleStore,
    /// In the order of [`SampleStore::load`].
    files: Vec<PathBuf>,
    names: Vec<String>,
}

impl ReadFiles {
    /// Of the samples of some labels of a task that draws from `sources`.
    ///
    /// # Errors
    /// The list of labels or a folder cannot be read.
    pub(crate) fn of<B: NetworkBackend>(
        served: &ServedModel<B>,
        name: &TaskName,
        labels: &[Label],
        sources: &[TaskName],
    ) -> Result<Self, SampleError> {
        let files = served.samples.paths(name, labels)?;
        Ok(Self { store: served.samples.clone(), files, names: names_of(served, sources) })
    }

    /// What was read of a sample before: it is in its file, or goes there next.
    pub(crate) fn reading<B: NetworkBackend>(
        &self,
        workshop: &Workshop<B>,
        name: &TaskName,
        (sample, face): (usize, &FaceCrop),
    ) -> Option<FaceReading> {
        let in_file = self.store.reading(self.files.get(sample)?, &self.names);
        in_file.or_else(|| workshop.board().fresh.reading(name, face, &self.names))
    }
}

fn names_of<B: NetworkBackend>(served: &ServedModel<B>, sources: &[TaskName]) -> Vec<String> {
    let encoder = format!("encoder {}", served.base.manifest().encoder.sha256);
    let columns = served.digests(sources).into_iter().map(|digest| format!("column {}", digest.unwrap_or_default()));
    std::iter::once(encoder).chain(columns).collect()
}

/// What reads the samples of a task.
struct TaskReader<B: NetworkBackend> {
    network: ProgressiveNetwork<B>,
    device: B::Device,
    sources: Vec<TaskName>,
    names: Vec<String>,
}

impl<B: NetworkBackend> TaskReader<B> {
    fn new(workshop: &Workshop<B>, served: &ServedModel<B>, name: &TaskName) -> Self {
        let sources = workshop.board().default_sources(name);
        let names = names_of(served, &sources);
        Self { network: served.network.clone(), device: served.device.clone(), sources, names }
    }

    /// Bytes of a [`FaceReading`], when the network has judged.
    fn read(
        &self,
        workshop: &Workshop<B>,
        pool: &ThreadPool,
        name: &TaskName,
        face: &FaceCrop,
    ) -> Result<Vec<u8>, TaskError> {
        let reader = Reader { network: &self.network, sources: &self.sources, device: &self.device };
        workshop.yield_to_network();
        let failed = |reason: String| TaskError::Failed { name: name.clone(), reason };
        let read = pool.install(|| reader.read_whole(face, &FewShotConfig::default()));
        read.map_err(|error| failed(error.to_string()))?.to_bytes(&self.names).map_err(failed)
    }
}

/// Reads a crop of a capture that may still run.
pub(crate) fn read_fresh<B: NetworkBackend>(
    workshop: &Workshop<B>,
    pool: &ThreadPool,
    name: &TaskName,
    face: FaceCrop,
) {
    let reader = TaskReader::new(workshop, &workshop.served(), name);
    match reader.read(workshop, pool, name, &face) {
        Ok(reading) => workshop.board().fresh.keep(name, face, reading),
        Err(error) => {
            workshop.board().fresh.forget(name);
            not_read(name, &error);
        }
    }
}

/// Reads what of a task's samples was not read yet, until a training wants to begin: then the task waits again.
pub(crate) fn read_files<B: NetworkBackend>(workshop: &Workshop<B>, pool: &ThreadPool, name: &TaskName) {
    if let Err(error) = try_read_files(workshop, pool, name) {
        not_read(name, &error);
    }
}

/// They are read when the task is taught, and what is wrong is told then.
fn not_read(name: &TaskName, error: &TaskError) {
    tracing::debug!(task = %name, "samples are not read ahead: {}", error.without_labels());
}

fn try_read_files<B: NetworkBackend>(
    workshop: &Workshop<B>,
    pool: &ThreadPool,
    name: &TaskName,
) -> Result<(), TaskError> {
    let (reader, ReadFiles { store, files, names }) = {
        let served = workshop.served();
        let labels: Vec<Label> = served.samples.counts(name)?.into_iter().map(|(label, _)| label).collect();
        let reader = TaskReader::new(workshop, &served, name);
        let files = ReadFiles::of(&served, name, &labels, &reader.sources)?;
        (reader, files)
    };
    if files.len() > MANY_FACES {
        // Of so many each is looked at once, in a way that depends on its number among those that are taught.
        workshop.board().fresh.forget(name);
        return Ok(());
    }
    for path in &files {
        if workshop.is_wanted_elsewhere() {
            workshop.read_ahead(name);
            return Ok(());
        }
        // One that cannot be read is told when the task is taught.
        let Some(face) = store.unread(path, &names) else { continue };
        let fresh = workshop.board().fresh.take(name, &face).filter(|bytes| FaceReading::is_of(bytes, &names));
        let reading = fresh.map_or_else(|| reader.read(workshop, pool, name, &face), Ok)?;
        let served = workshop.served();
        if !served.state.writable() {
            return Ok(());
        }
        served.samples.keep_reading(path, &face, &reading)?;
    }
    Ok(())
}
