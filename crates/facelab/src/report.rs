//! What an evaluation found, for people and as JSON.

use crate::labels;
use learning::data::argmax;
use learning::{Accuracy, Calibration, Confusion, Corruption, LabelledFaces, ReliabilityBin};
use network::weights::sha256;
use network::{FaceCrop, Label};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Figures of one column on one part of a data set. Shares are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Faces evaluated.
    pub n: usize,
    /// Share of faces given the right label.
    pub accuracy: f32,
    /// Lower end of its 95% Wilson interval.
    pub accuracy_low: f32,
    /// Upper end.
    pub accuracy_high: f32,
    /// What always answering the most frequent label would reach.
    pub majority: f32,
    /// Mean of the recalls: accuracy if every label were equally frequent.
    pub mean_recall: f32,
    /// Labels in the order of the lists below.
    pub labels: Vec<Label>,
    /// Per label the share of its faces that were given it; none for a label without faces.
    pub per_class_recall: Vec<Option<f32>>,
    /// `confusion[truth][answer]`, counts.
    pub confusion: Vec<Vec<u32>>,
    /// Share at most one group away, for labels with an order.
    pub within_one: Option<f32>,
    /// Expected calibration error with the column's temperature.
    pub ece: f32,
    /// Expected calibration error of the bare softmax.
    pub ece_uncalibrated: f32,
    /// The column's temperature.
    pub temperature: f32,
    /// Answers by confidence, with the temperature.
    pub reliability: Vec<ReliabilityBin>,
}

impl Figures {
    /// From the logits of each face and its true class.
    pub fn new(labels: &[Label], logits: &[Vec<f32>], truth: &[usize], calibration: &Calibration) -> Self {
        let confusion = Confusion::new(labels.len(), logits, truth);
        let Accuracy { value, low, high, .. } = confusion.accuracy();
        let closed = |calibration: &Calibration| -> Vec<Vec<f32>> {
            logits.iter().map(|row| calibration.closed_set(row)).collect()
        };
        let ece = |calibration| learning::expected_calibration_error(&closed(calibration), truth);
        let recall = confusion.recall();
        Self {
            n: logits.len(),
            accuracy: value,
            accuracy_low: low,
            accuracy_high: high,
            majority: confusion.majority(),
            mean_recall: confusion.mean_recall(),
            labels: labels.to_vec(),
            within_one: labels::are_ordered(labels).then(|| confusion.within_one()),
            per_class_recall: recall,
            ece: ece(calibration),
            ece_uncalibrated: ece(&Calibration::default()),
            temperature: calibration.temperature,
            reliability: learning::reliability(&closed(calibration), truth),
            confusion: confusion.counts,
        }
    }

    /// The label that a label is most often mistaken for, with the share.
    fn mistaken_for(&self, truth: usize) -> Option<(&Label, f32)> {
        let row = &self.confusion[truth];
        let total: u32 = row.iter().sum();
        let others = row.iter().enumerate().filter(|&(answer, &count)| answer != truth && count > 0);
        // The first of equals.
        let (answer, &count) = others.rev().max_by_key(|&(_, &count)| count)?;
        Some((&self.labels[answer], count as f32 / total as f32))
    }
}

/// What a column says of faces that something is wrong with. Shares are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Corrupted {
    /// What was done to the faces.
    pub corruption: Corruption,
    /// Mean of the share kept back for the unknown.
    pub unknown: f32,
    /// Share of the faces for which that is the largest share: they get no label.
    pub without_label: f32,
    /// Share of the others that are given the right label; none when no face is.
    pub accuracy_of_labelled: Option<f32>,
}

impl Corrupted {
    /// From the logits of each face and its true class.
    pub fn new(corruption: Corruption, logits: &[Vec<f32>], truth: &[usize], calibration: &Calibration) -> Self {
        let count = logits.len().max(1) as f32;
        let (mut unknown, mut labelled, mut right) = (0.0, 0, 0);
        for (row, &truth) in logits.iter().zip(truth) {
            let (shares, of_unknown) = calibration.posterior(row);
            unknown += of_unknown / count;
            let answer = argmax(&shares);
            if shares[answer] >= of_unknown {
                labelled += 1;
                right += usize::from(answer == truth);
            }
        }
        Self {
            corruption,
            unknown,
            without_label: 1.0 - labelled as f32 / count,
            accuracy_of_labelled: (labelled > 0).then(|| right as f32 / labelled as f32),
        }
    }

