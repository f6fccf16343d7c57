//! Labelled faces, and where they come from: packs (tar + CSV, PNG sheets) and folder-per-class trees;
//! descriptors of a teacher beside them.

mod described;
mod folder;
mod packs;
mod split;
mod tables;

pub use described::{DESCRIPTOR, DescribedFaces, load_described};
pub use folder::load_folder;
pub(crate) use network::FaceCrop;
pub use packs::{load_pack, load_rows, load_unlabelled};
pub use split::{holdout, stratified_folds};

pub use crate::face::mirrored;

use crate::augment::AugmentConfig;
use crate::looks::{LOOKS, Look};
use network::{FACE_SIZE, Label, NameError};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Faces enlarged so many times around their middle.
pub(crate) fn enlarged(faces: &[FaceCrop], zoom: f32) -> Vec<FaceCrop> {
    let augment = AugmentConfig { zoom, ..AugmentConfig::none() };
    faces.par_iter().map(|face| augment.apply(face, 0)).collect()
}

/// Part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted on it.
    Train,
    /// Settings and calibration are chosen on it.
    Val,
    /// Looked at once, at the end.
    Test,
}

/// Faces with soft labels.
#[derive(Debug, Clone, Default)]
pub struct LabelledFaces {
    /// The task's labels, in the order of the column's outputs.
    pub labels: Vec<Label>,
    /// The pictures.
    pub faces: Vec<FaceCrop>,
    /// One row a face, one share a label; a row sums to 1.
    pub targets: Vec<Vec<f32>>,
}

impl LabelledFaces {
    /// No faces yet.
    pub fn new(labels: Vec<Label>) -> Self {
        Self { labels, ..Self::default() }
    }

    /// Adds a face of one class.
    pub fn push(&mut self, face: FaceCrop, class: usize) {
        let mut target = vec![0.0; self.labels.len()];
        if let Some(share) = target.get_mut(class) {
            *share = 1.0;
        }
        self.push_soft(face, target);
    }

    /// Adds a face with shares of classes.
    pub fn push_soft(&mut self, face: FaceCrop, target: Vec<f32>) {
        self.faces.push(face);
        self.targets.push(target);
    }

    /// Number of faces.
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there is no face.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// The class with the largest share, of each face.
    pub fn classes(&self) -> Vec<usize> {
        self.targets.iter().map(|target| argmax(target)).collect()
    }

    /// Faces per class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for class in self.classes() {
            counts[class] += 1;
        }
        counts
    }

    /// With `share` of each label given to the labels beside it, half to either side: for labels in an order, as age groups,
    /// where a neighbour is less wrong than the others. What would go beyond the ends stays.
    pub fn with_neighbours(mut self, share: f32) -> Self {
        let half = share / 2.0;
        for target in &mut self.targets {
            let last = target.len().saturating_sub(1);
            let mut spread: Vec<f32> = target.iter().map(|t| t * (1.0 - share)).collect();
            for (class, t) in target.iter().enumerate() {
                spread[class.saturating_sub(1)] += t * half;
                spread[(class + 1).min(last)] += t * half;
            }
            *target = spread;
        }
        self
    }

    /// The same labels for every face as a look shows it.
    pub fn seen(&self, look: &Look) -> Self {
        Self { faces: self.faces.par_iter().map(|face| look.at(face)).collect(), ..self.clone() }
    }

    /// The same labels for every face at one of [`LOOKS`], which go round among the faces of a label: in turn over all faces, labels
    /// that alternate would each have looks of their own.
    pub fn seen_in_turn(&self) -> Self {
        let mut seen = vec![0; self.labels.len()];
        let looks: Vec<Look> = self
            .classes()
            .into_iter()
            .map(|class| {
                seen[class] += 1;
                LOOKS[(seen[class] - 1) % LOOKS.len()]
            })
            .collect();
        Self { faces: self.faces.par_iter().zip(looks).map(|(face, look)| look.at(face)).collect(), ..self.clone() }
    }

    /// Every face enlarged so many times around its middle; see [`AugmentConfig::zoom`].
    pub fn enlarged(&self, zoom: f32) -> Self {
        Self { faces: enlarged(&self.faces, zoom), ..self.clone() }
    }

    /// At most `most` faces, spread evenly over all; 0 keeps all.
    pub fn spread(&self, most: usize) -> Self {
        if most == 0 || self.len() <= most {
            return self.clone();
        }
        self.select(&(0..most).map(|at| at * self.len() / most).collect::<Vec<_>>())
    }

    /// The faces at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            labels: self.labels.clone(),
            faces: indices.iter().map(|&i| self.faces[i].clone()).collect(),
            targets: indices.iter().map(|&i| self.targets[i].clone()).collect(),
        }
    }
}

