//! One training of an experiment.

use anyhow::Context;
use learning::EpochRecord;
use learning::data::{self, LabelledFaces, stratified_folds};
use network::TaskName;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Folds where data has one part only, as LFW's 50 identities: one is asked for, the others are learned.
const FOLDS: usize = 4;

/// A training: a task's column on an encoder, with or without sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The task.
    pub task: TaskName,
    /// Columns that it draws from.
    pub sources: Vec<TaskName>,
    /// Whether the encoder learns too.
    pub retrained: bool,
    /// Which repetition: seeds and folds differ.
    pub run: u32,
}

impl Cell {
    /// Without sources, on a frozen encoder.
    pub fn plain(task: &TaskName, run: u32) -> Self {
        Self { task: task.clone(), sources: Vec::new(), retrained: false, run }
    }

    /// The name of its file.
    pub fn id(&self) -> String {
        let sources: Vec<&str> = self.sources.iter().map(TaskName::as_str).collect();
        let from = if sources.is_empty() { String::new() } else { format!("-from-{}", sources.join("-")) };
        format!("{}{from}{}-run{}", self.task, if self.retrained { "-retrained" } else { "" }, self.run)
    }
}

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CellResult {
    /// The training.
    pub cell: Cell,
    /// Share of test faces that were right.
    pub accuracy: f32,
    /// Test faces.
    pub tested: usize,
    /// Faces learned from.
    pub trained: usize,
    /// One record an epoch; none for a retrained encoder.
    pub curve: Vec<EpochRecord>,
    /// Seconds of training and test.
    pub seconds: f32,
}

/// A task's faces as an experiment parts them.
pub struct TaskData {
    pub train: LabelledFaces,
    /// Empty: a share of `train` is held back.
    pub validation: LabelledFaces,
    pub test: LabelledFaces,
}

impl TaskData {
    /// From a pack or folder. Without a test part, the validation part is asked for; with a test part alone, a fold of it, by
    /// the run. At most `subset` faces are learned from; 0: all.
    ///
    /// # Errors
    /// The data cannot be read.
    pub fn load(path: &Path, task: &TaskName, subset: usize, run: u32) -> anyhow::Result<Self> {
        let all = data::load(path, task.as_str(), None, 0).with_context(|| format!("reading {}", path.display()))?;
        let nothing = LabelledFaces::new(all.labels.clone());
        let mut parts = if all.train.is_empty() {
            let folds = stratified_folds(&all.test, FOLDS, 0);
            let asked = run as usize % FOLDS;
            let learned = (0..FOLDS).filter(|&fold| fold != asked).flat_map(|fold| folds[fold].clone());
            Self {
                train: all.test.select(&learned.collect::<Vec<_>>()),
                validation: nothing,
                test: all.test.select(&folds[asked]),
            }
        } else if all.test.is_empty() {
            Self { train: all.train, validation: nothing, test: all.val }
        } else {
            Self { train: all.train, validation: all.val, test: all.test }
        };
        parts.train = parts.train.spread(subset);
        parts.validation = parts.validation.spread(subset);
        parts.test = parts.test.spread(subset);
        Ok(parts)
    }

    /// With faces enlarged so many times around their middle.
    pub fn enlarged(self, zoom: f32) -> Self {
        if zoom == 1.0 {
            return self;
        }
        Self {
            train: self.train.enlarged(zoom),
            validation: self.validation.enlarged(zoom),
            test: self.test.enlarged(zoom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_file_of_its_own() {
        let name = |text: &str| -> TaskName { text.parse().unwrap() };
        let plain = Cell::plain(&name("age"), 2);
        assert_eq!(plain.id(), "age-run2");
        assert_eq!(Cell { retrained: true, ..plain.clone() }.id(), "age-retrained-run2");
        assert_eq!(
            Cell { sources: vec![name("gender"), name("emotion")], ..plain }.id(),
            "age-from-gender-emotion-run2"
        );
    }
}