    fn name(&self) -> &'static str {
        match self.corruption {
            Corruption::None => "as they are",
            Corruption::Blur => "blurred",
            Corruption::StrongBlur => "strongly blurred",
            Corruption::EyesCovered => "eyes covered",
            Corruption::MouthCovered => "mouth covered",
            Corruption::HalfCovered => "half covered",
            Corruption::MouthAndEyesCovered => "mouth and eyes covered",
        }
    }
}

/// An evaluation with all that is needed to repeat it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The task.
    pub task: String,
    /// Name of the data set.
    pub data: String,
    /// Part of the data set.
    pub split: String,
    /// Figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// By column of the table and by what it says of a face: how many there are and how many were right.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, BTreeMap<String, Accuracy>>,
    /// What it says of the same faces blurred and covered, one look at each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrupted: Vec<Corrupted>,
    /// Labels of the data that the model does not know, with the number of faces left out.
    pub left_out: BTreeMap<String, usize>,
    /// How many looks at a face its logits are the mean of; 1: at the face as it is.
    pub looks: usize,
    /// Labels of the model that the data does not have.
    pub labels_not_in_data: Vec<Label>,
    /// Name of the model.
    pub model: String,
    /// SHA-256 of the model's manifest, which holds those of all its files.
    pub model_sha256: String,
    /// SHA-256 of the column's file.
    pub column_sha256: String,
    /// SHA-256 of the labels, pixels and classes evaluated, in order.
    pub data_sha256: String,
    /// The device and why.
    pub device: String,
    /// Seconds that the network took.
    pub seconds: f32,
    /// The command as it was typed.
    pub command: String,
}

fn percent(share: f32) -> String {
    format!("{:.1}%", share * 100.0)
}

impl Report {
    /// A table for the terminal.
    pub fn text(&self) -> String {
        let f = &self.figures;
        let mut text = String::new();
        let mut line = |content: std::fmt::Arguments| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{content}");
        };
        line(format_args!("{} on {}/{}: {} faces", self.task, self.data, self.split, f.n));
        line(format_args!(
            "  accuracy           {:>6}  (95% interval {} to {})",
            percent(f.accuracy),
            percent(f.accuracy_low),
            percent(f.accuracy_high)
        ));
        line(format_args!("  majority           {:>6}", percent(f.majority)));
        line(format_args!("  mean recall        {:>6}", percent(f.mean_recall)));
        if let Some(share) = f.within_one {
            line(format_args!("  within one group   {:>6}", percent(share)));
        }
        line(format_args!(
            "  calibration error  {:>6}  ({} without the temperature of {:.2})",
            percent(f.ece),
            percent(f.ece_uncalibrated),
            f.temperature
        ));
        let width = f.labels.iter().map(|label| label.as_ref().chars().count()).max().unwrap_or(0).max(5);
        line(format_args!("  {:width$}  {:>6}  {:>6}  mostly mistaken for", "label", "faces", "recall"));
        for (at, label) in f.labels.iter().enumerate() {
            let faces: u32 = f.confusion[at].iter().sum();
            let recall = f.per_class_recall[at].map_or_else(|| "-".to_owned(), percent);
            let mistaken =
                f.mistaken_for(at).map_or_else(String::new, |(other, share)| format!("{other} {}", percent(share)));
            line(format_args!("  {:width$}  {faces:>6}  {recall:>6}  {mistaken}", label.as_ref()));
        }
        for (column, groups) in &self.groups {
            for (group, accuracy) in groups {
                line(format_args!(
                    "  {column} {group}: {} of {} faces (95% interval {} to {})",
                    percent(accuracy.value),
                    accuracy.held_back,
                    percent(accuracy.low),
                    percent(accuracy.high)
                ));
            }
        }
        if !self.corrupted.is_empty() {
            line(format_args!("  {:22}  {:>7}  {:>8}  right of the others", "faces", "unknown", "no label"));
        }
        for found in &self.corrupted {
            line(format_args!(
                "  {:22}  {:>7}  {:>8}  {}",
                found.name(),
                percent(found.unknown),
                percent(found.without_label),
                found.accuracy_of_labelled.map_or_else(|| "-".to_owned(), percent)
            ));
        }
        for (label, count) in &self.left_out {
            line(format_args!("  left out: {count} faces of '{label}', which the model does not know"));
        }
        text
    }
}

