//! Taught tasks: an overlay on a shipped model, in a folder of the user's.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use network::weights::Precision;
use network::{Column, NetworkBackend, ProgressiveNetwork};

use crate::model::disk::{self, Access};
use crate::model::manifest::{ColumnRecord, MANIFEST, Manifest, TaughtManifest, read_yaml, validate_columns};
use crate::model::parts;
use crate::model::store::insert_columns;
use crate::model::store_error::StoreError;

const LOCK: &str = ".lock";

/// The user's own folder. One process writes it; others that find it taken read it and teach nothing.
#[derive(Debug)]
pub struct StateStore {
    dir: PathBuf,
    manifest: TaughtManifest,
    // Held as long as the store lives; the system lets go of it when the process ends, however it ends.
    lock: Option<File>,
}

impl StateStore {
    /// Opens the folder, making it when it is missing, and checks it against the model.
    ///
    /// # Errors
    /// When its tasks were taught on another encoder or on other sources, with what to do; when a record is wrong; when
    /// the disk refuses.
    pub fn open(dir: &Path, model: &Manifest) -> Result<Self, StoreError> {
        disk::make_dir(dir, Access::Private).map_err(StoreError::io(dir))?;
        let lock = lock(dir)?;
        let store = Self { lock, ..Self::read(dir, model)? };
        if store.writable() {
            store.sweep()?;
        } else {
            tracing::warn!(
                "{}: another process keeps its taught tasks here: they answer, but none can be taught",
                dir.display()
            );
        }
        Ok(store)
    }

    /// Reads what has been taught, leaving the folder as it is; nothing where there is none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(dir: &Path, model: &Manifest) -> Result<Self, StoreError> {
        let path = dir.join(MANIFEST);
        let manifest = if path.try_exists().map_err(StoreError::io(&path))? {
            TaughtManifest::read(&path, model)?
        } else {
            TaughtManifest::new(model)
        };
        Ok(Self { dir: dir.to_path_buf(), manifest, lock: None })
    }

    /// Where the tasks are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What has been taught.
    pub fn manifest(&self) -> &TaughtManifest {
        &self.manifest
    }

    /// False while another process owns the folder.
    pub fn writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Adds the taught columns to the model's network, part by part.
    ///
    /// # Errors
    /// As [`crate::ModelStore::load`].
    pub fn load<B: NetworkBackend>(
        &self,
        mut network: ProgressiveNetwork<B>,
        device: &B::Device,
    ) -> Result<ProgressiveNetwork<B>, StoreError> {
        insert_columns(&mut network, &self.dir, &self.manifest.columns, device)?;
        Ok(network)
    }

    /// Writes a new column beside the others; it counts after [`Self::commit`].
    pub(crate) fn stage<B: NetworkBackend>(
        &self,
        record: &mut ColumnRecord,
        column: &Column<B>,
    ) -> Result<(), StoreError> {
        self.require_writable()?;
        parts::stage_column(&self.dir, Access::Private, record, column, Precision::F16)
    }

    /// Takes over a column's file that has been written elsewhere; it counts after [`Self::commit`].
    pub(crate) fn adopt(&self, record: &mut ColumnRecord, from: &Path) -> Result<(), StoreError> {
        self.require_writable()?;
        let mut source = File::open(from).map_err(StoreError::io(from))?;
        let mut part = disk::unfinished(&self.dir, Access::Private).map_err(StoreError::io(&self.dir))?;
        std::io::copy(&mut source, &mut part).map_err(StoreError::io(from))?;
        record.file = format!("{}-v{}-{}.safetensors", record.name, record.version, &record.sha256[..12]);
        let path = self.dir.join(&record.file);
        disk::keep(part, &path, Access::Private).map_err(StoreError::io(&path))
    }

    /// Reads a staged column back, as the next start will.
    pub(crate) fn load_column<B: NetworkBackend>(
        &self,
        record: &ColumnRecord,
        device: &B::Device,
    ) -> Result<Column<B>, StoreError> {
        parts::load_column(&self.dir, record, device)
    }

    /// Makes these columns the taught ones, all or nothing, and removes files that are no longer named.
    pub(crate) fn commit(&mut self, model: &Manifest, columns: Vec<ColumnRecord>) -> Result<(), StoreError> {
        self.require_writable()?;
        validate_columns(&self.dir.join(MANIFEST), &model.encoder.config, &model.columns, &columns)?;
        let next = TaughtManifest { columns, ..TaughtManifest::new(model) };
        parts::commit(&self.dir, Access::Private, &next)?;
        self.manifest = next;
        // The change is made; a file that could not be removed is swept at the next start.
        if let Err(error) = self.sweep() {
            tracing::warn!("old weights are left behind: {error}");
        }
        Ok(())
    }

    /// Removes files that the manifest does not name: of older versions, or of changes that did not happen.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        // A commit that failed after its renaming left another manifest on the disk than the one in use.
        let on_disk: Option<TaughtManifest> = read_yaml(&self.dir.join(MANIFEST)).ok();
        let columns = self.manifest.columns.iter().chain(on_disk.iter().flat_map(|manifest| &manifest.columns));
        parts::sweep(&self.dir, &columns.map(|column| column.file.as_str()).collect())
    }

    pub(crate) fn require_writable(&self) -> Result<(), StoreError> {
        if self.writable() { Ok(()) } else { Err(StoreError::InUse(self.dir.clone())) }
    }
}

fn lock(dir: &Path) -> Result<Option<File>, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path)(error)),
    }
}
