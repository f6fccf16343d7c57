//! Reads samples before their task is taught, while nothing else is to be done: what is left of the teaching then takes moments.

use std::path::PathBuf;

use learning::{FaceReading, FewShotConfig, MANY_FACES, Reader};
use network::{Label, NetworkBackend, ProgressiveNetwork, TaskName};
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

    /// What was read of a sample before.
    pub(crate) fn reading(&self, sample: usize) -> Option<FaceReading> {
        self.store.reading(self.files.get(sample)?, &self.names)
    }
}

fn names_of<B: NetworkBackend>(served: &ServedModel<B>, sources: &[TaskName]) -> Vec<String> {
    let encoder = format!("encoder {}", served.base.manifest().encoder.sha256);
    let columns = served.digests(sources).into_iter().map(|digest| format!("column {}", digest.unwrap_or_default()));
    std::iter::once(encoder).chain(columns).collect()
}

/// Samples of a task to be read, and by what.
struct Unread<B: NetworkBackend> {
    network: ProgressiveNetwork<B>,
    device: B::Device,
    sources: Vec<TaskName>,
    samples: ReadFiles,
}

fn find<B: NetworkBackend>(workshop: &Workshop<B>, name: &TaskName) -> Result<Unread<B>, TaskError> {
    let served = workshop.served();
    let labels: Vec<Label> = served.samples.counts(name)?.into_iter().map(|(label, _)| label).collect();
    let sources = workshop.board().default_sources(name);
    Ok(Unread {
        network: served.network.clone(),
        device: served.device.clone(),
        samples: ReadFiles::of(&served, name, &labels, &sources)?,
        sources,
    })
}

/// Reads what of a task's samples was not read yet, until a training wants to begin: then the task waits again.
pub(crate) fn read<B: NetworkBackend>(workshop: &Workshop<B>, pool: &ThreadPool, name: &TaskName) {
    if let Err(error) = try_read(workshop, pool, name) {
        // They are read when the task is taught, and what is wrong is told then.
        tracing::debug!(task = %name, "samples are not read ahead: {}", error.without_labels());
    }
}

fn try_read<B: NetworkBackend>(workshop: &Workshop<B>, pool: &ThreadPool, name: &TaskName) -> Result<(), TaskError> {
    let unread = find(workshop, name)?;
    let config = FewShotConfig::default();
    let reader = Reader { network: &unread.network, sources: &unread.sources, device: &unread.device };
    let ReadFiles { store, files, names } = &unread.samples;
    // Of more samples each is looked at in one way only, which is not known yet.
    for path in files.iter().filter(|_| files.len() <= MANY_FACES) {
        if workshop.is_wanted_elsewhere() {
            workshop.read_ahead(name);
            return Ok(());
        }
        // One that cannot be read is told when the task is taught.
        let Some(face) = store.unread(path, names) else { continue };
        workshop.yield_to_network();
        let failed = |reason: String| TaskError::Failed { name: name.clone(), reason };
        let reading = pool.install(|| reader.read_whole(&face, &config)).map_err(|error| failed(error.to_string()))?;
        let bytes = reading.to_bytes(names).map_err(failed)?;
        let served = workshop.served();
        if !served.state.writable() {
            return Ok(());
        }
        served.samples.keep_reading(path, &face, &bytes)?;
    }
    Ok(())
}