/// Index of the largest value; 0 for none.
pub fn argmax(values: &[f32]) -> usize {
    values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at)
}

/// A labelled data set with its parts.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Name for reports: the folder's.
    pub name: String,
    /// The task's labels.
    pub labels: Vec<Label>,
    /// To fit weights on.
    pub train: LabelledFaces,
    /// To choose settings on.
    pub val: LabelledFaces,
    /// To report.
    pub test: LabelledFaces,
}

impl Dataset {
    fn new(name: String, labels: Vec<Label>) -> Self {
        let empty = LabelledFaces::new(labels.clone());
        Self { name, labels, train: empty.clone(), val: empty.clone(), test: empty }
    }

    fn part_mut(&mut self, split: Split) -> &mut LabelledFaces {
        match split {
            Split::Train => &mut self.train,
            Split::Val => &mut self.val,
            Split::Test => &mut self.test,
        }
    }

    /// One part, or all of them together for `None`.
    pub fn part(&self, split: Option<Split>) -> LabelledFaces {
        match split {
            Some(Split::Train) => self.train.clone(),
            Some(Split::Val) => self.val.clone(),
            Some(Split::Test) => self.test.clone(),
            None => {
                let mut all = self.train.clone();
                for part in [&self.val, &self.test] {
                    all.faces.extend(part.faces.iter().cloned());
                    all.targets.extend(part.targets.iter().cloned());
                }
                all
            }
        }
    }
}

/// Why data could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// A table cannot be read.
    #[error("{}: {error}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: csv::Error,
    },
    /// A picture cannot be decoded.
    #[error("{}: {name}: {error}", path.display())]
    Picture {
        /// The archive or folder.
        path: PathBuf,
        /// The picture.
        name: String,
        /// What is wrong with it.
        #[source]
        error: image::ImageError,
    },
    /// The data has no labels for the task.
    #[error("{}: no labels for task '{task}'; columns: {columns}", path.display())]
    NoTask {
        /// The table.
        path: PathBuf,
        /// The task.
        task: String,
        /// What the table has.
        columns: String,
    },
    /// A label has a form that is not allowed.
    #[error("{}: {error}", path.display())]
    Label {
        /// The table or folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: NameError,
    },
    /// Nothing to learn from.
    #[error("{}: {reason}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
}

pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> DataError + '_ {
    move |error| DataError::Io { path: path.to_owned(), error }
}

/// Any data set: a pack when the folder has a `labels.csv`, else one folder per class. `column` overrides the table's
/// column for the task (packs only).
///
/// # Errors
/// The data cannot be read or has no labels for the task.
pub fn load(path: &Path, task: &str, column: Option<&str>, seed: u64) -> Result<Dataset, DataError> {
    if path.join("labels.csv").is_file() { load_pack(path, task, column) } else { load_folder(path, seed) }
}

/// A decoded picture as an aligned face: grey, 128×128.
pub(crate) fn to_face(picture: &image::DynamicImage) -> FaceCrop {
    let grey = picture.to_luma8();
    let side = FACE_SIZE as u32;
    let fits = grey.dimensions() == (side, side);
    let fitting =
        if fits { grey } else { image::imageops::resize(&grey, side, side, image::imageops::FilterType::CatmullRom) };
    FaceCrop::from_fn(|at| fitting.as_raw()[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_get_their_share_and_rows_still_sum_to_one() {
        let mut faces = LabelledFaces::new(["a", "b", "c"].map(|label| label.parse().unwrap()).to_vec());
        faces.push(FaceCrop::from_fn(|_| 0), 1);
        faces.push(FaceCrop::from_fn(|_| 1), 0);
        let soft = faces.with_neighbours(0.25);
        assert_eq!(soft.targets, [vec![0.125, 0.75, 0.125], vec![0.875, 0.125, 0.0]]);
        assert_eq!(soft.classes(), [1, 0]);
    }

    #[test]
    fn a_limit_takes_faces_from_the_whole_set() {
        let mut all = LabelledFaces::new(vec!["a".parse().unwrap(), "b".parse().unwrap()]);
        for at in 0..10_u8 {
            all.push(FaceCrop::from_fn(|_| at), usize::from(at >= 5));
        }
        assert_eq!(all.spread(4).counts(), [2, 2]);
        assert_eq!(all.spread(0).len(), 10);
    }
}
