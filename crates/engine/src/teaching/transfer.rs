//! Tasks that travel: a folder with the manifest of one column, its weights and, when asked for, its samples.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use network::weights::{self, WeightsError};
use network::{NetworkBackend, TaskName};

use crate::model::disk::{self, Access, Links};
use crate::model::manifest::{ColumnRecord, MANIFEST, TaughtManifest, read_yaml, validate_columns};
use crate::model::parts;
use crate::model::samples::{LabelledFace, SAMPLES, SampleStore};
use crate::model::store_error::StoreError;
use crate::teaching::served_model::ServedModel;
use crate::teaching::tasks::{Exported, Imported, TaskError};

/// In a folder that is being exported to: what a crash leaves of it is replaced by the next export, and imported by none.
const EXPORTING: &str = ".export-unfinished";

/// What a folder of an exported task holds, read once: what is checked is what is taken over.
pub(crate) struct Parcel {
    manifest: TaughtManifest,
    /// The manifest's path, for messages.
    path: PathBuf,
    pub(crate) record: ColumnRecord,
    weights: Vec<u8>,
    pub(crate) samples: Vec<LabelledFace>,
}

impl Parcel {
    /// Reads what [`ServedModel::export`] wrote. It may be anything: nobody who teaches or asks should wait for it, so no lock is
    /// needed. `limit`: samples of a label that are taken.
    pub(crate) fn read(directory: &Path, with_samples: bool, limit: usize) -> Result<Self, TaskError> {
        if directory.join(EXPORTING).exists() {
            return Err(TaskError::directory(directory, "its export was cut off; call export_task again"));
        }
        let path = directory.join(MANIFEST);
        if !path.try_exists().map_err(StoreError::io(&path))? {
            return Err(TaskError::directory(&path, "not found; give a folder that export_task wrote"));
        }
        let manifest: TaughtManifest = read_yaml(&path, Links::Refused)?;
        let [record] = manifest.columns.as_slice() else {
            let reason =
                format!("expected one task, found {}; give a folder that export_task wrote", manifest.columns.len());
            return Err(TaskError::directory(&path, reason));
        };
        let record = record.clone();
        if !disk::is_plain_name(&record.file) {
            return Err(TaskError::directory(
                &path,
                format!("column {}: file: expected a name without folders, found {}", record.name, record.file),
            ));
        }
        if !record.is_as_sealed() {
            return Err(TaskError::directory(
                &path,
                "the task's record is not what export_task wrote; export it again",
            ));
        }
        let file = directory.join(&record.file);
        let weights = disk::read_file(&file, parts::MAX_BYTES, Links::Refused).map_err(StoreError::io(&file))?;
        let found = weights::sha256(&weights);
        if found != record.sha256 {
            let wrong = WeightsError::Digest { path: file, expected: record.sha256, found };
            return Err(StoreError::from(wrong).into());
        }
        let samples = match with_samples {
            true => {
                let store = SampleStore::new(directory, limit);
                store.check_stored(&record.name)?;
                store.load_all(&record.name)?
            }
            false => Vec::new(),
        };
        Ok(Self { manifest, path, record, weights, samples })
    }
}

impl<B: NetworkBackend> ServedModel<B> {
    /// Writes a taught task into a folder that is missing, empty, or was left by an export that was cut off.
    pub(crate) fn export(
        &self,
        record: &ColumnRecord,
        directory: &Path,
        with_samples: bool,
    ) -> Result<Exported, TaskError> {
        let _lock = claim(directory)?;
        let from = self.state.dir().join(&record.file);
        let bytes = disk::read_file(&from, parts::MAX_BYTES, Links::Refused).map_err(StoreError::io(&from))?;
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
        let unfinished = directory.join(EXPORTING);
        let finished = disk::remove_file(&unfinished).and_then(|()| disk::sync_dir(directory));
        finished.map_err(StoreError::io(&unfinished))?;
        Ok(Exported { directory: directory.to_path_buf(), files })
    }

