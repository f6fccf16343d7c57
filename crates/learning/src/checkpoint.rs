//! Checkpoints that a training resumes from: two slots written in turn, so that a power cut leaves one whole.

use burn::record::{BinFileRecorder, FullPrecisionSettings, Record, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// The state is not understood.
    #[error("{}: {error}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// A record is not understood.
    #[error("{}: {error}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: RecorderError,
    },
    /// The checkpoint belongs to another training.
    #[error("{}: written by a training with other settings; choose another folder, or remove it to begin anew", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder with the newest checkpoint of one training.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    folder: PathBuf,
}

type Files = BinFileRecorder<FullPrecisionSettings>;

impl Checkpoint {
    /// Uses `folder`, made when missing. A checkpoint of a training with another `config` is refused.
    ///
    /// # Errors
    /// The folder cannot be made, or belongs to another training.
    pub fn open<C: Serialize>(folder: &Path, config: &C) -> Result<Self, CheckpointError> {
        let io = |error| CheckpointError::Io { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(io)?;
        let path = folder.join("config.json");
        let text = serde_json::to_string_pretty(config)
            .map_err(|error| CheckpointError::State { path: path.clone(), error })?;
        match std::fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Ok(_) => return Err(CheckpointError::Other { path: folder.to_owned() }),
            Err(_) => std::fs::write(&path, text).map_err(io)?,
        }
        Ok(Self { folder: folder.to_owned() })
    }

    fn pointer(&self) -> PathBuf {
        self.folder.join("newest")
    }

    fn newest(&self) -> Option<String> {
        std::fs::read_to_string(self.pointer()).ok().map(|slot| slot.trim().to_owned())
    }

    /// Writes the other slot, then points to it.
    pub(crate) fn write<S: Serialize>(
        &self,
        state: &S,
        records: impl FnOnce(&Slot) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let name = if self.newest().as_deref() == Some("a") { "b" } else { "a" };
        let slot = Slot { folder: self.folder.join(name) };
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| CheckpointError::Io { path, error }
        };
        // What is in the way of a record is replaced with a warning each.
        match std::fs::remove_dir_all(&slot.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&slot.folder)(error)),
            _ => std::fs::create_dir_all(&slot.folder).map_err(io(&slot.folder))?,
        }
        records(&slot)?;
        let path = slot.folder.join("state.json");
        let text =
            serde_json::to_string(state).map_err(|error| CheckpointError::State { path: path.clone(), error })?;
        std::fs::write(&path, text).map_err(io(&path))?;
        let next = self.folder.join("newest.new");
        std::fs::write(&next, name).map_err(io(&next))?;
        // On the disk before anything points to it.
        sync_all(&slot.folder).map_err(io(&slot.folder))?;
        sync(&next).map_err(io(&next))?;
        std::fs::rename(&next, self.pointer()).map_err(io(&next))?;
        sync(&self.folder).map_err(io(&self.folder))
    }

    /// The newest state and its records; `None` when nothing was written yet.
    pub(crate) fn read<S: DeserializeOwned>(&self) -> Result<Option<(S, Slot)>, CheckpointError> {
        let Some(name) = self.newest() else { return Ok(None) };
        let slot = Slot { folder: self.folder.join(name) };
        let path = slot.folder.join("state.json");
        let text = std::fs::read_to_string(&path).map_err(|error| CheckpointError::Io { path: path.clone(), error })?;
        let state = serde_json::from_str(&text).map_err(|error| CheckpointError::State { path, error })?;
        Ok(Some((state, slot)))
    }
}

/// Puts a file's content, or a folder's entries, on the disk.
fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// A folder with all its files.
fn sync_all(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        sync(&entry?.path())?;
    }
    sync(folder)
}

/// The files of one checkpoint.
pub(crate) struct Slot {
    folder: PathBuf,
}

impl Slot {
    pub fn put<B: Backend, R: Record<B>>(&self, name: &str, record: R) -> Result<(), CheckpointError> {
        let path = self.folder.join(name);
        <Files as Recorder<B>>::record(&Files::default(), record, path.clone())
            .map_err(|error| CheckpointError::Record { path, error })
    }

    pub fn get<B: Backend, R: Record<B>>(&self, name: &str, device: &B::Device) -> Result<R, CheckpointError> {
        let path = self.folder.join(name);
        <Files as Recorder<B>>::load(&Files::default(), path.clone(), device)
            .map_err(|error| CheckpointError::Record { path, error })
    }
}
