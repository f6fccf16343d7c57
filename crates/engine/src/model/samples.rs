//! Face crops that tasks are taught with: personal data, readable by their owner alone.
//!
//! `samples/<task>/labels.yaml` says which folder holds which label, `samples/<task>/<folder>/NNNN.png` are the crops,
//! 128×128 grey.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use network::{FaceCrop, Label, TaskName};

use crate::model::disk::{self, Access};
use crate::model::sample_cipher::SampleCipher;
use crate::model::sample_error::SampleError;
use crate::model::sample_index::{INDEX, LabelFolder, SampleIndex};
use crate::model::sample_pictures::{pictures, read_picture, write_picture};

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

/// Their folder.
pub(crate) const SAMPLES: &str = "samples";

/// Samples that come with a task at most: they are in memory at once, 16 KB each.
const MAX_FOREIGN: u32 = 20_000;

/// Counts of samples, one per label, in the order in which the labels first came.
pub type SampleCounts = Vec<(Label, u32)>;

/// The stored crops of all tasks.
#[derive(Debug, Clone)]
pub struct SampleStore {
    root: PathBuf,
    limit: u32,
    /// Crops of all tasks, at most.
    total: usize,
    /// What crops are encrypted with.
    pub(crate) cipher: Option<Arc<SampleCipher>>,
}