    /// Finds a parcel's sources among the columns here, by their weights, and gives it its name; nothing has changed yet.
    pub(crate) fn address(&self, parcel: &mut Parcel, name: Option<&TaskName>) -> Result<(), TaskError> {
        parcel.manifest.check_encoder(&parcel.path, self.base.manifest())?;
        let record = &mut parcel.record;
        if let Some(name) = name {
            record.name = name.clone();
        }
        record.silent = false;
        record.replaced_by = None;
        let here: Vec<ColumnRecord> =
            self.base.manifest().columns.iter().chain(&self.state.manifest().columns).cloned().collect();
        if here.iter().any(|column| column.name == record.name) {
            return Err(TaskError::NameInUse(record.name.clone()));
        }
        for source in &mut record.sources {
            let same = || here.iter().filter(|column| column.sha256 == source.sha256);
            let Some(found) = same().find(|column| column.name == source.name).or_else(|| same().next()) else {
                return Err(TaskError::MissingSource { name: source.name.clone(), sha256: source.sha256.clone() });
            };
            source.name = found.name.clone();
        }
        validate_columns(&parcel.path, &self.base.manifest().encoder.config, &here, std::slice::from_ref(record))?;
        Ok(())
    }

    /// Takes in a parcel that has been [addressed](Self::address).
    pub(crate) fn import(&mut self, parcel: Parcel) -> Result<Imported, TaskError> {
        let Parcel { mut record, weights, samples, .. } = parcel;
        let name = record.name.clone();
        if !samples.is_empty() && self.samples.counts(&name)?.iter().any(|(_, count)| *count > 0) {
            return Err(TaskError::SamplesInTheWay(name));
        }
        self.samples.check(&name, &samples)?;
        self.state.adopt(&mut record, &weights)?;
        let task_id = record.id();
        // Samples first: a column that counts must not be followed by an error. They count with it.
        let staged = self.samples.stage_imported(&name, &samples).map_err(TaskError::from);
        match staged.and_then(|()| self.put(record)) {
            Ok(promise) => {
                if !samples.is_empty()
                    && let Err(error) = self.samples.keep_imported(&name)
                {
                    let why = error.without_labels();
                    tracing::error!("{name} is imported, its samples wait for the next start: {why}");
                }
                Ok(Imported { task_id, promise })
            }
            Err(error) => {
                // What was taken over belongs to nothing.
                let dropped = self.samples.drop_imported(&name).map_err(|error| error.without_labels());
                if let Err(left) = dropped.and_then(|()| self.state.sweep().map_err(|error| error.to_string())) {
                    tracing::warn!("what was taken over is left for the next start: {left}");
                }
                Err(error)
            }
        }
    }
}

/// Makes a folder to export to, or takes an empty one. What an export that was cut off left there is removed.
/// Locked as long as what it returns lives.
fn claim(directory: &Path) -> Result<fs::File, TaskError> {
    disk::make_dir(directory, Access::Private).map_err(|error| TaskError::directory(directory, error))?;
    let refused = |error| TaskError::directory(directory, error);
    let lock = fs::File::open(directory).map_err(refused)?;
    if lock.try_lock().is_err() {
        return Err(TaskError::directory(directory, "another export is writing there; try again"));
    }
    disk::sweep_unfinished(directory).map_err(refused)?;
    let unfinished = directory.join(EXPORTING);
    if unfinished.exists() {
        clear(directory).map_err(refused)?;
    }
    let others = fs::read_dir(directory).map_err(refused)?.filter_map(Result::ok);
    if others.into_iter().any(|entry| entry.path() != unfinished) {
        let reason = "the folder is not empty; give one that is, or that does not exist yet";
        return Err(TaskError::directory(directory, reason));
    }
    disk::write_atomic(&unfinished, &[], Access::Private).map_err(refused)?;
    Ok(lock)
}

/// Removes what an export writes.
fn clear(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == SAMPLES {
            disk::remove_dir_all(&path)?;
        } else if name == MANIFEST || parts::is_part(name) {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}
