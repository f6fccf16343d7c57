//! Crops under a key: those from before it are encrypted, and a wrong key is found before anything is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::disk::{self, Access};
use crate::model::sample_cipher::SampleCipher;
use crate::model::sample_error::SampleError;
use crate::model::sample_pictures::{pictures, read_stored, starts_encrypted};
use crate::model::samples::SampleStore;

impl SampleStore {
    /// A store with the key of a file, where one is named; or why the crops in it cannot be used.
    ///
    /// # Errors
    /// No key in the file, or one that decrypts none of the encrypted crops; in words.
    pub(crate) fn with_key(self, key_file: Option<&Path>) -> Result<Self, String> {
        let cipher = key_file.map(SampleCipher::from_file).transpose();
        let mut store = self;
        store.cipher = cipher.map_err(|reason| format!("samples_key_file: {reason}"))?.map(Arc::new);
        match (store.key_fits(), key_file) {
            (true, _) => Ok(store),
            (false, None) => Err("the samples are encrypted, and samples_key_file is empty".to_owned()),
            (false, Some(_)) => {
                Err("the samples are encrypted with another key than that of samples_key_file".to_owned())
            }
        }
    }

    /// Whether some encrypted crop can be decrypted, or there is none. A single one that cannot is a broken picture of its
    /// task. What cannot be read is told where it is needed.
    fn key_fits(&self) -> bool {
        let is_encrypted = |path: &PathBuf| starts_encrypted(path).unwrap_or(false);
        let mut encrypted = self.all_pictures().into_iter().filter(is_encrypted).peekable();
        if encrypted.peek().is_none() {
            return true;
        }
        let Some(cipher) = &self.cipher else { return false };
        encrypted.any(|path| read_stored(&path).is_ok_and(|bytes| cipher.decrypt(&bytes).is_some()))
    }

    /// Encrypts crops that were stored before there was a key; how many, and how many could not be.
    pub(crate) fn encrypt_all(&self) -> (usize, usize) {
        let Some(cipher) = &self.cipher else { return (0, 0) };
        let (mut encrypted, mut plain) = (0, 0);
        for path in self.all_pictures() {
            match encrypt_file(&path, cipher) {
                Ok(true) => encrypted += 1,
                Ok(false) => {}
                Err(_) => plain += 1,
            }
        }
        (encrypted, plain)
    }

    /// Every picture in the store's folder, also of tasks that are on their way in or out.
    fn all_pictures(&self) -> Vec<PathBuf> {
        folders(self.root()).iter().flat_map(|task| folders(task)).flat_map(|label| files(&label)).collect()
    }
}

/// Folders in a folder, links left out; none where it cannot be read.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn files(label: &Path) -> Vec<PathBuf> {
    pictures(label).unwrap_or_default().into_iter().map(|(_, path)| path).collect()
}

/// False where it is encrypted already.
fn encrypt_file(path: &Path, cipher: &SampleCipher) -> Result<bool, SampleError> {
    if starts_encrypted(path)? {
        return Ok(false);
    }
    let bytes = read_stored(path)?;
    let bytes = cipher.encrypt(&bytes).map_err(|said| SampleError::io(path)(std::io::Error::other(said)))?;
    disk::write_atomic(path, &bytes, Access::Private).map_err(SampleError::io(path))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::samples::LabelledFace;
    use crate::model::testing::samples;
    use crate::testing::{make_pipe, task};
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
    fn crops_from_before_the_key_are_encrypted_and_only_the_key_decrypts_them() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key_file: Option<&Path>| SampleStore::new(&dir.path().join("state"), 100).with_key(key_file);
        let (right, wrong) = (key(dir.path(), 1), key(dir.path(), 2));
        let before = open(None).unwrap();
        before.add(&task("gaze"), &faces("up", 3)).unwrap();
        let with_key = open(Some(&right)).unwrap();
        assert_eq!((with_key.encrypt_all(), with_key.encrypt_all()), ((3, 0), (0, 0)));
        with_key.add(&task("gaze"), &faces("down", 2)).unwrap();
        let paths = with_key.all_pictures();
        assert!(paths.len() == 5 && paths.iter().all(|path| starts_encrypted(path).unwrap()), "{paths:?}");
        let pixels = |loaded: Vec<LabelledFace>| loaded.into_iter().map(|it| it.face.to_vec()).collect::<Vec<_>>();
        let expected = [faces("up", 3), faces("down", 2)].map(pixels).concat();
        assert_eq!(pixels(open(Some(&right)).unwrap().load_all(&task("gaze")).unwrap()), expected);
        assert!(open(None).unwrap_err().contains("samples_key_file is empty"));
        assert!(open(Some(&wrong)).unwrap_err().contains("another key"));
        assert!(before.load_all(&task("gaze")).unwrap_err().to_string().contains("is encrypted"));
    }

    #[test]
    fn one_broken_crop_is_a_matter_of_its_task_alone() {
        let dir = tempfile::tempdir().unwrap();
        let right = key(dir.path(), 1);
        let open = || SampleStore::new(&dir.path().join("state"), 100).with_key(Some(&right));
        let store = open().unwrap();
        store.add(&task("gaze"), &faces("up", 2)).unwrap();
        store.add(&task("mood"), &faces("up", 2)).unwrap();
        let broken = store.all_pictures().into_iter().find(|path| path.to_string_lossy().contains("gaze")).unwrap();
        let mut bytes = fs::read(&broken).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&broken, bytes).unwrap();
        let store = open().unwrap();
        assert!(store.load_all(&task("gaze")).is_err());
        assert_eq!(store.load_all(&task("mood")).unwrap().len(), 2);
    }

    #[test]
    fn a_pipe_or_link_among_the_crops_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let right = key(dir.path(), 1);
        let store = SampleStore::new(&dir.path().join("state"), 100).with_key(Some(&right)).unwrap();
        store.add(&task("gaze"), &faces("up", 1)).unwrap();
        let folder = store.all_pictures()[0].parent().unwrap().to_path_buf();
        make_pipe(&folder.join("0007.png"));
        std::os::unix::fs::symlink("/etc/hostname", folder.join("0008.png")).unwrap();
        let store = SampleStore::new(&dir.path().join("state"), 100).with_key(Some(&right)).unwrap();
        assert_eq!(store.encrypt_all(), (0, 2));
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
