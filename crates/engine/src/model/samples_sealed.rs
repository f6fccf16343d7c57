//! Crops under a key: those from before it are sealed, and what cannot be opened is found before it is needed.

use std::path::{Path, PathBuf};

use crate::model::disk::{self, Access};
use crate::model::sample_cipher::{self, SampleCipher};
use crate::model::sample_error::SampleError;
use crate::model::sample_index::INDEX;
use crate::model::sample_pictures::{read_stored, seal};
use crate::model::samples::SampleStore;

impl SampleStore {
    /// A store with the key of a file, where one is named; or why the crops in it cannot be used.
    ///
    /// # Errors
    /// No key in the file, or crops that were sealed with another one; in words.
    pub(crate) fn unlocked(self, key_file: Option<&Path>) -> Result<Self, String> {
        let cipher = key_file.map(SampleCipher::from_file).transpose();
        let store = self.sealed_by(cipher.map_err(|reason| format!("samples_key_file: {reason}"))?);
        match store.locked() {
            Ok(None) => Ok(store),
            Ok(Some(_)) if key_file.is_none() => {
                Err("the samples are encrypted, and samples_key_file is empty".to_owned())
            }
            Ok(Some(_)) => Err("the samples are encrypted with another key than that of samples_key_file".to_owned()),
            Err(error) => Err(error.without_labels()),
        }
    }

    /// Seals crops that were stored before there was a key, one by one, and returns their number.
    ///
    /// # Errors
    /// When the disk refuses; what is sealed stays so.
    pub(crate) fn seal_all(&self) -> Result<usize, SampleError> {
        let Some(cipher) = self.cipher() else { return Ok(0) };
        let mut sealed = 0;
        for path in self.stored_pictures()? {
            let bytes = read_stored(&path)?;
            if !sample_cipher::is_sealed(&bytes) {
                let bytes = seal(Some(cipher), bytes).map_err(SampleError::io(&path))?;
                disk::write_atomic(&path, &bytes, Access::Private).map_err(SampleError::io(&path))?;
                sealed += 1;
            }
        }
        Ok(sealed)
    }

    /// A stored crop that cannot be opened.
    fn locked(&self) -> Result<Option<PathBuf>, SampleError> {
        for path in self.stored_pictures()? {
            let bytes = read_stored(&path)?;
            if sample_cipher::is_sealed(&bytes) && self.cipher().is_none_or(|key| key.open(&bytes).is_none()) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The crops of all tasks whose list of labels can be read.
    pub(crate) fn stored_pictures(&self) -> Result<Vec<PathBuf>, SampleError> {
        let mut found = Vec::new();
        for task in self.tasks()? {
            // What is odd with one task is told where its samples are read.
            let files = self.files(&task).unwrap_or_default();
            found.extend(files.into_iter().filter(|path| path.file_name().is_some_and(|name| name != INDEX)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::samples::LabelledFace;
    use crate::model::testing::samples;
    use crate::testing::task;
    use network::Label;

    fn faces(label: &str, count: usize) -> Vec<LabelledFace> {
        let label: Label = label.parse().unwrap();
        let crops = samples("up", count).into_iter();
        crops
            .map(|sample| match sample.pixels {
                crate::SamplePixels::Crop(face) => LabelledFace { label: label.clone(), face },
                _ => unreachable!("crops"),
            })
            .collect()
    }

    fn key(dir: &Path, byte: u8) -> PathBuf {
        let path = dir.join(format!("key-{byte}"));
        fs::write(&path, [byte; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    #[test]
    fn crops_from_before_the_key_are_sealed_and_only_the_key_opens_them() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key_file: Option<&Path>| SampleStore::new(&dir.path().join("state"), 100).unlocked(key_file);
        let (right, wrong) = (key(dir.path(), 1), key(dir.path(), 2));
        let before = open(None).unwrap();
        before.add(&task("gaze"), &faces("up", 3)).unwrap();
        let with_key = open(Some(&right)).unwrap();
        assert_eq!((with_key.seal_all().unwrap(), with_key.seal_all().unwrap()), (3, 0));
        with_key.add(&task("gaze"), &faces("down", 2)).unwrap();
        for path in with_key.stored_pictures().unwrap() {
            assert!(sample_cipher::is_sealed(&fs::read(&path).unwrap()), "{}", path.display());
        }
        let pixels = |loaded: Vec<LabelledFace>| loaded.into_iter().map(|it| it.face.to_vec()).collect::<Vec<_>>();
        let expected = [faces("up", 3), faces("down", 2)].map(pixels).concat();
        assert_eq!(pixels(open(Some(&right)).unwrap().load_all(&task("gaze")).unwrap()), expected);
        assert!(open(None).unwrap_err().contains("samples_key_file is empty"));
        assert!(open(Some(&wrong)).unwrap_err().contains("another key"));
        assert!(before.load_all(&task("gaze")).unwrap_err().to_string().contains("is encrypted"));
    }

    #[test]
    fn all_tasks_together_have_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let store = SampleStore::new(dir.path(), 100).with_total(5);
        store.add(&task("gaze"), &faces("up", 3)).unwrap();
        let error = store.add(&task("mood"), &faces("up", 3)).unwrap_err().to_string();
        assert!(error.contains("max_samples") && error.contains("at most 5"), "{error}");
        store.add(&task("mood"), &faces("up", 2)).unwrap();
    }
}
