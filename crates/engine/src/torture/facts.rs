//! What a state folder holds, as a start finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::damage::MANIFEST_COPY;
use crate::model::manifest::MANIFEST;
use crate::model::sample_error::SampleError;
use crate::model::sample_pictures::read_picture;
use crate::model::samples::SampleStore;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::teaching::queue::{MAX_ATTEMPTS, QueueFile};

/// Stands for the digest of a column that was not yet trained when this was foretold.
pub(super) const ANY: &str = "any";

/// Tasks with their samples: all that must outlive anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Columns: version and SHA-256 of the weights.
    pub(super) tasks: BTreeMap<String, (u32, String)>,
    /// Samples of each label.
    pub(super) samples: BTreeMap<String, BTreeMap<String, u32>>,
    /// Trainings that wait, `name@version`.
    pub(super) waiting: BTreeSet<String>,
}

impl Facts {
    /// Reads a folder as it is, as long as it belongs to a model.
    pub(super) fn read(model: &Path, state: &Path) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let model = ModelStore::open(model).map_err(|error| said(&error))?;
        let store = StateStore::read(state, model.manifest()).map_err(|error| said(&error))?;
        Self::of(&store)
    }

    /// Opens a folder as a start does, which finishes or undoes what was half done; also files that no record names.
    pub(super) fn recovered(model: &Path, state: &Path) -> Result<(Self, Vec<PathBuf>), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let model = ModelStore::open(model).map_err(|error| said(&error))?;
        let store = StateStore::open(state, model.manifest()).map_err(|error| said(&error))?;
        let samples = SampleStore::new(state, usize::MAX);
        if !store.writable() {
            return Err(format!("cannot be written: {}", store.damage()));
        }
        samples.recover(|name| store.is_taught(name)).map_err(|error| said(&error))?;
        let facts = Self::of(&store)?;
        let orphans = orphans(&store, &samples).map_err(|error| said(&error))?;
        Ok((facts, orphans))
    }

    fn of(store: &StateStore) -> Result<Self, String> {
        if !store.damage().is_none() {
            return Err(format!("damaged: {}", store.damage()));
        }
        let tasks = store.manifest().columns.iter();
        let tasks = tasks.map(|column| (column.name.to_string(), (column.version, column.sha256.clone()))).collect();
        let stored = SampleStore::new(store.dir(), usize::MAX);
        let mut samples = BTreeMap::new();
        for task in stored.tasks().map_err(|error| error.to_string())? {
            let counts = stored.counts(&task).map_err(|error| error.to_string())?;
            // What was read of a crop is written into its file: each must still be one.
            let labels: Vec<_> = counts.iter().map(|(label, _)| label.clone()).collect();
            for path in stored.paths(&task, &labels).map_err(|error| error.to_string())? {
                match read_picture(&path, None) {
                    Ok(_) | Err(SampleError::Encrypted { .. }) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            let counts = counts.into_iter().filter(|(_, count)| *count > 0);
            let counts: BTreeMap<_, _> = counts.map(|(label, count)| (label.to_string(), count)).collect();
            if !counts.is_empty() {
                samples.insert(task.to_string(), counts);
            }
        }
        let waiting = QueueFile::new(store.dir()).read().map_err(|error| error.to_string())?;
        // One that took the program down too often is not tried again by itself.
        let waiting = waiting.iter().filter(|job| job.attempts < MAX_ATTEMPTS).map(|job| job.id()).collect();
        Ok(Self { tasks, samples, waiting })
    }

    /// Whether these are the same tasks and samples, whatever waits. [`ANY`] stands for every digest.
    pub(super) fn same_as(&self, foretold: &Self) -> bool {
        let mut tasks = self.tasks.iter().zip(&foretold.tasks);
        self.tasks.len() == foretold.tasks.len()
            && tasks.all(|((name, (version, digest)), (other, (foretold, wanted)))| {
                name == other && version == foretold && (digest == wanted || wanted == ANY)
            })
            && self.samples == foretold.samples
    }
}

/// Files that no record names.
fn orphans(store: &StateStore, samples: &SampleStore) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let mut named: BTreeSet<PathBuf> =
        [MANIFEST, MANIFEST_COPY, "queue.yaml", ".lock"].map(|name| store.dir().join(name)).into();
    named.extend(store.manifest().columns.iter().map(|column| store.dir().join(&column.file)));
    for task in samples.tasks()? {
        named.extend(samples.files(&task)?);
    }
    let mut found = Vec::new();
    let mut folders = vec![store.dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !named.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