/// SHA-256 of faces, in order.
pub fn digest_of_faces(faces: &[FaceCrop]) -> String {
    let each: Vec<String> = faces.par_iter().map(|face| sha256(face.as_slice())).collect();
    sha256(each.concat().as_bytes())
}

/// SHA-256 of what is evaluated: labels, then pixels and class of each face.
pub fn digest(faces: &LabelledFaces) -> String {
    let mut bytes = Vec::with_capacity(faces.len() * (network::FACE_PIXELS + 4));
    for label in &faces.labels {
        bytes.extend(label.as_ref().as_bytes());
        bytes.push(0);
    }
    for (face, class) in faces.faces.iter().zip(faces.classes()) {
        bytes.extend_from_slice(face.as_slice());
        bytes.extend((class as u32).to_le_bytes());
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn figures_of_a_known_case() {
        let logits = vec![vec![2.0, 0.0, 0.0], vec![0.0, 2.0, 0.0], vec![2.0, 0.0, 0.0], vec![2.0, 0.0, 0.0]];
        let figures = Figures::new(&labels(&["0-2", "3-9", "10+"]), &logits, &[0, 1, 1, 2], &Calibration::default());
        assert_eq!(figures.confusion, [[1, 0, 0], [1, 1, 0], [1, 0, 0]]);
        assert_eq!((figures.n, figures.accuracy, figures.majority), (4, 0.5, 0.5));
        assert_eq!(figures.per_class_recall, [Some(1.0), Some(0.5), Some(0.0)]);
        assert_eq!(figures.mean_recall, 0.5);
        assert_eq!(figures.within_one, Some(0.75));
        assert_eq!(figures.ece, figures.ece_uncalibrated);
        assert_eq!(figures.mistaken_for(2).map(|(label, share)| (label.to_string(), share)), Some(("0-2".into(), 1.0)));
        assert_eq!(figures.mistaken_for(0), None);
    }

    #[test]
    fn faces_without_a_label_are_not_counted_as_wrong() {
        let calibration = Calibration { energy_threshold: 2.0, energy_scale: 0.5, ..Calibration::default() };
        let logits = vec![vec![6.0, 0.0], vec![0.0, 6.0], vec![0.0, 0.0], vec![0.1, 0.0]];
        let found = Corrupted::new(Corruption::Blur, &logits, &[0, 0, 1, 0], &calibration);
        assert_eq!((found.without_label, found.accuracy_of_labelled), (0.5, Some(0.5)));
        assert!((0.45..0.55).contains(&found.unknown));
        let nothing = Corrupted::new(Corruption::Blur, &logits[2..], &[1, 0], &calibration);
        assert_eq!(nothing.accuracy_of_labelled, None);
    }

    #[test]
    fn a_temperature_changes_the_calibration_error_and_nothing_else() {
        let logits: Vec<Vec<f32>> = (0..40).map(|_| vec![4.0, 0.0]).collect();
        let truth: Vec<usize> = (0..40).map(|at| usize::from(at % 4 == 0)).collect();
        let names = labels(&["a", "b"]);
        let cooled = Calibration { temperature: 3.64, ..Calibration::default() };
        let figures = Figures::new(&names, &logits, &truth, &cooled);
        assert!(figures.ece < 0.01 && figures.ece_uncalibrated > 0.2, "{figures:?}");
        assert_eq!(figures.accuracy, 0.75);
        assert_eq!(figures.within_one, None);
    }

    #[test]
    fn another_face_label_or_class_gives_another_digest() {
        let data = |names: &[&str], pixel: u8, class| {
            let mut data = LabelledFaces::new(labels(names));
            data.push(FaceCrop::from_fn(|_| pixel), class);
            digest(&data)
        };
        let all = [data(&["a", "b"], 1, 0), data(&["a", "b"], 1, 1), data(&["a", "b"], 2, 0), data(&["a", "c"], 1, 0)];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one));
        }
        assert_eq!(all[0], data(&["a", "b"], 1, 0));
    }
}
