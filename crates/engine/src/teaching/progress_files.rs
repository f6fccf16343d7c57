//! The epochs of the running training on disk, from which it goes on after a restart.

use std::path::{Path, PathBuf};

use learning::{Checkpoint, CheckpointError, LabelledFaces};
use network::{Label, TaskName};
use serde::Serialize;

use crate::model::disk::{self, Access};
use crate::teaching::queue::JobSpec;

/// Where the epochs of the running training are kept.
pub(crate) fn progress_folder(state_dir: &Path) -> PathBuf {
    state_dir.join("training")
}

/// What must be the same for a training to be continued.
#[derive(Serialize)]
struct TrainingKey<'a> {
    id: String,
    labels: &'a [Label],
    sources: &'a [TaskName],
    digests: &'a [Option<String>],
    epochs: u32,
    samples: String,
}

/// The checkpoint of a training; one of another training is refused.
pub(crate) fn checkpoint(
    folder: &Path,
    spec: &JobSpec,
    digests: &[Option<String>],
    faces: &LabelledFaces,
) -> Result<Checkpoint, CheckpointError> {
    disk::make_dir(folder, Access::Private)
        .map_err(|error| CheckpointError::Io { path: folder.to_path_buf(), error })?;
    let pixels: Vec<u8> = faces.faces.iter().flat_map(|face| face.iter().copied()).collect();
    let key = TrainingKey {
        id: spec.id(),
        labels: &spec.labels,
        sources: &spec.sources,
        digests,
        epochs: spec.epochs,
        samples: network::weights::sha256(&pixels),
    };
    Checkpoint::open(folder, &key)
}

/// Removes the epochs of a training that has ended.
pub(crate) fn discard(folder: &Path) {
    if let Err(error) = disk::remove_dir_all(folder) {
        tracing::warn!("{}: {error}", folder.display());
    }
}
