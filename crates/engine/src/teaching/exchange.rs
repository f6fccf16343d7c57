//! Where tasks are exported to and imported from: below one folder, so that a caller of services reaches no other.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::teaching::tasks::TaskError;

/// In the state folder, where no other folder is given.
pub(crate) const FOLDER: &str = "exchange";

/// The folder that exports and imports are in, and the node's own, where they are not.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    root: PathBuf,
    state_dir: PathBuf,
}

impl Exchange {
    /// `root`: absolute, or relative to the working folder.
    pub(crate) fn new(root: &Path, state_dir: &Path) -> Self {
        Self { root: root.to_path_buf(), state_dir: state_dir.to_path_buf() }
    }

    /// The folder that a request names: relative to the root, or absolute and below it.
    ///
    /// # Errors
    /// It is not below the root, a link on the way leads out of it, or it is among the node's own files.
    pub(crate) fn place(&self, directory: &Path) -> Result<PathBuf, TaskError> {
        let refused = |reason: String| Err(TaskError::directory(directory, reason));
        let root = real(&self.root).map_err(|error| TaskError::directory(&self.root, error))?;
        let place = root.join(directory);
        if place.components().any(|part| part == Component::ParentDir) {
            return refused("has `..` in it; give a plain path".to_owned());
        }
        let found = real(&place).map_err(|error| TaskError::directory(directory, error))?;
        let below = root.display();
        if !found.starts_with(&root) {
            return refused(format!(
                "is not below {below}; give a name there, such as `my_task`, or set the parameter exchange_dir"
            ));
        }
        if found == root {
            return refused(format!("is the folder of all exchanged tasks; give a name below {below}"));
        }
        let own = real(&self.state_dir).map_err(|error| TaskError::directory(&self.state_dir, error))?;
        let root_is_inside = root.starts_with(own.join(FOLDER));
        if found.starts_with(&own) && !root_is_inside {
            return refused("lies in the node's own state folder; give another one".to_owned());
        }
        Ok(found)
    }
}

/// A path without links, as far as it exists.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing: Vec<OsString> = Vec::new();
    for existing in path.ancestors() {
        // A link that leads nowhere yet is there, too.
        if existing.symlink_metadata().is_ok() {
            return Ok(existing.canonicalize()?.join(missing.iter().rev().collect::<PathBuf>()));
        }
        missing.extend(existing.file_name().map(OsString::from));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Places(tempfile::TempDir);

    impl Places {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn place(&self, root: &str, directory: &str) -> Result<PathBuf, String> {
            let exchange = Exchange::new(&self.at(root), &self.at("state"));
            exchange.place(Path::new(directory)).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn names_and_paths_below_the_root_are_taken_before_it_is_there() {
        let places = Places::new();
        let wanted = places.at("state/exchange/mood");
        assert_eq!(places.place("state/exchange", "mood").unwrap(), wanted);
        assert_eq!(places.place("state/exchange", wanted.to_str().unwrap()).unwrap(), wanted);
    }

    #[test]
    fn nothing_outside_is_reached() {
        let places = Places::new();
        std::fs::create_dir_all(places.at("shared")).unwrap();
        std::fs::create_dir_all(places.at("elsewhere")).unwrap();
        std::os::unix::fs::symlink(places.at("elsewhere"), places.at("shared/link")).unwrap();
        std::os::unix::fs::symlink(places.at("nowhere"), places.at("shared/dangling")).unwrap();
        for (directory, reason) in [
            ("/etc", "not below"),
            ("../elsewhere", "`..`"),
            ("link/x", "not below"),
            ("", "give a name"),
            (".", "give a name"),
        ] {
            let refused = places.place("shared", directory).unwrap_err();
            assert!(refused.contains(reason), "{directory}: {refused}");
        }
        assert!(places.place("shared", "dangling/x").is_err());
        let sibling = places.at("shared-too").display().to_string();
        assert!(places.place("shared", &sibling).unwrap_err().contains("exchange_dir"));
    }

    #[test]
    fn the_nodes_own_files_are_not_exchanged_whatever_the_root() {
        let places = Places::new();
        let own = places.at("state/samples/new").display().to_string();
        for root in ["", "state", "state/samples"] {
            assert!(places.place(root, &own).unwrap_err().contains("state folder"), "{root}");
        }
        assert!(places.place("state/exchange", &own).unwrap_err().contains("not below"));
    }
}
