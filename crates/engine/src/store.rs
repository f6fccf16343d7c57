//! A model in a folder: `manifest.yaml` and one safetensors file per part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use network::weights::{self, Precision};
use network::{Column, ColumnEntry, Encoder, EncoderConfig, NetworkBackend, ProgressiveNetwork};

use crate::disk::{self, Access};
use crate::manifest::{ColumnRecord, EncoderRecord, MANIFEST, Manifest, SCHEMA, validate_columns};
use crate::parts;
use crate::store_error::{StoreError, list};

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
            encoder: EncoderRecord { file: staged.file, sha256: staged.sha256, config },
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
        self.fill(ProgressiveNetwork::new(self.load_encoder(device)?), device)
    }

    /// As [`Self::load`], for a network that only answers; see [`ProgressiveNetwork::answering_only`].
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_answering<B: NetworkBackend>(&self, device: &B::Device) -> Result<ProgressiveNetwork<B>, StoreError> {
        self.fill(ProgressiveNetwork::new(self.load_encoder(device)?).answering_only(), device)
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

    fn fill<B: NetworkBackend>(
        &self,
        mut network: ProgressiveNetwork<B>,
        device: &B::Device,
    ) -> Result<ProgressiveNetwork<B>, StoreError> {
        insert_columns(&mut network, &self.dir, &self.manifest.columns, device)?;
        Ok(network)
    }

    /// Adds a column, or replaces the one of its name by a next version: new file beside the old ones, synced, then the
    /// manifest is renamed, then the old file is removed. File, digests and version of the record are filled in.
    ///
    /// # Errors
    /// When the record contradicts itself, a source is missing, others draw from the column, or the disk refuses;
    /// the model is then as before.
    pub fn put_column<B: NetworkBackend>(
        &mut self,
        record: ColumnRecord,
        column: &Column<B>,
        precision: Precision,
    ) -> Result<&ColumnRecord, StoreError> {
        let next = self.stage_column(record, column, precision)?;
        parts::commit(&self.dir, Access::Shared, &next)?;
        self.manifest = next;
        self.sweep()?;
        // `stage_column` put it at the end.
        Ok(&self.manifest.columns[self.manifest.columns.len() - 1])
    }

    /// Everything before the manifest is renamed: a crash after this leaves the old model.
    fn stage_column<B: NetworkBackend>(
        &self,
        mut record: ColumnRecord,
        column: &Column<B>,
        precision: Precision,
    ) -> Result<Manifest, StoreError> {
        let path = self.dir.join(MANIFEST);
        let mut next = self.manifest.clone();
        let dependents: Vec<_> =
            next.columns.iter().filter(|other| other.draws_from(&record.name)).map(|other| &other.name).collect();
        if !dependents.is_empty() {
            return Err(StoreError::DrawnFrom { path, by: list(dependents), name: record.name });
        }
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
        let mut keep: BTreeSet<&str> = self.manifest.columns.iter().map(|column| column.file.as_str()).collect();
        keep.insert(&self.manifest.encoder.file);
        parts::sweep(&self.dir, &keep)
    }
}

/// Reads columns part by part and adds them to a network, in the manifest's order.
pub(crate) fn insert_columns<B: NetworkBackend>(
    network: &mut ProgressiveNetwork<B>,
    dir: &Path,
    records: &[ColumnRecord],
    device: &B::Device,
) -> Result<(), StoreError> {
    for record in records {
        let column = parts::load_column(dir, record, device)?;
        network.insert(ColumnEntry::new(record.name.clone(), record.source_names(), column, record.silent))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
