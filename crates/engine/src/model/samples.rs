//! Face crops that tasks are taught with: personal data, readable by their owner alone.
//!
//! `samples/<task>/labels.yaml` says which folder holds which label, `samples/<task>/<folder>/NNNN.png` are the crops,
//! 128×128 grey.

use std::fs;
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageReader};
use network::{FACE_SIZE, FaceCrop, FaceCropError, Label, TaskName};

use crate::model::disk::{self, Access};
use crate::model::sample_error::SampleError;
use crate::model::sample_index::{INDEX, SampleIndex};

/// A face crop with its label.
#[derive(Debug, Clone)]
pub struct LabelledFace {
    /// What it shows.
    pub label: Label,
    /// 128×128 grey pixels, row by row.
    pub face: FaceCrop,
}

impl SampleError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// Counts of samples, one per label, in the order in which the labels first came.
pub type SampleCounts = Vec<(Label, u32)>;

/// The stored crops of all tasks.
#[derive(Debug)]
pub struct SampleStore {
    root: PathBuf,
    limit: u32,
}

impl SampleStore {
    /// Samples below `<state_dir>/samples`, at most `limit` per label of a task. Nothing is made on the disk yet.
    pub fn new(state_dir: &Path, limit: usize) -> Self {
        Self { root: state_dir.join("samples"), limit: u32::try_from(limit).unwrap_or(u32::MAX) }
    }

    /// Counts of a task's samples; empty when it has none.
    ///
    /// # Errors
    /// When the list of labels or a folder cannot be read.
    pub fn counts(&self, task: &TaskName) -> Result<SampleCounts, SampleError> {
        let dir = self.dir(task);
        let index = SampleIndex::read(&dir)?;
        index
            .labels()
            .iter()
            .map(|entry| Ok((entry.label.clone(), pictures(&dir.join(&entry.folder))?.len() as u32)))
            .collect()
    }

    /// Tasks that have samples.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn tasks(&self) -> Result<Vec<TaskName>, SampleError> {
        if !self.root.try_exists().map_err(SampleError::io(&self.root))? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(SampleError::io(&self.root))? {
            let name = entry.map_err(SampleError::io(&self.root))?.file_name();
            // Whatever else people put there is not ours.
            names.extend(name.to_str().and_then(|name| name.parse::<TaskName>().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Whether the crops fit under the limit.
    ///
    /// # Errors
    /// The first label that does not, or a folder that cannot be read.
    pub fn check(&self, task: &TaskName, samples: &[LabelledFace]) -> Result<(), SampleError> {
        let stored = self.counts(task)?;
        for sample in samples {
            let label = &sample.label;
            let stored = stored.iter().find(|(other, _)| other == label).map_or(0, |(_, count)| *count);
            let given = samples.iter().filter(|other| other.label == *label).count() as u32;
            if stored + given > self.limit {
                return Err(SampleError::TooMany { label: label.clone(), stored, given, limit: self.limit });
            }
        }
        Ok(())
    }

    /// Writes crops, all or none, and returns what the task has now.
    ///
    /// # Errors
    /// As [`Self::check`], and when the disk refuses.
    pub fn add(&self, task: &TaskName, samples: &[LabelledFace]) -> Result<SampleCounts, SampleError> {
        self.check(task, samples)?;
        if samples.is_empty() {
            return self.counts(task);
        }
        let dir = self.dir(task);
        disk::make_dir(&dir, Access::Private).map_err(SampleError::io(&dir))?;
        // Also when someone made the folders by hand.
        for folder in [&self.root, &dir] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(SampleError::io(folder))?;
        }
        let mut index = SampleIndex::read(&dir)?;
        let mut written = Vec::new();
        let result = self.write_all(&dir, &mut index, samples, &mut written);
        if result.is_err() {
            for path in &written {
                // The first error is the one to tell.
                fs::remove_file(path).ok();
            }
        }
        result?;
        self.counts(task)
    }

    fn write_all(
        &self,
        dir: &Path,
        index: &mut SampleIndex,
        samples: &[LabelledFace],
        written: &mut Vec<PathBuf>,
    ) -> Result<(), SampleError> {
        let mut labels: Vec<&Label> = Vec::new();
        for sample in samples {
            if !labels.contains(&&sample.label) {
                labels.push(&sample.label);
            }
        }
        let added = labels.iter().filter(|label| index.insert(label)).count();
        if added > 0 {
            index.write(dir)?;
        }
        for label in labels {
            let Some(folder) = index.folder(dir, label) else { continue };
            disk::make_dir(&folder, Access::Private).map_err(SampleError::io(&folder))?;
            disk::sweep_unfinished(&folder).map_err(SampleError::io(&folder))?;
            let next = pictures(&folder)?.last().map_or(0, |(number, _)| number + 1);
            for (number, sample) in (next..).zip(samples.iter().filter(|sample| sample.label == *label)) {
                let path = folder.join(format!("{number:04}.png"));
                write_picture(&folder, &path, &sample.face)?;
                written.push(path);
            }
            disk::sync_dir(&folder).map_err(SampleError::io(&folder))?;
        }
        disk::sync_dir(dir).map_err(SampleError::io(dir))
    }

    /// Reads a task's crops of the given labels.
    ///
    /// # Errors
    /// A picture that is broken, by name.
    pub fn load(&self, task: &TaskName, labels: &[Label]) -> Result<Vec<LabelledFace>, SampleError> {
        let dir = self.dir(task);
        let index = SampleIndex::read(&dir)?;
        let mut samples = Vec::new();
        for label in labels {
            let Some(folder) = index.folder(&dir, label) else { continue };
            for (_, path) in pictures(&folder)? {
                samples.push(LabelledFace { label: label.clone(), face: read_picture(&path)? });
            }
        }
        Ok(samples)
    }

    /// Reads all crops of a task.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn load_all(&self, task: &TaskName) -> Result<Vec<LabelledFace>, SampleError> {
        let labels: Vec<Label> = self.counts(task)?.into_iter().map(|(label, _)| label).collect();
        self.load(task, &labels)
    }

    /// The files of a task: pictures and the list of labels.
    pub(crate) fn files(&self, task: &TaskName) -> Result<Vec<PathBuf>, SampleError> {
        let dir = self.dir(task);
        let index = SampleIndex::read(&dir)?;
        let mut files = Vec::new();
        for entry in index.labels() {
            files.extend(pictures(&dir.join(&entry.folder))?.into_iter().map(|(_, path)| path));
        }
        if !index.labels().is_empty() {
            files.push(dir.join(INDEX));
        }
        Ok(files)
    }

    /// Erases a task's crops for good, of one label or of all, and returns how many there were.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget(&self, task: &TaskName, label: Option<&Label>) -> Result<u32, SampleError> {
        let dir = self.dir(task);
        if !dir.try_exists().map_err(SampleError::io(&dir))? {
            return Ok(0);
        }
        let Some(label) = label else {
            // Whatever the list of labels says: it may be broken.
            let folders =
                fs::read_dir(&dir).map_err(SampleError::io(&dir))?.filter_map(Result::ok).map(|entry| entry.path());
            let counts = folders.filter(|path| path.is_dir()).map(|folder| Ok(pictures(&folder)?.len() as u32));
            let erased = counts.sum::<Result<u32, SampleError>>()?;
            fs::remove_dir_all(&dir).map_err(SampleError::io(&dir))?;
            disk::sync_dir(&self.root).map_err(SampleError::io(&self.root))?;
            return Ok(erased);
        };
        let mut index = SampleIndex::read(&dir)?;
        let Some(folder) = index.folder(&dir, label) else { return Ok(0) };
        let erased = pictures(&folder)?.len() as u32;
        if folder.try_exists().map_err(SampleError::io(&folder))? {
            fs::remove_dir_all(&folder).map_err(SampleError::io(&folder))?;
        }
        index.remove(label);
        index.write(&dir)?;
        Ok(erased)
    }

