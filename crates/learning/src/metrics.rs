//! Accuracy with its interval, confusion matrix, calibration error.

use crate::data::argmax;
use serde::{Deserialize, Serialize};

/// Accuracy on held-back faces with its 95% Wilson score interval, all in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Share of faces given the right label.
    pub value: f32,
    /// Lower bound.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
    /// Number of held-back faces.
    pub held_back: u32,
}

impl Accuracy {
    /// As a person reads it.
    pub fn in_words(&self) -> String {
        if self.held_back == 0 {
            return "accuracy not measured: a label has one sample alone".to_owned();
        }
        let right = self.value * self.held_back as f32;
        let [low, high] = [self.low, self.high].map(|share| 100.0 * share);
        format!("{right:.0} of {} held-back samples right: between {low:.0}% and {high:.0}%", self.held_back)
    }

    /// From counts; with no faces nothing is known: 0 to 1.
    pub fn of(right: usize, total: usize) -> Self {
        if total == 0 {
            return Self { value: 0.0, low: 0.0, high: 1.0, held_back: 0 };
        }
        const Z: f64 = 1.959_964;
        let (n, p) = (total as f64, right as f64 / total as f64);
        let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        Self {
            value: p as f32,
            low: (centre - half).max(0.0) as f32,
            high: (centre + half).min(1.0) as f32,
            held_back: total as u32,
        }
    }
}

/// How often each class was taken for which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// `counts[truth][answer]`.
    pub counts: Vec<Vec<u32>>,
}

impl Confusion {
    /// Counts answers (the largest of each row) against the true classes.
    pub fn new(classes: usize, rows: &[Vec<f32>], truth: &[usize]) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (row, &class) in rows.iter().zip(truth) {
            counts[class][argmax(row)] += 1;
        }
        Self { counts }
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> Accuracy {
        let right: u32 = self.counts.iter().enumerate().map(|(at, row)| row[at]).sum();
        let total: u32 = self.counts.iter().flatten().sum();
        Accuracy::of(right as usize, total as usize)
    }

    /// Share of right answers among the faces of each class; `None` for a class without faces.
    pub fn recall(&self) -> Vec<Option<f32>> {
        self.counts
            .iter()
            .enumerate()
            .map(|(at, row)| {
                let total: u32 = row.iter().sum();
                (total > 0).then(|| row[at] as f32 / total as f32)
            })
            .collect()
    }

    /// The mean of [`Self::recall`] over the classes with faces, also known as balanced accuracy: a rare class counts as much as
    /// a frequent one.
    pub fn mean_recall(&self) -> f32 {
        let recalls: Vec<f32> = self.recall().into_iter().flatten().collect();
        recalls.iter().sum::<f32>() / recalls.len().max(1) as f32
    }

    /// Share of the largest class: what always answering it would reach.
    pub fn majority(&self) -> f32 {
        let totals: Vec<u32> = self.counts.iter().map(|row| row.iter().sum()).collect();
        let all: u32 = totals.iter().sum();
        totals.iter().max().map_or(0.0, |&largest| if all > 0 { largest as f32 / all as f32 } else { 0.0 })
    }

    /// Share of answers at most one class away from the truth; for ordered classes such as age groups.
    pub fn within_one(&self) -> f32 {
        let (mut near, mut all) = (0u32, 0u32);
        for (truth, row) in self.counts.iter().enumerate() {
            for (answer, &count) in row.iter().enumerate() {
                all += count;
                near += if truth.abs_diff(answer) <= 1 { count } else { 0 };
            }
        }
        if all > 0 { near as f32 / all as f32 } else { 0.0 }
    }
}

/// Bins of confidence.
const BINS: usize = 15;

/// Answers of about the same confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Their number.
    pub count: u32,
    /// Their mean confidence, [0, 1]; 0 for none.
    pub confidence: f32,
    /// Share of them that was right.
    pub accuracy: f32,
}

/// Answers by their confidence, in 15 bins of equal width.
pub fn reliability(probabilities: &[Vec<f32>], truth: &[usize]) -> Vec<ReliabilityBin> {
    let mut sums = [(0u32, 0.0f64, 0u32); BINS];
    for (row, &class) in probabilities.iter().zip(truth) {
        let answer = argmax(row);
        let confidence = f64::from(row.get(answer).copied().unwrap_or(0.0));
        let (count, confidences, right) = &mut sums[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *count += 1;
        *confidences += confidence;
        *right += u32::from(answer == class);
    }
    let bin = |(count, confidences, right): (u32, f64, u32)| match count {
        0 => ReliabilityBin::default(),
        _ => ReliabilityBin {
            count,
            confidence: (confidences / f64::from(count)) as f32,
            accuracy: right as f32 / count as f32,
        },
    };
    sums.map(bin).to_vec()
}

/// Expected calibration error over 15 bins of confidence (Guo et al. 2017): the mean gap between confidence and accuracy.
pub fn expected_calibration_error(probabilities: &[Vec<f32>], truth: &[usize]) -> f32 {
    let bins = reliability(probabilities, truth);
    let gaps = bins.iter().map(|bin| bin.count as f32 * (bin.confidence - bin.accuracy).abs());
    gaps.sum::<f32>() / probabilities.len().max(1) as f32
}

/// Area under the ROC curve of scores that should be higher for `positive`: the chance that one of them is higher than one
/// of `negative`.
pub fn area_under_roc(positive: &[f32], negative: &[f32]) -> f32 {
    let mut negative: Vec<f32> = negative.to_vec();
    negative.sort_by(f32::total_cmp);
    let below = |score: &f32| {
        let lower = negative.partition_point(|other| other < score);
        let equal = negative.partition_point(|other| other <= score) - lower;
        lower as f64 + equal as f64 / 2.0
    };
    let sum: f64 = positive.iter().map(below).sum();
    (sum / (positive.len() * negative.len()).max(1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wilson_interval_of_a_known_case() {
        // 45 of 50: Wilson gives 0.786 to 0.957 (Brown, Cai, DasGupta 2001).
        let accuracy = Accuracy::of(45, 50);
        assert!((accuracy.low - 0.786).abs() < 1e-3 && (accuracy.high - 0.957).abs() < 1e-3, "{accuracy:?}");
        assert_eq!(Accuracy::of(0, 0).high, 1.0);
    }

    #[test]
    fn a_confusion_matrix_counts_truth_by_answer() {
        let rows = [vec![0.9, 0.1], vec![0.2, 0.8], vec![0.6, 0.4]];
        let confusion = Confusion::new(2, &rows, &[0, 1, 1]);
        assert_eq!(confusion.counts, [[1, 0], [1, 1]]);
        assert_eq!(confusion.recall(), [Some(1.0), Some(0.5)]);
        assert!((confusion.majority() - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_area_under_the_curve_counts_pairs_in_the_right_order() {
        assert_eq!(area_under_roc(&[2.0, 3.0], &[1.0, 0.0]), 1.0);
        assert_eq!(area_under_roc(&[2.0, 0.5], &[1.0, 0.0]), 0.75);
        assert_eq!(area_under_roc(&[1.0], &[1.0]), 0.5);
    }

    #[test]
    fn calibration_error_is_the_gap_between_confidence_and_accuracy() {
        let sure = vec![vec![0.9, 0.1]; 10];
        let half_right: Vec<usize> = (0..10).map(|i| i % 2).collect();
        assert!((expected_calibration_error(&sure, &half_right) - 0.4).abs() < 1e-6);
    }
}
