//! Each change of a folder, one by one: tests remember them, refuse one, or end the program before it (`crate::torture`).

use std::io;
use std::path::Path;

/// A change that is about to be made. Each is all or nothing on a file system that runs; what a power cut leaves of it is
/// certain only after [`Step::Sync`].
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by tests alone"))]
pub(crate) enum Step<'a> {
    /// A folder, in one that is there.
    MakeDir(&'a Path),
    /// An unfinished file in this folder.
    MakeFile(&'a Path),
    /// The whole content of an unfinished file.
    Write(&'a Path),
    /// Puts a file's content, or a folder's entries, on the disk.
    Sync(&'a Path),
    /// Gives a file or folder another name.
    Rename(&'a Path, &'a Path),
    /// Removes a file, or a folder with all that is in it.
    Remove(&'a Path),
    /// Takes a folder for this process.
    Lock(&'a Path),
}

/// Says what comes next; an error is what the disk answers instead.
#[cfg(not(test))]
#[inline]
pub(crate) fn next(_: Step<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use watched::{Watch, next};

#[cfg(test)]
mod watched {
    use super::*;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex, PoisonError};

    type Watcher = dyn Fn(Step<'_>) -> io::Result<()> + Send + Sync;

    static WATCHERS: Mutex<Vec<(PathBuf, Arc<Watcher>)>> = Mutex::new(Vec::new());

    impl Step<'_> {
        fn path(&self) -> &Path {
            match *self {
                Self::MakeDir(path)
                | Self::MakeFile(path)
                | Self::Write(path)
                | Self::Sync(path)
                | Self::Rename(path, _)
                | Self::Remove(path)
                | Self::Lock(path) => path,
            }
        }
    }

    /// As long as it lives, all steps below a folder are told, those of every thread.
    pub(crate) struct Watch(PathBuf);

    impl Watch {
        pub(crate) fn over(root: &Path, watcher: impl Fn(Step<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
            let mut all = WATCHERS.lock().unwrap_or_else(PoisonError::into_inner);
            all.push((root.to_path_buf(), Arc::new(watcher)));
            Self(root.to_path_buf())
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            WATCHERS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(root, _)| *root != self.0);
        }
    }

    pub(crate) fn next(step: Step<'_>) -> io::Result<()> {
        let watcher = {
            let all = WATCHERS.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().find(|(root, _)| step.path().starts_with(root)).map(|(_, watcher)| Arc::clone(watcher))
        };
        watcher.map_or(Ok(()), |watcher| watcher(step))
    }
}
