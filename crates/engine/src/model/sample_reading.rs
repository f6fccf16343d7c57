//! What was read of a crop, in the crop's own file: it is as personal as the crop, and so it is kept, encrypted, moved and erased
//! with it. PNG has chunks for such things, which other programs skip.

use std::io;
use std::path::{Path, PathBuf};

use learning::FaceReading;
use network::{FaceCrop, Label, TaskName};

use crate::model::disk::{self, Access};
use crate::model::sample_error::SampleError;
use crate::model::sample_pictures::{MAX_PICTURE_BYTES, decode, read_plain};
use crate::model::samples::{SampleStore, counted_files};

/// Type of our chunk: ancillary, private, and not to be copied by programs that change the picture.
const CHUNK: [u8; 4] = *b"faRD";
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Length, type and checksum of a chunk.
const AROUND: usize = 12;

/// A part of a PNG.
struct Chunk<'a> {
    /// Where it begins, bytes.
    at: usize,
    kind: [u8; 4],
    data: &'a [u8],
}

/// The chunks of a PNG; none where it is broken.
fn chunks(png: &[u8]) -> Option<Vec<Chunk<'_>>> {
    let mut at = png.starts_with(SIGNATURE).then_some(SIGNATURE.len())?;
    let mut found = Vec::new();
    while at < png.len() {
        let head: [u8; 8] = png.get(at..at + 8)?.try_into().ok()?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let data = png.get(at + 8..)?.get(..length)?;
        found.push(Chunk { at, kind: [head[4], head[5], head[6], head[7]], data });
        at += length + AROUND;
    }
    Some(found)
}

/// What was read of the crop of this file; `None` where nothing was, or the disk has changed it.
pub(crate) fn reading_in(png: &[u8]) -> Option<&[u8]> {
    let chunk = chunks(png)?.into_iter().find(|chunk| chunk.kind == CHUNK)?;
    let end = chunk.at + chunk.data.len() + AROUND;
    let checksum = png.get(end - 4..end)?;
    (checksum == crc32fast::hash(png.get(chunk.at + 4..end - 4)?).to_be_bytes()).then_some(chunk.data)
}

/// The file with a reading in place of the one that it has; `None` where it is no PNG.
fn with_reading(png: &[u8], reading: &[u8]) -> Option<Vec<u8>> {
    let chunks = chunks(png)?;
    let (end, others) = chunks.split_last().filter(|(last, _)| last.kind == *b"IEND")?;
    let length = u32::try_from(reading.len()).ok()?;
    let mut whole = SIGNATURE.to_vec();
    for chunk in others.iter().filter(|chunk| chunk.kind != CHUNK) {
        whole.extend(&png[chunk.at..chunk.at + chunk.data.len() + AROUND]);
    }
    let body = [&CHUNK[..], reading].concat();
    whole.extend(length.to_be_bytes());
    whole.extend(&body);
    whole.extend(crc32fast::hash(&body).to_be_bytes());
    whole.extend(&png[end.at..]);
    Some(whole)
}

impl SampleStore {
    /// The files of a task's crops of the given labels, in the order of [`SampleStore::load`].
    ///
    /// # Errors
    /// The list of labels or a folder cannot be read.
    pub(crate) fn paths(&self, task: &TaskName, labels: &[Label]) -> Result<Vec<PathBuf>, SampleError> {
        Ok(counted_files(&self.dir(task), labels)?.into_iter().map(|(_, path)| path).collect())
    }

    /// The crop of this file, where it was not read by these weights yet; `None` too where there is no crop.
    pub(crate) fn unread(&self, path: &Path, names: &[String]) -> Option<FaceCrop> {
        let png = read_plain(path, self.cipher.as_deref()).ok()?;
        let is_read = reading_in(&png).is_some_and(|bytes| FaceReading::is_of(bytes, names));
        if is_read { None } else { decode(path, &png).ok() }
    }

    /// What was read of the crop of this file before; `names` as in [`FaceReading::from_bytes`].
    pub(crate) fn reading(&self, path: &Path, names: &[String]) -> Option<FaceReading> {
        let png = read_plain(path, self.cipher.as_deref()).ok()?;
        FaceReading::from_bytes(reading_in(&png)?, names)
    }

