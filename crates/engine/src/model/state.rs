//! Taught tasks: an overlay on a shipped model, in a folder of the user's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use network::weights::Precision;
use network::{Column, NetworkBackend, ProgressiveNetwork, TaskName};

use crate::model::damage::{self, Damage, MANIFEST_COPY};
use crate::model::disk::steps::Step;
use crate::model::disk::{self, Access, Links};
use crate::model::manifest::{
    ColumnRecord, MANIFEST, MAX_MANIFEST_BYTES, Manifest, TaughtManifest, read_yaml, validate_columns,
};
use crate::model::parts;
use crate::model::store::with_columns;
use crate::model::store_error::StoreError;

const LOCK: &str = ".lock";

/// Why nothing can be taught, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotTeach {
    /// In words.
    pub reason: String,
    /// What was taught, or the key of its samples, is broken or lost; else the folder can only not be written.
    pub is_broken: bool,
}

/// The user's own folder. One process writes it; others that find it taken read it and teach nothing.
#[derive(Debug)]
pub struct StateStore {
    dir: PathBuf,
    manifest: TaughtManifest,
    damage: Damage,
    /// Why stored samples cannot be used.
    no_key: Option<String>,
    /// Why the folder cannot be written.
    read_only: Option<String>,
    /// The manifest on the disk may be that of a change that failed.
    unsettled: bool,
    // Held as long as the store lives; the system lets go of it when the process ends, however it ends.
    lock: Option<File>,
}

impl Drop for StateStore {
    /// A disk that refused to take a failed change back may be better now.
    fn drop(&mut self) {
        if self.unsettled
            && let Err(error) = parts::commit(&self.dir, Access::Private, &self.manifest)
        {
            tracing::error!("{}: a change that failed is there after the restart: {error}", self.dir.display());
        }
    }
}

impl StateStore {
    /// Opens the folder, making it when it is missing, and checks it against the model. Where the disk refuses, what can be read
    /// answers, and nothing can be taught: see [`Self::writable`].
    ///
    /// # Errors
    /// When its tasks were taught on another encoder or on other sources, with what to do; when a record is wrong. What is merely
    /// broken is [`Self::damage`]: the rest answers.
    pub fn open(dir: &Path, model: &Manifest) -> Result<Self, StoreError> {
        match Self::take(dir, model) {
            Err(StoreError::Io { path, source }) => {
                let reason = format!("{}: {source}", path.display());
                let mut store = match Self::read(dir, model) {
                    Err(StoreError::Io { .. }) => Self::of(dir, TaughtManifest::new(model), Damage::default()),
                    read => read?,
                };
                store.set_read_only(reason);
                Ok(store)
            }
            taken => taken,
        }
    }