    fn dir(&self, task: &TaskName) -> PathBuf {
        self.root.join(task.as_ref())
    }
}

/// A folder's pictures by number.
fn pictures(folder: &Path) -> Result<Vec<(u32, PathBuf)>, SampleError> {
    if !folder.try_exists().map_err(SampleError::io(folder))? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(SampleError::io(folder))? {
        let entry = entry.map_err(SampleError::io(folder))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".png")).and_then(|stem| stem.parse().ok());
        found.extend(number.map(|number: u32| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

fn write_picture(folder: &Path, path: &Path, face: &FaceCrop) -> Result<(), SampleError> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(face.as_slice(), FACE_SIZE as u32, FACE_SIZE as u32, ExtendedColorType::L8)
        .map_err(|error| SampleError::io(path)(io::Error::other(error)))?;
    let mut part = disk::unfinished(folder, Access::Private).map_err(SampleError::io(folder))?;
    io::Write::write_all(&mut part, &png).map_err(SampleError::io(path))?;
    disk::keep(part, path, Access::Private).map_err(SampleError::io(path))
}

fn read_picture(path: &Path) -> Result<FaceCrop, SampleError> {
    let wrong = |found: String| SampleError::Picture { path: path.to_path_buf(), found };
    let bytes = fs::read(path).map_err(SampleError::io(path))?;
    let reader = || ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Png);
    // Imported folders may hold anything: look at the size before decoding.
    let (width, height) = reader().into_dimensions().map_err(|error| wrong(error.to_string()))?;
    if (width, height) != (FACE_SIZE as u32, FACE_SIZE as u32) {
        return Err(wrong(format!("{width}x{height} pixels")));
    }
    let picture = reader().decode().map_err(|error| wrong(error.to_string()))?;
    match picture {
        image::DynamicImage::ImageLuma8(grey) => {
            grey.into_raw().try_into().map_err(|error: FaceCropError| wrong(error.to_string()))
        }
        other => Err(wrong(format!("{:?}", other.color()))),
    }
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
