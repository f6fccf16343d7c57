//! Trainings that run or wait, remembered on disk so that a restart takes them up again.

use std::path::{Path, PathBuf};

use network::{Label, TaskName};
use serde::{Deserialize, Serialize};

use crate::TaskKind;
use crate::model::disk::{self, Access, Links};
use crate::model::manifest::{SCHEMA, read_yaml};
use crate::model::store_error::StoreError;

const QUEUE: &str = "queue.yaml";
/// A training that took the program down with it so often is not tried again.
pub(crate) const MAX_ATTEMPTS: u32 = 3;

/// One training to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobSpec {
    pub(crate) name: TaskName,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) kind: TaskKind,
    pub(crate) labels: Vec<Label>,
    /// Of an identity task the people who are learned; those who are not named stay as they are. Empty: all are learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) learned: Vec<Label>,
    pub(crate) sources: Vec<TaskName>,
    pub(crate) transferable: bool,
    pub(crate) epochs: u32,
    /// How often it was begun without coming to an end.
    #[serde(default)]
    pub(crate) attempts: u32,
}

impl JobSpec {
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueRecord {
    schema: u32,
    jobs: Vec<JobSpec>,
}

/// The list on disk, the running training first.
#[derive(Debug)]
pub(crate) struct QueueFile {
    path: PathBuf,
}

impl QueueFile {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join(QUEUE) }
    }

    pub(crate) fn read(&self) -> Result<Vec<JobSpec>, StoreError> {
        if !self.path.try_exists().map_err(StoreError::io(&self.path))? {
            return Ok(Vec::new());
        }
        Ok(read_yaml::<QueueRecord>(&self.path, Links::Refused)?.jobs)
    }

    /// As [`Self::read`]; a list that cannot be understood is kept under another name, and nothing waits.
    pub(crate) fn read_or_set_aside(&self) -> Result<Vec<JobSpec>, StoreError> {
        match self.read() {
            Err(error) if error.is_of_the_file() => {
                tracing::error!(
                    "trainings that waited are lost, their samples are not; call add_task again: {}",
                    error.without_labels()
                );
                disk::set_aside(&self.path).map_err(StoreError::io(&self.path))?;
                Ok(Vec::new())
            }
            read => read,
        }
    }

    pub(crate) fn write(&self, jobs: Vec<JobSpec>) -> Result<(), StoreError> {
        let record = QueueRecord { schema: SCHEMA, jobs };
        let text = serde_yaml::to_string(&record)
            .map_err(|error| StoreError::Manifest { path: self.path.clone(), reason: error.to_string() })?;
        disk::write_atomic(&self.path, text.as_bytes(), Access::Private).map_err(StoreError::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_queue_is_kept_aside_and_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueFile::new(dir.path());
        std::fs::write(dir.path().join(QUEUE), "schema: 1\njobs: [").unwrap();
        assert_eq!(queue.read_or_set_aside().unwrap(), []);
        assert!(dir.path().join("damaged-1-queue.yaml").exists() && !dir.path().join(QUEUE).exists());
    }

    #[test]
    fn the_queue_is_read_back_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueFile::new(dir.path());
        assert_eq!(queue.read().unwrap(), []);
        let job = |name: &str| JobSpec {
            name: name.parse().unwrap(),
            version: 2,
            kind: TaskKind::Identity,
            learned: vec!["- c".parse().unwrap()],
            labels: vec!["a: b".parse().unwrap(), "- c".parse().unwrap()],
            sources: vec!["emotion".parse().unwrap()],
            transferable: true,
            epochs: 7,
            attempts: 1,
        };
        let jobs = vec![job("second"), job("first")];
        queue.write(jobs.clone()).unwrap();
        assert_eq!(queue.read().unwrap(), jobs);
    }
}
