//! One training of an experiment.

use anyhow::{Context, bail};
use learning::data::{self, LabelledFaces, holdout, stratified_folds};
use learning::{ColumnTrainingConfig, EpochRecord};
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
    /// To choose the epoch by.
    pub validation: LabelledFaces,
    pub test: LabelledFaces,
    /// Whether what is asked for is learned from in other runs.
    pub in_folds: bool,
}

impl TaskData {
    /// From a pack or folder. Without a test part, the validation part is asked for; with a test part alone, a fold of it, by
    /// the run; a fifth of the training part is the validation part then. At most `subset` faces are learned from and asked
    /// for, and a quarter as many choose the epoch; 0: all.
    ///
    /// # Errors
    /// The data cannot be read, or has one part alone that is not for tests.
    pub fn load(path: &Path, task: &TaskName, subset: usize, run: u32) -> anyhow::Result<Self> {
        let all = data::load(path, task.as_str(), None, 0).with_context(|| format!("reading {}", path.display()))?;
        let in_folds = all.train.is_empty();
        let (train, validation, test) = if in_folds {
            let folds = stratified_folds(&all.test, FOLDS, 0);
            let asked = run as usize % FOLDS;
            let learned = (0..FOLDS).filter(|&fold| fold != asked).flat_map(|fold| folds[fold].clone());
            (all.test.select(&learned.collect::<Vec<_>>()), None, all.test.select(&folds[asked]))
        } else if all.test.is_empty() {
            (all.train, None, all.val)
        } else {
            (all.train, Some(all.val), all.test)
        };
        let (train, validation) = match validation.filter(|validation| !validation.is_empty()) {
            Some(validation) => (train, validation),
            None => {
                let share = ColumnTrainingConfig::default().validation_share;
                let (learned, held_back) = holdout(&train, share, u64::from(run));
                (train.select(&learned), train.select(&held_back))
            }
        };
        if test.is_empty() {
            bail!("{}: no faces to ask for: it has neither a test nor a val part", path.display());
        }
        let (train, test) = (train.spread(subset), test.spread(subset));
        Ok(Self { train, validation: validation.spread(subset.div_ceil(4)), test, in_folds })
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
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pack whose pictures are of one grey each: from 0 in its training part, from 100 in the other.
    fn pack(dir: &Path, parts: &[(&str, u8)]) {
        let mut tar = tar::Builder::new(std::fs::File::create(dir.join("faces.tar")).unwrap());
        let mut table = String::from("file,split,way\n");
        for (part, first) in parts {
            for at in 0..20u8 {
                let name = format!("{part}{at}.png");
                let mut png = std::io::Cursor::new(Vec::new());
                let grey = image::GrayImage::from_pixel(8, 8, image::Luma([first + at]));
                grey.write_to(&mut png, image::ImageFormat::Png).unwrap();
                let mut header = tar::Header::new_gnu();
                header.set_size(png.get_ref().len() as u64);
                header.set_mode(0o644);
                tar.append_data(&mut header, &name, png.get_ref().as_slice()).unwrap();
                table += &format!("{name},{part},{}\n", if at % 2 == 0 { "up" } else { "down" });
            }
        }
        tar.finish().unwrap();
        std::fs::write(dir.join("labels.csv"), table).unwrap();
    }

    #[test]
    fn faces_that_choose_the_epoch_are_neither_learned_from_nor_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        pack(dir.path(), &[("train", 0), ("val", 100)]);
        let load = |subset| TaskData::load(dir.path(), &"way".parse().unwrap(), subset, 0).unwrap();
        let greys = |faces: &LabelledFaces| faces.faces.iter().map(|face| face[0]).collect::<Vec<u8>>();
        let data = load(0);
        assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (16, 4, 20));
        assert!(greys(&data.validation).iter().all(|grey| *grey < 100 && !greys(&data.train).contains(grey)));
        assert!(greys(&data.test).iter().all(|grey| *grey >= 100));
        let some = load(8);
        assert_eq!((some.train.len(), some.validation.len(), some.test.len()), (8, 2, 8));
    }

    #[test]
    fn data_without_faces_to_ask_for_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        pack(dir.path(), &[("train", 0)]);
        let refused = TaskData::load(dir.path(), &"way".parse().unwrap(), 0, 0).err().unwrap();
        assert!(refused.to_string().contains("no faces to ask for"), "{refused:#}");
    }

    #[test]
    fn one_part_alone_is_asked_for_fold_by_fold() {
        let dir = tempfile::tempdir().unwrap();
        pack(dir.path(), &[("eval", 0)]);
        let mut asked: Vec<u8> = Vec::new();
        for run in 0..4 {
            let data = TaskData::load(dir.path(), &"way".parse().unwrap(), 0, run).unwrap();
            assert!(data.in_folds);
            asked.extend(data.test.faces.iter().map(|face| face[0]));
        }
        asked.sort_unstable();
        assert_eq!(asked, (0..20).collect::<Vec<u8>>());
    }

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
