//! A model in a folder: `manifest.yaml` and one safetensors file per part.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use network::weights::{self, Precision};
use network::{Cohort, Column, ColumnEntry, Encoder, EncoderConfig, NetworkBackend, ProgressiveNetwork, TaskName};

use crate::model::disk::{self, Access};
use crate::model::manifest::{
    CohortRecord, ColumnRecord, EncoderRecord, MANIFEST, MAX_STRANGERS, Manifest, SCHEMA, validate_columns,
};
use crate::model::parts;
use crate::model::store_error::{StoreError, list};

/// A model that ships. The node only reads it; the training tools write it through here too.
#[derive(Debug, Clone)]
pub struct ModelStore {
    dir: PathBuf,
    manifest: Manifest,
}

impl ModelStore {
    /// Reads and checks the manifest of a model. Weights are read part by part when they are loaded.
    ///
    /// # Errors
    /// Names the file, the key, what was expected and what was found.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let manifest = Manifest::read(&dir.join(MANIFEST))?;
        Ok(Self { dir: dir.to_path_buf(), manifest })
    }

    /// Starts a model with an encoder and no columns.
    ///
    /// # Errors
    /// When the folder has a model already or cannot be written.
    pub fn create<B: NetworkBackend>(
        dir: &Path,
        name: &str,
        licence: &str,
        encoder: &Encoder<B>,
        config: EncoderConfig,
        precision: Precision,
    ) -> Result<Self, StoreError> {
        disk::make_dir(dir, Access::Shared).map_err(StoreError::io(dir))?;
        let path = dir.join(MANIFEST);
        if path.try_exists().map_err(StoreError::io(&path))? {
            return Err(StoreError::Exists(dir.to_path_buf()));
        }
        let staged = parts::stage::<B, _>(dir, Access::Shared, "encoder", encoder, precision)?;
        let manifest = Manifest {
            schema: SCHEMA,
            name: name.to_owned(),
            licence: licence.to_owned(),
            encoder: EncoderRecord { file: staged.file, sha256: staged.sha256, config, cohort: None },
            columns: Vec::new(),
        };
        let store = Self { dir: dir.to_path_buf(), manifest };
        parts::commit(&store.dir, Access::Shared, &store.manifest)?;
        store.sweep()?;
        Ok(store)
    }

    /// Where the model is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the model consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the encoder and all columns, part by part, with all that a training may begin from.
    ///
    /// # Errors
    /// A missing or unknown key, a wrong shape, a digest that does not match: names file, key, expected and found.
    pub fn load<B: NetworkBackend>(&self, device: &B::Device) -> Result<ProgressiveNetwork<B>, StoreError> {
        let encoder = self.load_encoder(device)?;
        with_columns(ProgressiveNetwork::new(encoder), &self.dir, &self.manifest.columns, device)
    }

    /// As [`Self::load`], for a network that only answers; see [`ProgressiveNetwork::answering_only`].
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_answering<B: NetworkBackend>(&self, device: &B::Device) -> Result<ProgressiveNetwork<B>, StoreError> {
        let network = ProgressiveNetwork::new(self.load_encoder(device)?).answering_only();
        with_columns(network, &self.dir, &self.manifest.columns, device)
    }

    /// Reads the encoder alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_encoder<B: NetworkBackend>(&self, device: &B::Device) -> Result<Encoder<B>, StoreError> {
        let record = &self.manifest.encoder;
        // The seed does not matter: every weight is read, or the load fails.
        let encoder = record.config.init::<B>(device, 0);
        Ok(weights::load::<B, _>(encoder, &self.dir.join(&record.file), Some(&record.sha256), device)?)
    }

    /// Reads the strangers that identity columns are measured against; `None` for a model without.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_cohort<B: NetworkBackend>(&self, device: &B::Device) -> Result<Option<Cohort<B>>, StoreError> {
        let encoder = &self.manifest.encoder;
        let Some(record) = &encoder.cohort else { return Ok(None) };
        let cohort = Cohort::empty([record.strangers, encoder.config.descriptor], device);
        Ok(Some(weights::load::<B, _>(cohort, &self.dir.join(&record.file), Some(&record.sha256), device)?))
    }

    /// Puts strangers beside the encoder, in place of others; see [`Self::put_column`] for how.
    ///
    /// # Errors
    /// Too many or too few strangers, values of another length than the encoder's descriptor, or the disk refuses; the model is
    /// then as before.
    pub fn put_cohort<B: NetworkBackend>(
        &mut self,
        strangers: &[Vec<f32>],
        provenance: &str,
        device: &B::Device,
    ) -> Result<(), StoreError> {
        let folder = File::open(&self.dir).map_err(StoreError::io(&self.dir))?;
        folder.lock().map_err(StoreError::io(&self.dir))?;
        let mut next = Manifest::read(&self.dir.join(MANIFEST))?;
        if next.encoder.sha256 != self.manifest.encoder.sha256 {
            return Err(StoreError::Changed { path: self.dir.join(MANIFEST), part: "encoder".to_owned() });
        }
        let values = next.encoder.config.descriptor;
        if values == 0 || !(2..=MAX_STRANGERS).contains(&strangers.len()) || strangers.iter().any(|s| s.len() != values)
        {
            let reason =
                format!("a cohort needs 2 to {MAX_STRANGERS} descriptors of {values} values (0: the encoder has none)");
            return Err(StoreError::Manifest { path: self.dir.join(MANIFEST), reason });
        }
        let cohort = Cohort::<B>::new(strangers, device);
        let staged = parts::stage::<B, _>(&self.dir, Access::Shared, "cohort", &cohort, Precision::F16)?;
        next.encoder.cohort = Some(CohortRecord {
            file: staged.file,
            sha256: staged.sha256,
            strangers: strangers.len(),
            provenance: provenance.to_owned(),
        });
        if let Err(error) = next.encoder.validate(&self.dir.join(MANIFEST)) {
            self.sweep()?;
            return Err(error);
        }
        parts::commit(&self.dir, Access::Shared, &next)?;
        self.manifest = next;
        self.sweep()
    }

    /// Adds a column, or replaces the one of its name by a next version: new file beside the old ones, synced, then the
    /// manifest is renamed, then the old file is removed. File, digests and version of the record are filled in.
    ///
    /// Another program may have added columns since the model was opened: they stay.
    ///
    /// # Errors
    /// When the record contradicts itself, a source is missing or another one by now, others draw from the column, or the
    /// disk refuses; the model is then as before.
    pub fn put_column<B: NetworkBackend>(
        &mut self,
        record: ColumnRecord,
        column: &Column<B>,
        precision: Precision,
    ) -> Result<&ColumnRecord, StoreError> {
        // Locked until the folder is closed.
        let folder = File::open(&self.dir).map_err(StoreError::io(&self.dir))?;
        folder.lock().map_err(StoreError::io(&self.dir))?;
        let before = std::mem::replace(&mut self.manifest, Manifest::read(&self.dir.join(MANIFEST))?);
        let sha256 = |manifest: &Manifest, name| manifest.column(name).map(|column| column.sha256.clone());
        let mut sources = record.sources.iter().map(|source| &source.name);
        let changed = sources.find(|name| sha256(&before, name) != sha256(&self.manifest, name));
        if let Some(part) = changed
            .map(TaskName::to_string)
            .or_else(|| (before.encoder.sha256 != self.manifest.encoder.sha256).then(|| "encoder".to_owned()))
        {
            return Err(StoreError::Changed { path: self.dir.join(MANIFEST), part });
        }
        let next = self.stage_column(record, column, precision)?;
        parts::commit(&self.dir, Access::Shared, &next)?;
        self.manifest = next;
        self.sweep()?;
        // `stage_column` put it at the end.
        Ok(&self.manifest.columns[self.manifest.columns.len() - 1])
    }

    /// Whether [`Self::put_column`] may put a column of this name: ask before a training of hours.
    ///
    /// # Errors
    /// When other columns draw from the one that has it.
    pub fn check_replaceable(&self, name: &TaskName) -> Result<(), StoreError> {
        let columns = self.manifest.columns.iter();
        let dependents: Vec<_> = columns.filter(|other| other.draws_from(name)).map(|other| &other.name).collect();
        if dependents.is_empty() {
            return Ok(());
        }
        Err(StoreError::DrawnFrom { path: self.dir.join(MANIFEST), by: list(dependents), name: name.clone() })
    }

    /// Everything before the manifest is renamed: a crash after this leaves the old model.
    fn stage_column<B: NetworkBackend>(
        &self,
        mut record: ColumnRecord,
        column: &Column<B>,
        precision: Precision,
    ) -> Result<Manifest, StoreError> {
        self.check_replaceable(&record.name)?;
        let path = self.dir.join(MANIFEST);
        let mut next = self.manifest.clone();
        record.version = next.column(&record.name).map_or(1, |old| old.version + 1);
        next.columns.retain(|other| other.name != record.name);
        for source in &mut record.sources {
            if let Some(origin) = next.columns.iter().find(|other| other.name == source.name) {
                source.sha256.clone_from(&origin.sha256);
            }
        }
        parts::stage_column(&self.dir, Access::Shared, &mut record, column, precision)?;
        next.columns.push(record);
        if let Err(error) = validate_columns(&path, &next.encoder.config, &[], &next.columns) {
            self.sweep()?;
            return Err(error);
        }
        Ok(next)
    }

    fn sweep(&self) -> Result<(), StoreError> {
        // A commit that failed after its renaming left another manifest on the disk than the one in use.
        let on_disk = Manifest::read(&self.dir.join(MANIFEST)).ok();
        let manifests = || std::iter::once(&self.manifest).chain(&on_disk);
        let mut keep: BTreeSet<&str> = manifests().map(|manifest| manifest.encoder.file.as_str()).collect();
        keep.extend(manifests().flat_map(|manifest| &manifest.encoder.cohort).map(|cohort| cohort.file.as_str()));
        keep.extend(manifests().flat_map(|manifest| &manifest.columns).map(|column| column.file.as_str()));
        parts::sweep(&self.dir, &keep)
    }
}

/// Reads columns part by part and adds them to a network, in the manifest's order.
pub(crate) fn with_columns<B: NetworkBackend>(
    mut network: ProgressiveNetwork<B>,
    dir: &Path,
    records: &[ColumnRecord],
    device: &B::Device,
) -> Result<ProgressiveNetwork<B>, StoreError> {
    for record in records {
        let column = parts::load_column(dir, record, device)?;
        network.insert(ColumnEntry::new(record.name.clone(), record.source_names(), column, record.silent))?;
    }
    Ok(network)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
