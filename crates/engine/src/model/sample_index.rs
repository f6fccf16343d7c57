//! Which folder holds which label's samples. Labels may have any characters, folders may not.

use std::collections::BTreeSet;
use std::path::Path;

use network::Label;
use serde::{Deserialize, Serialize};

use crate::model::disk::{self, Access, Links, is_plain_name};
use crate::model::manifest::{SCHEMA, read_yaml};
use crate::model::sample_error::SampleError;

/// Name of the index in a task's folder of samples.
pub(crate) const INDEX: &str = "labels.yaml";
const MAX_SLUG: usize = 32;

/// The labels of one task, in the order in which they first came.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampleIndex {
    schema: u32,
    labels: Vec<LabelFolder>,
}

/// One label's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelFolder {
    pub(crate) label: Label,
    pub(crate) folder: String,
    /// Pictures count that have a lower number: those above were being written when it ended. None: all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    below: Option<u32>,
}

impl LabelFolder {
    /// Whether the picture of this number belongs to the label.
    pub(crate) fn counts(&self, number: u32) -> bool {
        self.below.is_none_or(|below| number < below)
    }

    /// The number that the next picture gets, by those in the folder.
    pub(crate) fn next(&self, last: Option<u32>) -> u32 {
        self.below.unwrap_or_default().max(last.map_or(0, |last| last + 1))
    }
}

impl SampleIndex {
    /// Reads the index of a task; a folder without one has no samples.
    pub(crate) fn read(dir: &Path) -> Result<Self, SampleError> {
        let path = dir.join(INDEX);
        if !path.try_exists().map_err(SampleError::io(&path))? {
            // The list is written before the first folder is made.
            return match has_folders(dir).map_err(SampleError::io(dir))? {
                true => Err(SampleError::NoIndex { path }),
                false => Ok(Self { schema: SCHEMA, labels: Vec::new() }),
            };
        }
        let index: Self = read_yaml(&path, Links::Refused)?;
        // Folders of people may have been brought in from elsewhere: none may lead out of here.
        let mut seen = BTreeSet::new();
        let new = |entry: &LabelFolder, seen: &mut BTreeSet<String>| {
            seen.insert(format!("folder {}", entry.folder)) && seen.insert(format!("label {}", entry.label))
        };
        match index.labels.iter().find(|entry| !is_plain_name(&entry.folder) || !new(entry, &mut seen)) {
            Some(entry) => Err(SampleError::Index { path, folder: entry.folder.clone() }),
            None => Ok(index),
        }
    }

    /// Whether every label says which of its pictures count; lists of an earlier version do not.
    pub(crate) fn is_counted(&self) -> bool {
        self.labels.iter().all(|entry| entry.below.is_some())
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<(), SampleError> {
        let path = dir.join(INDEX);
        let text = serde_yaml::to_string(self)
            .map_err(|error| SampleError::io(&path)(std::io::Error::other(error.to_string())))?;
        disk::write_atomic(&path, text.as_bytes(), Access::Private).map_err(SampleError::io(&path))
    }

    pub(crate) fn labels(&self) -> &[LabelFolder] {
        &self.labels
    }

    /// Gives a label a folder of its own; true when it is new.
    pub(crate) fn insert(&mut self, label: &Label) -> bool {
        if self.labels.iter().any(|entry| entry.label == *label) {
            return false;
        }
        // The number keeps labels apart that look the same once they are cut down to a folder's name.
        let number = (0..).find(|number| {
            let prefix = format!("{number:02}-");
            !self.labels.iter().any(|entry| entry.folder.starts_with(&prefix))
        });
        let folder = format!("{:02}-{}", number.unwrap_or(self.labels.len()), slug(label.as_ref()));
        self.labels.push(LabelFolder { label: label.clone(), folder, below: Some(0) });
        true
    }

    /// From here on the label's pictures below this number count.
    pub(crate) fn count_below(&mut self, label: &Label, below: u32) {
        for entry in self.labels.iter_mut().filter(|entry| entry.label == *label) {
            entry.below = Some(below);
        }
    }

    pub(crate) fn entry(&self, label: &Label) -> Option<&LabelFolder> {
        self.labels.iter().find(|entry| entry.label == *label)
    }

    pub(crate) fn remove(&mut self, label: &Label) {
        self.labels.retain(|entry| entry.label != *label);
    }
}

/// Whether there are folders, of which nobody knows whose pictures they hold.
fn has_folders(dir: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        entries => Ok(entries?.filter_map(Result::ok).any(|entry| entry.path().is_dir())),
    }
}

/// What of a label a person can still read in a folder's name: ASCII letters and digits.
fn slug(label: &str) -> String {
    label.chars().take(MAX_SLUG).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_label_gets_a_plain_folder_of_its_own(texts in proptest::collection::btree_set("[^\\p{Cc}\\s]{1,20}", 1..40)) {
            let mut index = SampleIndex { schema: SCHEMA, labels: Vec::new() };
            for text in &texts {
                let label: Label = text.parse().unwrap();
                prop_assert!(index.insert(&label));
                prop_assert!(!index.insert(&label));
            }
            let folders: BTreeSet<_> = index.labels().iter().map(|entry| entry.folder.clone()).collect();
            prop_assert_eq!(folders.len(), texts.len());
            prop_assert!(folders.iter().all(|folder| is_plain_name(folder) && folder.len() < 64));
        }
    }

    #[test]
    fn an_index_that_leads_out_of_its_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(INDEX), "schema: 1\nlabels:\n- label: a\n  folder: ../../other\n").unwrap();
        let message = SampleIndex::read(dir.path()).unwrap_err().to_string();
        assert!(message.contains("../../other"), "{message}");
    }
}
