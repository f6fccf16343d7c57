//! One folder per class, as any user has: `smiling/a.jpg`, `neutral/b.png`, …

use super::tables::{readable, split};
use super::{DataError, Dataset, FaceCrop, LabelledFaces, Split, holdout, io, to_face};
use network::Label;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Share of each class that is held back for validation, and again for test.
const HELD_BACK: f32 = 0.2;

fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|known| e.eq_ignore_ascii_case(known)))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = std::fs::read_dir(folder)
        .map_err(io(folder))?
        .map(|entry| entry.map(|e| e.path()).map_err(io(folder)))
        .collect::<Result<Vec<_>, _>>()?;
    // Thumbnails and notes of file managers (`._a.jpg`, `.DS_Store`, `__MACOSX`).
    let hidden = |path: &Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX")
    };
    found.retain(|path| !hidden(path));
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<FaceCrop, DataError> {
    let picture = image::open(path).map_err(|error| DataError::Picture {
        path: path.parent().unwrap_or(path).to_owned(),
        name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        error,
    })?;
    Ok(to_face(&picture))
}

/// Loads a tree of face crops with one folder per class. Subfolders `train`, `val` and `test` with the classes inside
/// are taken as they are; otherwise a seeded share of each class is held back for validation and for test.
///
/// Pictures are taken as face crops and resized to 128×128; align photos first (`facelab annotate --crops`).
///
/// # Errors
/// A folder or picture cannot be read, or there are fewer than two classes with pictures.
pub fn load_folder(folder: &Path, seed: u64) -> Result<Dataset, DataError> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if let [Some(train), val, Some(test)] = parts(folder)? {
        let train = read_classes(&train, None)?;
        let mut dataset = Dataset::new(name, train.labels.clone());
        dataset.test = read_classes(&test, Some(&train.labels))?;
        if let Some(val) = val {
            dataset.val = read_classes(&val, Some(&train.labels))?;
            dataset.train = train;
        } else {
            let (rest, val) = holdout(&train, HELD_BACK, seed);
            (dataset.train, dataset.val) = (train.select(&rest), train.select(&val));
        }
        return Ok(dataset);
    }
    let all = read_classes(folder, None)?;
    let mut dataset = Dataset::new(name, all.labels.clone());
    let (rest, test) = holdout(&all, HELD_BACK, seed);
    dataset.test = all.select(&test);
    let rest = all.select(&rest);
    let (train, val) = holdout(&rest, HELD_BACK, seed.wrapping_add(1));
    (dataset.train, dataset.val) = (rest.select(&train), rest.select(&val));
    Ok(dataset)
}

/// Subfolders for training, validation and test.
pub(super) fn parts(folder: &Path) -> Result<[Option<PathBuf>; 3], DataError> {
    let folders: Vec<PathBuf> = sorted(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    let named = |wanted: Split| {
        let is_it = |path: &&PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(split) == Some(wanted);
        folders.iter().find(is_it).cloned()
    };
    Ok([Split::Train, Split::Val, Split::Test].map(named))
}

fn read_classes(folder: &Path, expected: Option<&[Label]>) -> Result<LabelledFaces, DataError> {
    let mut classes = Vec::new();
    for class in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
        let pictures: Vec<PathBuf> = sorted(&class)?.into_iter().filter(|path| is_picture(path)).collect();
        if pictures.is_empty() {
            tracing::warn!("{}: left out, there is no .jpg or .png picture in it", class.display());
        } else {
            classes.push((class, pictures));
        }
    }
    let mut labels = Vec::new();
    for (class, _) in &classes {
        let name = class.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        labels.push(Label::try_from(name).map_err(|error| DataError::Label { path: folder.to_owned(), error })?);
    }
    if labels.len() < 2 {
        let reason = "expected at least two folders, one per class, with pictures in them".into();
        return Err(DataError::Empty { path: folder.to_owned(), reason });
    }
    let known = expected.map_or_else(|| labels.clone(), <[Label]>::to_vec);
    let mut faces = LabelledFaces::new(known.clone());
    for ((class, pictures), label) in classes.iter().zip(&labels) {
        let at = known.iter().position(|k| k == label).ok_or_else(|| DataError::Empty {
            path: class.clone(),
            reason: format!("class '{label}' has no training pictures"),
        })?;
        for face in readable(class, pictures.par_iter().map(|path| read(path)).collect())? {
            faces.push(face, at);
        }
    }
    Ok(faces)
}

/// Every picture below a folder.
pub(super) fn load_all(folder: &Path) -> Result<Vec<FaceCrop>, DataError> {
    let (mut open, mut pictures) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for path in sorted(&folder)? {
            if path.is_dir() {
                open.push(path);
            } else if is_picture(&path) {
                pictures.push(path);
            }
        }
    }
    if pictures.is_empty() {
        return Err(DataError::Empty { path: folder.to_owned(), reason: "no .jpg or .png picture".into() });
    }
    pictures.sort();
    readable(folder, pictures.par_iter().map(|path| read(path)).collect())
}
