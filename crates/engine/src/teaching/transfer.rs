//! Tasks that travel: a folder with the manifest of one column, its weights and, when asked for, its samples.

use std::fs;
use std::path::Path;

use network::weights::{self, WeightsError};
use network::{NetworkBackend, TaskName};

use crate::model::disk::{self, Access};
use crate::model::manifest::{ColumnRecord, MANIFEST, TaughtManifest, read_yaml, validate_columns};
use crate::model::parts;
use crate::model::samples::{LabelledFace, SampleStore};
use crate::model::store_error::StoreError;
use crate::teaching::served_model::ServedModel;
use crate::teaching::tasks::{Exported, Imported, TaskError};

/// An exported task as it was read and checked; nothing has changed yet.
pub(crate) struct Travelling {
    pub(crate) record: ColumnRecord,
    pub(crate) samples: Vec<LabelledFace>,
}

impl<B: NetworkBackend> ServedModel<B> {
    /// Writes a taught task into a folder that is missing or empty.
    pub(crate) fn export(
        &self,
        record: &ColumnRecord,
        directory: &Path,
        with_samples: bool,
    ) -> Result<Exported, TaskError> {
        claim(directory)?;
        let from = self.state.dir().join(&record.file);
        let bytes = fs::read(&from).map_err(StoreError::io(&from))?;
        let weights = directory.join(&record.file);
        disk::write_atomic(&weights, &bytes, Access::Private).map_err(StoreError::io(&weights))?;
        let mut files = vec![weights];
        if with_samples {
            let target = SampleStore::new(directory, usize::MAX);
            target.add(&record.name, &self.samples.load_all(&record.name)?)?;
            files.extend(target.files(&record.name)?);
        }
        // Last: a folder with a manifest is complete.
        let manifest = TaughtManifest { columns: vec![record.clone()], ..TaughtManifest::new(self.base.manifest()) };
        parts::commit(directory, Access::Private, &manifest)?;
        files.push(directory.join(MANIFEST));
        Ok(Exported { files })
    }

    /// Reads what [`Self::export`] wrote and finds its sources among the columns here, by their weights.
    pub(crate) fn read_exported(
        &self,
        directory: &Path,
        name: Option<&TaskName>,
        with_samples: bool,
    ) -> Result<Travelling, TaskError> {
        if !directory.is_absolute() {
            return Err(TaskError::directory(directory, "give an absolute path"));
        }
        let path = directory.join(MANIFEST);
        if !path.is_file() {
            return Err(TaskError::directory(&path, "not found; give a folder that export_task wrote"));
        }
        let manifest: TaughtManifest = read_yaml(&path)?;
        manifest.check_encoder(&path, self.base.manifest())?;
        let [record] = manifest.columns.as_slice() else {
            let reason =
                format!("expected one task, found {}; give a folder that export_task wrote", manifest.columns.len());
            return Err(TaskError::directory(&path, reason));
        };
        let mut record = record.clone();
        let samples = match with_samples {
            true => SampleStore::new(directory, usize::MAX).load_all(&record.name)?,
            false => Vec::new(),
        };
        if let Some(name) = name {
            record.name = name.clone();
        }
        record.silent = false;
        record.replaced_by = None;
        let here: Vec<ColumnRecord> =
            self.base.manifest().columns.iter().chain(&self.state.manifest().columns).cloned().collect();
        if here.iter().any(|column| column.name == record.name) {
            return Err(TaskError::NameInUse(record.name));
        }
        for source in &mut record.sources {
            let same = || here.iter().filter(|column| column.sha256 == source.sha256);
            let Some(found) = same().find(|column| column.name == source.name).or_else(|| same().next()) else {
                return Err(TaskError::MissingSource { name: source.name.clone(), sha256: source.sha256.clone() });
            };
            source.name = found.name.clone();
        }
        validate_columns(&path, &self.base.manifest().encoder.config, &here, std::slice::from_ref(&record))?;
        let weights_file = directory.join(&record.file);
        let found = weights::sha256_file(&weights_file).map_err(StoreError::from)?;
        if found != record.sha256 {
            let wrong = WeightsError::Digest { path: weights_file, expected: record.sha256, found };
            return Err(StoreError::from(wrong).into());
        }
        Ok(Travelling { record, samples })
    }

    /// Takes in what [`Self::read_exported`] found.
    pub(crate) fn import(&mut self, directory: &Path, travelling: Travelling) -> Result<Imported, TaskError> {
        let Travelling { mut record, samples } = travelling;
        let name = record.name.clone();
        if !samples.is_empty() && self.samples.counts(&name)?.iter().any(|(_, count)| *count > 0) {
            return Err(TaskError::SamplesInTheWay(name));
        }
        self.samples.check(&name, &samples)?;
        let from = directory.join(&record.file);
        self.state.adopt(&mut record, &from)?;
        let task_id = record.id();
        // Samples first: a column that counts must not be followed by an error.
        let stored = self.samples.add(&name, &samples).map_err(TaskError::from);
        let put = stored.and_then(|_| self.put(record));
        match put {
            Ok(promise) => Ok(Imported { task_id, promise }),
            Err(error) => {
                // What was taken over belongs to nothing.
                self.state.sweep()?;
                if !samples.is_empty() {
                    self.samples.forget(&name, None)?;
                }
                Err(error)
            }
        }
    }
}

/// Makes a folder to export to, or takes an empty one.
fn claim(directory: &Path) -> Result<(), TaskError> {
    if !directory.is_absolute() {
        return Err(TaskError::directory(directory, "give an absolute path"));
    }
    disk::make_dir(directory, Access::Private).map_err(|error| TaskError::directory(directory, error))?;
    let mut entries = fs::read_dir(directory).map_err(|error| TaskError::directory(directory, error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(TaskError::directory(
            directory,
            "the folder is not empty; give one that is, or that does not exist yet",
        )),
    }
}