impl SampleStore {
    /// Samples below `<state_dir>/samples`, at most `limit` per label of a task. Nothing is made on the disk yet.
    pub fn new(state_dir: &Path, limit: usize) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Self { root: state_dir.join(SAMPLES), limit, total: usize::MAX, cipher: None }
    }

    /// With a limit for all tasks together.
    pub(crate) fn with_total(self, total: usize) -> Self {
        Self { total, ..self }
    }

    /// Counts of a task's samples; empty when it has none.
    ///
    /// # Errors
    /// When the list of labels or a folder cannot be read.
    pub fn counts(&self, task: &TaskName) -> Result<SampleCounts, SampleError> {
        let dir = self.dir(task);
        let index = SampleIndex::read(&dir)?;
        index.labels().iter().map(|entry| Ok((entry.label.clone(), counted(&dir, entry)?.len() as u32))).collect()
    }

    /// Tasks that have samples.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn tasks(&self) -> Result<Vec<TaskName>, SampleError> {
        // Whatever else people put there is not ours.
        let mut names: Vec<TaskName> = self.entries()?.iter().filter_map(|name| name.parse().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Crops of all tasks whose list of labels can be read; of the others it is told where they are needed.
    fn stored(&self) -> usize {
        let tasks = self.tasks().unwrap_or_default();
        let counts = tasks.iter().flat_map(|task| self.counts(task).unwrap_or_default());
        counts.map(|(_, count)| count as usize).sum()
    }

    /// Whether the crops fit under the limits.
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
        if self.total < usize::MAX && !samples.is_empty() {
            let stored = self.stored();
            if stored + samples.len() > self.total {
                return Err(SampleError::Full { stored, given: samples.len(), limit: self.total });
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
        self.write(&self.dir(task), samples)?;
        self.counts(task)
    }

    /// Adds crops to a task's folder, all or none: they count once the list of labels says so.
    pub(crate) fn write(&self, dir: &Path, samples: &[LabelledFace]) -> Result<(), SampleError> {
        disk::make_dir(dir, Access::Private).map_err(SampleError::io(dir))?;
        // Also when someone made the folders by hand.
        for folder in [self.root.as_path(), dir] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(SampleError::io(folder))?;
        }
        let mut index = SampleIndex::read(dir)?;
        let mut written = Vec::new();
        let result = write_all(dir, &mut index, samples, self.cipher.as_deref(), &mut written);
        if result.is_err() {
            for path in &written {
                // The first error is the one to tell.
                disk::remove_file(path).ok();
            }
        }
        result
    }

    /// Whether the crops that are stored fit under the limit; ask before reading what others stored.
    ///
    /// # Errors
    /// The first label that has more, or a folder that cannot be read.
    pub(crate) fn check_stored(&self, task: &TaskName) -> Result<(), SampleError> {
        // A link could lead to samples of others.
        for folder in [self.root.clone(), self.dir(task)] {
            if folder.is_symlink() {
                let refused = io::Error::new(io::ErrorKind::InvalidInput, "is a link; give the folder itself");
                return Err(SampleError::io(&folder)(refused));
            }
        }
        let counts = self.counts(task)?;
        let mut left = MAX_FOREIGN;
        for (label, given) in counts {
            let limit = self.limit.min(left);
            if given > limit {
                return Err(SampleError::TooMany { label, stored: 0, given, limit });
            }
            left -= given;
        }
        Ok(())
    }

    /// How many crops of a label are kept, at most.
    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Reads a task's crops of the given labels.
    ///
    /// # Errors
    /// A picture that is broken, by name.
    pub fn load(&self, task: &TaskName, labels: &[Label]) -> Result<Vec<LabelledFace>, SampleError> {
        let read = |(label, path): (Label, PathBuf)| {
            Ok(LabelledFace { label, face: read_picture(&path, self.cipher.as_deref())? })
        };
        counted_files(&self.dir(task), labels)?.into_iter().map(read).collect()
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
        let labels: Vec<Label> = index.labels().iter().map(|entry| entry.label.clone()).collect();
        let mut files: Vec<PathBuf> = counted_files(&dir, &labels)?.into_iter().map(|(_, path)| path).collect();
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
        if label.is_none() {
            // Nobody sees what a removal that failed left, so nobody could ask for it by label.
            self.erase_removed(task)?;
        }
        if !dir.try_exists().map_err(SampleError::io(&dir))? {
            return Ok(0);
        }
        let Some(label) = label else {
            // Whatever the list of labels says: it may be broken.
            let folders =
                fs::read_dir(&dir).map_err(SampleError::io(&dir))?.filter_map(Result::ok).map(|entry| entry.path());
            let counts = folders
                .filter(|path| path.is_dir() && !path.is_symlink())
                .map(|folder| Ok(pictures(&folder)?.len() as u32));
            let erased = counts.sum::<Result<u32, SampleError>>()?;
            self.erase(&dir)?;
            return Ok(erased);
        };
        let mut index = SampleIndex::read(&dir)?;
        let Some(entry) = index.entry(label) else { return Ok(0) };
        let (folder, erased) = (dir.join(&entry.folder), counted(&dir, entry)?.len() as u32);
        // First the list: a folder that it does not name is erased at the next start at the latest.
        index.remove(label);
        index.write(&dir)?;
        self.erase(&folder)?;
        Ok(erased)
    }

    /// Names of everything in the store's folder.
    pub(crate) fn entries(&self) -> Result<Vec<String>, SampleError> {
        if !self.root.try_exists().map_err(SampleError::io(&self.root))? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(SampleError::io(&self.root))? {
            names.extend(entry.map_err(SampleError::io(&self.root))?.file_name().into_string().ok());
        }
        Ok(names)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn dir(&self, task: &TaskName) -> PathBuf {
        self.root.join(task.as_ref())
    }
}

/// Writes pictures, and last the list of labels that makes them count.
fn write_all(
    dir: &Path,
    index: &mut SampleIndex,
    samples: &[LabelledFace],
    cipher: Option<&SampleCipher>,
    written: &mut Vec<PathBuf>,
) -> Result<(), SampleError> {
    let mut labels: Vec<&Label> = Vec::new();
    for sample in samples {
        if !labels.contains(&&sample.label) {
            labels.push(&sample.label);
        }
    }
    // First a list that says what counts so far: a crash from here on leaves what was there.
    if !index.is_counted() || !dir.join(INDEX).exists() {
        let each: Vec<(Label, u32)> = index
            .labels()
            .iter()
            .map(|entry| {
                let last = pictures(&dir.join(&entry.folder))?.last().map(|(number, _)| *number);
                Ok((entry.label.clone(), entry.next(last)))
            })
            .collect::<Result<_, SampleError>>()?;
        each.iter().for_each(|(label, below)| index.count_below(label, *below));
        index.write(dir)?;
    }
    for label in labels {
        index.insert(label);
        let Some(entry) = index.entry(label) else { continue };
        let folder = dir.join(&entry.folder);
        disk::make_dir(&folder, Access::Private).map_err(SampleError::io(&folder))?;
        disk::sweep_unfinished(&folder).map_err(SampleError::io(&folder))?;
        // What a writing that failed left there must not count with the next ones.
        for (_, left) in pictures(&folder)?.into_iter().filter(|(number, _)| !entry.counts(*number)) {
            disk::remove_file(&left).map_err(SampleError::io(&left))?;
        }
        let mut next = entry.next(pictures(&folder)?.last().map(|(number, _)| *number));
        for sample in samples.iter().filter(|sample| sample.label == *label) {
            let path = folder.join(format!("{next:04}.png"));
            write_picture(&folder, &path, &sample.face, cipher)?;
            written.push(path);
            next += 1;
        }
        disk::sync_dir(&folder).map_err(SampleError::io(&folder))?;
        index.count_below(label, next);
    }
    disk::sync_dir(dir).map_err(SampleError::io(dir))?;
    index.write(dir)
}

/// The pictures of labels, label after label, each with its label.
pub(crate) fn counted_files(dir: &Path, labels: &[Label]) -> Result<Vec<(Label, PathBuf)>, SampleError> {
    let index = SampleIndex::read(dir)?;
    let mut files = Vec::new();
    for entry in labels.iter().filter_map(|label| index.entry(label)) {
        files.extend(counted(dir, entry)?.into_iter().map(|(_, path)| (entry.label.clone(), path)));
    }
    Ok(files)
}

/// A label's pictures by number.
fn counted(dir: &Path, entry: &LabelFolder) -> Result<Vec<(u32, PathBuf)>, SampleError> {
    let mut found = pictures(&dir.join(&entry.folder))?;
    found.retain(|(number, _)| entry.counts(*number));
    Ok(found)
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
