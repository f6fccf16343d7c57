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
    /// A stored picture is encrypted.
    #[error("{}: is encrypted, and not with the key of samples_key_file", path.display())]
    Encrypted {
        /// The picture.
        path: PathBuf,
    },
    /// More than may be kept in all.
    #[error(
        "{stored} samples are stored and {given} more were given, but at most {limit} are kept of all tasks together; \
         give fewer, erase some with forget_samples, or raise max_samples"
    )]
    Full {
        /// Stored already.
        stored: usize,
        /// In the request.
        given: usize,
        /// `max_samples`.
        limit: usize,
    },
    /// More of a label than may be kept.
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

impl SampleError {
    /// For the log, which names no label: paths of crops hold one.
    pub(crate) fn without_labels(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Index { .. } => "the list of labels leads elsewhere".to_owned(),
            Self::Picture { found, .. } => format!("expected a 128x128 grey PNG, found {found}"),
            Self::TooMany { given, limit, .. } => format!("{given} more samples of a label, at most {limit} are kept"),
            Self::Encrypted { .. } => "is encrypted, and not with the key of samples_key_file".to_owned(),
            Self::Store(error) => error.without_labels(),
            Self::NoIndex { .. } | Self::Full { .. } => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_no_label() {
        let path = PathBuf::from("state/samples/who/anna/0.png");
        let label: Label = "anna".parse().unwrap();
        let errors = [
            SampleError::Io { path: path.clone(), source: io::ErrorKind::StorageFull.into() },
            SampleError::Index { path: path.clone(), folder: "anna".to_owned() },
            SampleError::Picture { path: path.clone(), found: "nothing".to_owned() },
            SampleError::Encrypted { path },
            SampleError::TooMany { label, stored: 1, given: 2, limit: 2 },
        ];
        for error in errors {
            assert!(error.to_string().contains("anna"), "{error}");
            assert!(!error.without_labels().contains("anna"), "{}", error.without_labels());
        }
    }
}