    /// Makes the folder this process's own.
    fn take(dir: &Path, model: &Manifest) -> Result<Self, StoreError> {
        disk::make_dir(dir, Access::Private).map_err(StoreError::io(dir))?;
        let others = fs::metadata(dir).map_err(StoreError::io(dir))?.permissions().mode() & 0o077;
        if others != 0 {
            tracing::warn!("{}: other users have a way in (mode {others:03o}); close it: chmod 700", dir.display());
        }
        let lock = lock(dir)?;
        let mut store = Self::read(dir, model)?;
        store.lock = lock;
        if !store.damage.is_none() {
            tracing::error!("{}", store.damaged());
        } else if store.writable() {
            // Weights without a manifest are a damage: it is there before the first of them.
            if !dir.join(MANIFEST).exists() {
                parts::commit(dir, Access::Private, &store.manifest)?;
            }
            if store.copy_manifest() {
                store.sweep()?;
            }
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
        let (found, broken) = match damage::read_manifest(dir)? {
            Ok(found) => (found, None),
            Err(reason) => (None, Some(reason)),
        };
        let mut manifest = found.unwrap_or_else(|| TaughtManifest::new(model));
        let path = dir.join(MANIFEST);
        manifest.check_encoder(&path, model)?;
        let columns = damage::take_broken(dir, &mut manifest.columns);
        validate_columns(&path, &model.encoder.config, &model.columns, &manifest.columns)?;
        Ok(Self::of(dir, manifest, Damage { manifest: broken, columns }))
    }

    fn of(dir: &Path, manifest: TaughtManifest, damage: Damage) -> Self {
        let dir = dir.to_path_buf();
        Self { dir, manifest, damage, no_key: None, read_only: None, unsettled: false, lock: None }
    }

    /// Where the tasks are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What has been taught.
    pub fn manifest(&self) -> &TaughtManifest {
        &self.manifest
    }

    /// False while another process owns the folder, when the disk refuses, and when something in the folder is broken.
    pub fn writable(&self) -> bool {
        self.require_writable().is_ok()
    }

    /// Whether a task has a column that answers. A silent source's samples were to be erased, too.
    pub(crate) fn is_taught(&self, name: &TaskName) -> bool {
        self.manifest.columns.iter().any(|column| column.name == *name && !column.silent)
    }

    /// What is broken. [`facelab state repair`](crate::repair_state) mends it.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The samples cannot be opened: what was taught answers and can be erased, and nothing is taught until they can.
    pub(crate) fn set_no_key(&mut self, reason: String) {
        tracing::error!("nothing can be taught: {reason}");
        self.no_key = Some(reason);
    }

    /// The disk refused: what was taught answers, and nothing is taught until the next start.
    pub(crate) fn set_read_only(&mut self, reason: String) {
        tracing::warn!("nothing can be taught: {reason}");
        self.read_only = Some(reason);
    }

    /// Why nothing can be taught, where that is so, and what to do.
    pub(crate) fn cannot_teach(&self) -> Option<CannotTeach> {
        let damaged = || format!("{}; see `facelab state --help`", self.damage);
        let read_only = || self.require_writable().err().filter(|_| self.read_only.is_some());
        let broken = (!self.damage.is_none()).then(damaged).or_else(|| self.no_key.clone());
        broken
            .map(|reason| CannotTeach { reason, is_broken: true })
            .or_else(|| read_only().map(|error| CannotTeach { reason: error.to_string(), is_broken: false }))
    }

    /// Adds the taught columns to the model's network, part by part.
    ///
    /// # Errors
    /// As [`crate::ModelStore::load`].
    pub fn load<B: NetworkBackend>(
        &self,
        network: ProgressiveNetwork<B>,
        device: &B::Device,
    ) -> Result<ProgressiveNetwork<B>, StoreError> {
        with_columns(network, &self.dir, &self.manifest.columns, device)
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

    /// Takes over a column's weights that have been written elsewhere; they count after [`Self::commit`].
    pub(crate) fn adopt(&self, record: &mut ColumnRecord, weights: &[u8]) -> Result<(), StoreError> {
        self.require_writable()?;
        let mut part = disk::unfinished(&self.dir, Access::Private).map_err(StoreError::io(&self.dir))?;
        part.write_all(weights).map_err(StoreError::io(&self.dir))?;
        record.file =
            format!("{}-v{}-{}.safetensors", record.name, record.version, &record.sha256[..parts::NAME_DIGITS]);
        let path = self.dir.join(&record.file);
        disk::keep(part, &path, Access::Private).map_err(StoreError::io(&path))?;
        disk::sync_dir(&self.dir).map_err(StoreError::io(&self.dir))
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
        let columns = columns.into_iter().map(ColumnRecord::sealed).collect();
        let next = TaughtManifest { columns, ..TaughtManifest::new(model) };
        if let Err(error) = parts::commit(&self.dir, Access::Private, &next) {
            self.roll_back(&next);
            return Err(error);
        }
        (self.manifest, self.unsettled) = (next, false);
        // Older weights are swept only when the copy names the new ones.
        if !self.copy_manifest() {
            return Ok(());
        }
        // The change is made; a file that could not be removed is swept at the next start.
        if let Err(error) = self.sweep() {
            tracing::warn!("old weights are left behind: {error}");
        }
        Ok(())
    }

    /// A manifest that was renamed into place and then failed: the one before is written again, so that what was told to have
    /// failed is not there after a restart.
    fn roll_back(&mut self, refused: &TaughtManifest) {
        let seals =
            |of: &TaughtManifest| of.columns.iter().map(|column| column.record_sha256.clone()).collect::<Vec<_>>();
        let unchanged = match damage::read_manifest(&self.dir) {
            Ok(Ok(Some(on_disk))) => seals(&on_disk) != seals(refused),
            Ok(Ok(None)) => true,
            Ok(Err(_)) | Err(_) => false,
        };
        if !unchanged && let Err(error) = parts::commit(&self.dir, Access::Private, &self.manifest) {
            tracing::error!("{}: a change that failed may be there after a crash: {error}", self.dir.display());
            self.unsettled = true;
        }
    }

    /// Removes files that the manifest does not name: of older versions, or of changes that did not happen.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        // A commit that failed after its renaming left another manifest on the disk than the one in use.
        let on_disk: Option<TaughtManifest> = read_yaml(&self.dir.join(MANIFEST), Links::Refused).ok();
        let columns = self.manifest.columns.iter().chain(on_disk.iter().flat_map(|manifest| &manifest.columns));
        parts::sweep(&self.dir, &columns.map(|column| column.file.as_str()).collect())
    }

    pub(crate) fn require_writable(&self) -> Result<(), StoreError> {
        if !self.damage.is_none() {
            return Err(self.damaged());
        }
        if let Some(reason) = &self.read_only {
            return Err(StoreError::ReadOnly { path: self.dir.clone(), reason: reason.as_str().into() });
        }
        if self.lock.is_some() { Ok(()) } else { Err(StoreError::InUse(self.dir.clone())) }
    }

    /// As [`Self::require_writable`], and samples can be written and read. Erasing needs no key.
    pub(crate) fn require_teachable(&self) -> Result<(), StoreError> {
        self.require_writable()?;
        match &self.no_key {
            Some(reason) => Err(StoreError::NoKey { path: self.dir.clone(), reason: reason.as_str().into() }),
            None => Ok(()),
        }
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged { path: self.dir.clone(), damage: self.damage.to_string().into() }
    }

    /// Keeps a copy of the manifest, for a repair; false when it could not. A change is made without it, too.
    fn copy_manifest(&self) -> bool {
        let (from, to) = (self.dir.join(MANIFEST), self.dir.join(MANIFEST_COPY));
        let read = |path: &Path| disk::read_file(path, MAX_MANIFEST_BYTES, Links::Refused);
        let copied = match read(&from) {
            Err(error) if error.kind() == ErrorKind::NotFound => return true,
            Ok(bytes) if read(&to).is_ok_and(|before| before == bytes) => return true,
            Ok(bytes) => disk::write_atomic(&to, &bytes, Access::Private),
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            tracing::warn!("{}: no copy of the manifest: {error}", to.display());
            return false;
        }
        true
    }
}

/// Takes the folder for this process; nothing where another one has it.
pub(crate) fn lock(dir: &Path) -> Result<Option<File>, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        // A pipe or a link in its place is refused, and waits for nobody.
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(&path)
        .map_err(StoreError::io(&path))?;
    disk::steps::next(Step::Lock(dir)).map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path)(error)),
    }
}
