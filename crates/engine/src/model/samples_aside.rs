//! Samples whose task is about to change: each change is one renaming, and what a crash left half done is undone or finished at
//! the next start.
//!
//! | folder in `samples/` | what it is | at the next start |
//! |---|---|---|
//! | `.removed-<task>` | the task is being removed | back in its place if the task is still there, else erased |
//! | `.imported-<task>` | came with a task that is being imported | in its place if the task is there, else erased |
//! | `.trash-<number>` | is being erased | erased |

use std::fs;
use std::path::{Path, PathBuf};

use network::TaskName;

use crate::model::disk;
use crate::model::sample_error::SampleError;
use crate::model::sample_index::SampleIndex;
use crate::model::sample_pictures::pictures;
use crate::model::samples::{LabelledFace, SampleStore};

const REMOVED: &str = ".removed-";
const IMPORTED: &str = ".imported-";
const TRASH: &str = ".trash-";

impl SampleStore {
    /// Puts a task's samples where [`Self::erase_removed`] or [`Self::keep_removed`] decides on them.
    ///
    /// # Errors
    /// When the disk refuses; the samples are then where they were.
    pub(crate) fn remove(&self, task: &TaskName) -> Result<(), SampleError> {
        // What a removal before this one left there is on its way out, too.
        self.erase_removed(task)?;
        self.move_in_root(&self.dir(task), &self.beside(REMOVED, task))
    }

    /// The task is gone: so are its samples.
    ///
    /// # Errors
    /// When the disk refuses; the next start tries again.
    pub(crate) fn erase_removed(&self, task: &TaskName) -> Result<(), SampleError> {
        self.erase(&self.beside(REMOVED, task))
    }

    /// The task stays: so do its samples.
    ///
    /// # Errors
    /// When the disk refuses; the next start tries again.
    pub(crate) fn keep_removed(&self, task: &TaskName) -> Result<(), SampleError> {
        if !self.beside(REMOVED, task).exists() {
            return Ok(());
        }
        // Folders without a picture may be in the way.
        self.erase(&self.dir(task))?;
        self.move_in_root(&self.beside(REMOVED, task), &self.dir(task))
    }

    /// Writes the samples of a task that is being imported.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn stage_imported(&self, task: &TaskName, samples: &[LabelledFace]) -> Result<(), SampleError> {
        let place = self.beside(IMPORTED, task);
        self.erase(&place)?;
        if samples.is_empty() { Ok(()) } else { self.write(&place, samples) }
    }

    /// The task was imported: its samples count.
    ///
    /// # Errors
    /// When the disk refuses; the next start tries again.
    pub(crate) fn keep_imported(&self, task: &TaskName) -> Result<(), SampleError> {
        // Folders without a picture may be in the way.
        self.erase(&self.dir(task))?;
        self.move_in_root(&self.beside(IMPORTED, task), &self.dir(task))
    }

    /// The task was not imported.
    ///
    /// # Errors
    /// When the disk refuses; the next start tries again.
    pub(crate) fn drop_imported(&self, task: &TaskName) -> Result<(), SampleError> {
        self.erase(&self.beside(IMPORTED, task))
    }

    /// Finishes or undoes what the last run did not come to the end of. `is_taught`: whether a task has a column.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn recover(&self, is_taught: impl Fn(&TaskName) -> bool) -> Result<(), SampleError> {
        for name in self.entries()? {
            // What is odd with one is no reason to see nobody.
            if let Err(error) = self.recover_one(&name, &is_taught) {
                tracing::error!("{}: {}", self.root().join(&name).display(), error.without_labels());
            }
        }
        Ok(())
    }

    fn recover_one(&self, name: &str, is_taught: &impl Fn(&TaskName) -> bool) -> Result<(), SampleError> {
        let of = |prefix: &str| name.strip_prefix(prefix).and_then(|task| task.parse::<TaskName>().ok());
        let place = self.root().join(name);
        if let Some(task) = of(REMOVED) {
            if !is_taught(&task) {
                return self.erase_removed(&task);
            }
            // Something was added since the removal failed: both stay, for a person to look at.
            return if self.has_pictures(&task)? { Ok(()) } else { self.keep_removed(&task) };
        }
        if let Some(task) = of(IMPORTED) {
            let kept = is_taught(&task) && !self.has_pictures(&task)?;
            return if kept { self.keep_imported(&task) } else { self.drop_imported(&task) };
        }
        if name.starts_with(TRASH) {
            return disk::remove_dir_all(&place).map_err(SampleError::io(&place));
        }
        if name.parse::<TaskName>().is_ok() && place.is_dir() {
            // Of a list of labels that cannot be read nothing is known, so nothing is erased.
            let index = SampleIndex::read(&place)?;
            return if index.labels().is_empty() { self.erase(&place) } else { self.sweep(&place, &index) };
        }
        Ok(())
    }

    /// Erases what the list of labels does not name.
    fn sweep(&self, dir: &Path, index: &SampleIndex) -> Result<(), SampleError> {
        disk::sweep_unfinished(dir).map_err(SampleError::io(dir))?;
        for entry in fs::read_dir(dir).map_err(SampleError::io(dir))? {
            let folder = entry.map_err(SampleError::io(dir))?.path();
            if !fs::symlink_metadata(&folder).map_err(SampleError::io(&folder))?.is_dir() {
                continue;
            }
            let name = folder.file_name().unwrap_or_default();
            let Some(label) = index.labels().iter().find(|entry| *name == *entry.folder) else {
                self.erase(&folder)?;
                continue;
            };
            disk::sweep_unfinished(&folder).map_err(SampleError::io(&folder))?;
            for (number, picture) in pictures(&folder)? {
                if !label.counts(number) {
                    disk::remove_file(&picture).map_err(SampleError::io(&picture))?;
                }
            }
        }
        Ok(())
    }

    /// Erases a folder, all or nothing as far as anybody can see.
    pub(crate) fn erase(&self, folder: &Path) -> Result<(), SampleError> {
        let free = (0u32..).map(|number| self.root().join(format!("{TRASH}{number}"))).find(|place| !place.exists());
        let Some(trash) = free else { return Ok(()) };
        self.move_in_root(folder, &trash)?;
        disk::remove_dir_all(&trash).map_err(SampleError::io(&trash))
    }

    /// Renames a folder of this store, where it is there.
    fn move_in_root(&self, from: &Path, to: &Path) -> Result<(), SampleError> {
        if !from.try_exists().map_err(SampleError::io(from))? {
            return Ok(());
        }
        disk::rename(from, to).map_err(SampleError::io(from))?;
        let parents = [from, to].map(|path| path.parent().unwrap_or(self.root()));
        parents.iter().try_for_each(|parent| disk::sync_dir(parent).map_err(SampleError::io(parent)))
    }

    fn beside(&self, prefix: &str, task: &TaskName) -> PathBuf {
        self.root().join(format!("{prefix}{task}"))
    }

    fn has_pictures(&self, task: &TaskName) -> Result<bool, SampleError> {
        Ok(self.counts(task)?.iter().any(|(_, count)| *count > 0))
    }
}

#[cfg(test)]
#[path = "samples_aside_tests.rs"]
mod tests;
