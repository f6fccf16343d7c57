//! Single crops of a task: listed, shown, erased.

use std::path::{Path, PathBuf};

use network::{FaceCrop, Label, TaskName};

use crate::model::disk;
use crate::model::sample_error::SampleError;
use crate::model::sample_pictures::{self, read_picture};
use crate::model::samples::{SampleStore, counted_files};

/// One crop of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCrop {
    /// What it shows.
    pub label: Label,
    /// Names it as long as it is there: folder of the label and number, `00-up/0003`.
    pub id: String,
}

/// Folder and number of a crop's file.
fn id_of(path: &Path) -> Option<String> {
    let folder = path.parent()?.file_name()?.to_str()?;
    Some(format!("{folder}/{}", path.file_stem()?.to_str()?))
}

impl SampleStore {
    /// The crops of a task, label after label, in the order in which they came.
    ///
    /// # Errors
    /// The list of labels or a folder cannot be read.
    pub(crate) fn crops(&self, task: &TaskName) -> Result<Vec<StoredCrop>, SampleError> {
        let crops = self.files_by_id(task)?.into_iter();
        Ok(crops.map(|(label, id, _)| StoredCrop { label, id }).collect())
    }

    fn files_by_id(&self, task: &TaskName) -> Result<Vec<(Label, String, PathBuf)>, SampleError> {
        let labels: Vec<Label> = self.counts(task)?.into_iter().map(|(label, _)| label).collect();
        let files = counted_files(&self.dir(task), &labels)?.into_iter();
        Ok(files.filter_map(|(label, path)| Some((label, id_of(&path)?, path))).collect())
    }

    /// One crop; `None` where there is none of this id.
    ///
    /// # Errors
    /// A folder or the crop's file cannot be read.
    pub(crate) fn crop(&self, task: &TaskName, id: &str) -> Result<Option<FaceCrop>, SampleError> {
        // An id is never a path: it is looked for among those that there are.
        let found = self.files_by_id(task)?.into_iter().find(|(_, other, _)| other == id);
        found.map(|(_, _, path)| read_picture(&path, self.cipher.as_deref())).transpose()
    }

    /// Erases one crop for good, with its label where it was the last; false where there is none of this id.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn discard(&self, task: &TaskName, id: &str) -> Result<bool, SampleError> {
        let files = self.files_by_id(task)?;
        let Some((label, _, path)) = files.iter().find(|(_, other, _)| other == id) else { return Ok(false) };
        if files.iter().filter(|(other, ..)| other == label).count() == 1 {
            let others = files.iter().any(|(other, ..)| other != label);
            self.forget(task, Some(label).filter(|_| others))?;
            return Ok(true);
        }
        disk::remove_file(path).map_err(SampleError::io(path))?;
        if let Some(folder) = path.parent() {
            disk::sync_dir(folder).map_err(SampleError::io(folder))?;
        }
        Ok(true)
    }
}

/// A crop as a PNG, for people to look at.
///
/// # Errors
/// The picture cannot be encoded, in words.
pub fn crop_png(crop: &FaceCrop) -> Result<Vec<u8>, String> {
    sample_pictures::encode(crop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::faces;
    use crate::testing::{label, task};

    fn store(dir: &Path) -> SampleStore {
        let store = SampleStore::new(dir, 100);
        store.add(&task("mood"), &[faces("up", 3), faces("down", 1)].concat()).unwrap();
        store
    }

    #[test]
    fn crops_are_listed_and_shown_as_they_were_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let crops = store.crops(&task("mood")).unwrap();
        let labels: Vec<&str> = crops.iter().map(|crop| crop.label.as_str()).collect();
        assert_eq!(labels, ["up", "up", "up", "down"]);
        for (crop, stored) in crops.iter().zip([faces("up", 3), faces("down", 1)].concat()) {
            assert_eq!(store.crop(&task("mood"), &crop.id).unwrap().as_ref(), Some(&stored.face));
        }
        assert_eq!(&crop_png(&faces("up", 1)[0].face).unwrap()[1..4], b"PNG");
    }

    #[test]
    fn a_crop_is_erased_alone_and_the_last_one_with_its_label() {
        let dir = tempfile::tempdir().unwrap();
        let (store, name) = (store(dir.path()), task("mood"));
        let crops = store.crops(&name).unwrap();
        assert!(store.discard(&name, &crops[1].id).unwrap());
        assert!(!store.discard(&name, &crops[1].id).unwrap());
        assert_eq!(store.counts(&name).unwrap(), [(label("up"), 2), (label("down"), 1)]);
        assert!(store.discard(&name, &crops[3].id).unwrap());
        assert_eq!(store.counts(&name).unwrap(), [(label("up"), 2)]);
        // The next one takes no place of those that are there.
        store.add(&name, &faces("up", 1)).unwrap();
        assert_eq!(store.crops(&name).unwrap().len(), 3);
        for crop in store.crops(&name).unwrap() {
            assert!(store.discard(&name, &crop.id).unwrap());
        }
        assert!(store.counts(&name).unwrap().is_empty());
        assert!(!store.dir(&name).exists());
    }

    #[test]
    fn an_id_is_no_way_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        for id in ["", "../../queue", "00-up/../00-up/0000", "/etc/passwd", "00-up/0000.png", "00-up/9999"] {
            assert!(store.crop(&task("mood"), id).unwrap().is_none(), "{id}");
            assert!(!store.discard(&task("mood"), id).unwrap(), "{id}");
        }
        assert_eq!(store.crops(&task("mood")).unwrap().len(), 4);
    }
}
