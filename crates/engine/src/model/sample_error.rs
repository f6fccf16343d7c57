//! Why samples cannot be kept, read or erased.

use std::io;
use std::path::PathBuf;

use network::Label;

use crate::model::store_error::StoreError;

/// Samples cannot be kept, read or erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The list of labels cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The list of labels leads elsewhere.
    #[error("{}: folder: expected a name without folders, found {folder}", path.display())]
    Index {
        /// The list.
        path: PathBuf,
        /// What it names.
        folder: String,
    },
    /// The list of labels is gone.
    #[error(
        "{}: missing, though there are folders of samples: nobody knows whose they are; bring it back, or erase them with forget_samples",
        path.display()
    )]
    NoIndex {
        /// Where it should be.
        path: PathBuf,
    },
    /// A stored picture is broken.
    #[error("{}: expected a 128x128 grey PNG, found {found}; delete the file, or erase the label with forget_samples", path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// More than may be kept.
    #[error(
        "label `{label}` has {stored} samples and {given} more were given, but at most {limit} are kept per label; \
         give fewer, erase some with forget_samples, or raise max_samples_per_label"
    )]
    TooMany {
        /// The label.
        label: Label,
        /// Stored already.
        stored: u32,
        /// In the request.
        given: u32,
        /// `max_samples_per_label`.
        limit: u32,
    },
}