    /// Keeps what was read of a crop; false where the file has another crop by now, or none.
    ///
    /// # Errors
    /// When the disk refuses; the file is then as it was.
    pub(crate) fn keep_reading(&self, path: &Path, face: &FaceCrop, reading: &[u8]) -> Result<bool, SampleError> {
        // It may have been forgotten while it was read.
        let Ok(png) = read_plain(path, self.cipher.as_deref()) else { return Ok(false) };
        if decode(path, &png).ok().as_ref() != Some(face) {
            return Ok(false);
        }
        let Some(whole) = with_reading(&png, reading) else { return Ok(false) };
        let bytes = match &self.cipher {
            Some(cipher) => cipher.encrypt(&whole).map_err(|said| SampleError::io(path)(io::Error::other(said)))?,
            None => whole,
        };
        // Nobody would read it any more.
        if bytes.len() as u64 > MAX_PICTURE_BYTES {
            return Ok(false);
        }
        disk::write_atomic(path, &bytes, Access::Private).map_err(SampleError::io(path))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;
    use crate::model::samples::LabelledFace;
    use crate::testing::{label, task};

    fn store(dir: &Path) -> (SampleStore, PathBuf, FaceCrop) {
        let store = SampleStore::new(dir, 10);
        let face = FaceCrop::from_fn(|at| (at % 256) as u8);
        store.add(&task("mood"), &[LabelledFace { label: label("up"), face: face.clone() }]).unwrap();
        let path = store.paths(&task("mood"), &[label("up")]).unwrap().remove(0);
        (store, path, face)
    }

    #[test]
    fn a_reading_is_in_the_crops_file_and_the_crop_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path, face) = store(dir.path());
        assert!(store.keep_reading(&path, &face, b"first").unwrap());
        assert!(store.keep_reading(&path, &face, b"second").unwrap());
        let png = fs::read(&path).unwrap();
        assert_eq!(reading_in(&png), Some(&b"second"[..]));
        assert_eq!(chunks(&png).unwrap().iter().filter(|chunk| chunk.kind == CHUNK).count(), 1);
        assert_eq!(store.load_all(&task("mood")).unwrap()[0].face, face);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let folder = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(folder.count(), 1, "nothing lies beside it");
    }

    #[test]
    fn a_crop_that_was_forgotten_or_replaced_keeps_no_reading() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path, face) = store(dir.path());
        let other = FaceCrop::from_fn(|at| (at % 7) as u8);
        assert!(!store.keep_reading(&path, &other, b"reading").unwrap());
        assert_eq!(reading_in(&fs::read(&path).unwrap()), None);
        store.forget(&task("mood"), None).unwrap();
        assert!(!store.keep_reading(&path, &face, b"reading").unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_reading_that_makes_the_file_too_large_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path, face) = store(dir.path());
        assert!(!store.keep_reading(&path, &face, &vec![1; MAX_PICTURE_BYTES as usize]).unwrap());
        assert_eq!(store.load_all(&task("mood")).unwrap()[0].face, face);
    }

    #[test]
    fn a_reading_that_the_disk_has_changed_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path, face) = store(dir.path());
        store.keep_reading(&path, &face, b"reading").unwrap();
        let mut png = fs::read(&path).unwrap();
        let at = png.windows(7).position(|bytes| bytes == b"reading").unwrap();
        png[at] ^= 1;
        assert_eq!(reading_in(&png), None);
    }

    #[test]
    fn under_a_key_readings_are_encrypted_with_their_crops() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        fs::write(&key, [7; 32]).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let store = SampleStore::new(&dir.path().join("state"), 10).with_key(Some(&key)).unwrap();
        let face = FaceCrop::from_fn(|at| (at % 256) as u8);
        store.add(&task("mood"), &[LabelledFace { label: label("up"), face: face.clone() }]).unwrap();
        let path = store.paths(&task("mood"), &[label("up")]).unwrap().remove(0);
        assert!(store.keep_reading(&path, &face, b"reading").unwrap());
        let stored = fs::read(&path).unwrap();
        assert!(crate::model::sample_cipher::is_encrypted(&stored));
        assert!(!stored.windows(4).any(|bytes| bytes == CHUNK));
        let plain = read_plain(&path, store.cipher.as_deref()).unwrap();
        assert_eq!(reading_in(&plain), Some(&b"reading"[..]));
        assert_eq!(store.load_all(&task("mood")).unwrap()[0].face, face);
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_have_a_reading_or_none_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let png = [SIGNATURE, &bytes].concat();
            for bytes in [&bytes, &png] {
                reading_in(bytes);
                with_reading(bytes, b"reading");
            }
        }
    }
}
