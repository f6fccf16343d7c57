//! What can be wrong with a model on disk.

use std::io;
use std::path::{Path, PathBuf};

use network::TaskName;
use network::weights::WeightsError;

use crate::model::disk;

/// A model or the taught tasks cannot be read or written. Never repaired silently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The manifest is no valid YAML of its schema; names the key and line.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Key and position.
        reason: String,
    },
    /// The manifest was written by another version of this program.
    #[error("{}: schema: expected {expected}, found {found}", path.display())]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// The schema that this program reads.
        expected: u32,
        /// What the manifest has.
        found: u32,
    },
    /// A column's record contradicts itself.
    #[error("{}: column {column}: {key}: expected {expected}, found {found}", path.display())]
    Record {
        /// The manifest.
        path: PathBuf,
        /// The column.
        column: TaskName,
        /// Key of the record.
        key: &'static str,
        /// What would be valid.
        expected: Box<str>,
        /// What is there.
        found: Box<str>,
    },
    /// Another program changed what a new column was trained on.
    #[error("{}: '{part}' was changed by another program while the column was trained on it; train it again", path.display())]
    Changed {
        /// The manifest.
        path: PathBuf,
        /// A source column, or the encoder.
        part: String,
    },
    /// A column draws from one that is not there before it.
    #[error("{}: column {column}: sources: expected an earlier column {missing}, found {found}", path.display())]
    MissingSource {
        /// The manifest.
        path: PathBuf,
        /// The column.
        column: TaskName,
        /// The source that is not there.
        missing: TaskName,
        /// The columns that are there.
        found: String,
    },
    /// A column draws from one that has other weights now.
    #[error(
        "{}: column {column}: source {origin}: expected SHA-256 {expected}, found {found}; \
         start with the model that the column was taught on, or move this folder away and teach again", path.display()
    )]
    ChangedSource {
        /// The manifest.
        path: PathBuf,
        /// The column.
        column: TaskName,
        /// The source.
        origin: TaskName,
        /// Digest at the time of training.
        expected: Box<str>,
        /// Digest now.
        found: Box<str>,
    },
    /// Taught tasks belong to another encoder.
    #[error(
        "{}: tasks in it were taught on the encoder of model {taught_on} (SHA-256 {expected}), but this model's encoder is {found}; \
         start with that model, or move this folder away (or set another state_dir) and teach again", path.display()
    )]
    OtherEncoder {
        /// The manifest of the taught tasks.
        path: PathBuf,
        /// Name of the model that they were taught on.
        taught_on: String,
        /// Digest of that model's encoder.
        expected: String,
        /// Digest of this model's encoder.
        found: String,
    },
    /// A taught task has the name of a shipped one.
    #[error(
        "{}: task {name} is also part of the shipped model; import it under another name or start with the model it was taught on",
        path.display()
    )]
    NameTaken {
        /// The manifest of the taught tasks.
        path: PathBuf,
        /// The name.
        name: TaskName,
    },
    /// A weights file: wrong or missing key, shape or digest; names file, key, expected and found.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The network refused a column.
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    /// A new model would overwrite one.
    #[error("{}: there is a model already; choose another folder", .0.display())]
    Exists(PathBuf),
    /// A column cannot be replaced under those that draw from it.
    #[error("{}: column {name} cannot be replaced while {by} draws from it; train those anew after it", path.display())]
    DrawnFrom {
        /// The manifest.
        path: PathBuf,
        /// The column.
        name: TaskName,
        /// Columns that draw from it.
        by: String,
    },
    /// Taught tasks are damaged.
    #[error("{}: {damage}; what is sound answers, and nothing is taught or erased here until it is repaired: facelab state repair {}", path.display(), path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is broken, in words.
        damage: Box<str>,
    },
    /// The samples cannot be opened.
    #[error("{}: {reason}; what was taught answers and can be erased, and nothing is taught here until the node starts with the key", path.display())]
    NoKey {
        /// The folder.
        path: PathBuf,
        /// Why, in words.
        reason: Box<str>,
    },
    /// The folder cannot be made, locked or written.
    #[error("{reason}; what can be read answers, and nothing is taught: let this user write to {}, or set another state_dir, and start again", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the system said, in words.
        reason: Box<str>,
    },
    /// There is nothing that a damaged folder could be repaired from.
    #[error(
        "{}: {damage}, and the manifest's copy is gone too: weights alone do not say which labels they tell apart; move the folder away, put its samples/ into a new one, and teach again", path.display()
    )]
    Unrepairable {
        /// The folder.
        path: PathBuf,
        /// What is broken, in words.
        damage: Box<str>,
    },
    /// Another process owns the folder.
    #[error("{}: another process keeps its taught tasks here; teach through that one, or set another state_dir", .0.display())]
    InUse(PathBuf),
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// Names for a message: `a, b, c`, or `none`.
pub(crate) fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(feature = "perception")]
impl StoreError {
    /// Whether it is the file that is wrong, and not the disk.
    pub(crate) fn is_of_the_file(&self) -> bool {
        match self {
            Self::Manifest { .. } => true,
            Self::Io { source, .. } => disk::is_of_the_file(source),
            _ => false,
        }
    }

    /// For the log, which names no label: a parser quotes what it cannot read.
    pub(crate) fn without_labels(&self) -> String {
        match self {
            Self::Manifest { path, .. } => format!("{}: cannot be read", path.display()),
            other => other.to_string(),
        }
    }
}
