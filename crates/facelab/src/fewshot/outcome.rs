//! Means and their intervals.

use super::method::Method;
use learning::area_under_roc;
use serde::Serialize;
use std::fmt::Write;

/// What a method made of a number of samples.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub method: Method,
    /// Samples a label; of folds, the mean.
    pub shots: usize,
    /// Of all draws.
    pub accuracy: Outcome,
    /// Accuracy of the default minus this method's, draw by draw.
    pub default_is_better_by: Option<Outcome>,
    /// Mean seconds from the samples to the column.
    pub seconds: f32,
}

/// A mean over draws.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub mean: f32,
    /// Half of its 95% interval (Student's t over draws).
    pub interval: f32,
    /// One value a draw.
    pub each: Vec<f32>,
}

/// How known a draw finds faces of the labels that were taught, and strangers.
#[derive(Debug, Clone)]
pub struct Familiarity {
    /// One score a face.
    pub taught: Vec<f32>,
    /// One score a face.
    pub strangers: Vec<f32>,
    /// Mean share that answers keep back for the unknown, over looks of the node, changed at random.
    pub unknown_taught: f32,
    /// The same.
    pub unknown_strangers: f32,
}

/// How well strangers are told from those who were taught.
#[derive(Debug, Clone, Serialize)]
pub struct Strangers {
    pub method: Method,
    /// Samples a label.
    pub shots: usize,
    /// Area under the ROC curve, over draws.
    pub area: Outcome,
    /// Share of strangers that pass as known where 95% of those who were taught do, over draws.
    pub named_at_95: Outcome,
    /// Mean share that answers keep back for the unknown, of faces that were taught, over draws.
    pub unknown_taught: Outcome,
    /// The same, of strangers.
    pub unknown_strangers: Outcome,
    /// The curve of all draws together: share of strangers and of taught faces that pass, threshold falling.
    pub curve: Vec<(f32, f32)>,
}

/// What the default keeps back for the unknown, of the faces that are asked.
#[derive(Debug, Clone, Serialize)]
pub struct Covered {
    /// Samples a label.
    pub shots: usize,
    /// Mean share, of the faces as they are, over draws.
    pub unknown: Outcome,
    /// The same, with mouth and eyes covered.
    pub unknown_covered: Outcome,
}

/// Points of a curve.
const POINTS: usize = 50;

impl Strangers {
    /// From the scores of taught faces and of strangers in each draw.
    pub fn of(method: Method, shots: usize, draws: &[Familiarity]) -> Self {
        let passing = |scores: &[f32], threshold: f32| {
            scores.iter().filter(|&&score| score >= threshold).count() as f32 / scores.len().max(1) as f32
        };
        let outcome = |of: &dyn Fn(&Familiarity) -> f32| Outcome::of(draws.iter().map(of).collect());
        let all = |of: fn(&Familiarity) -> &Vec<f32>| draws.iter().flat_map(of).copied().collect::<Vec<f32>>();
        let (known, strangers) = (all(|draw| &draw.taught), all(|draw| &draw.strangers));
        let curve = (0..=POINTS).map(|at| quantile(&known, 1.0 - at as f32 / POINTS as f32));
        Self {
            method,
            shots,
            area: outcome(&|draw| area_under_roc(&draw.taught, &draw.strangers)),
            named_at_95: outcome(&|draw| passing(&draw.strangers, quantile(&draw.taught, 0.05))),
            unknown_taught: outcome(&|draw| draw.unknown_taught),
            unknown_strangers: outcome(&|draw| draw.unknown_strangers),
            curve: curve.map(|threshold| (passing(&strangers, threshold), passing(&known, threshold))).collect(),
        }
    }
}

fn quantile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get((share * sorted.len().saturating_sub(1) as f32) as usize).copied().unwrap_or(f32::NAN)
}

/// 97.5% quantiles of Student's t for 1 to 19 degrees of freedom.
const STUDENT: [f32; 19] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093,
];

impl Outcome {
    /// From one value a draw.
    pub fn of(each: Vec<f32>) -> Self {
        let n = each.len() as f32;
        let mean = each.iter().sum::<f32>() / n.max(1.0);
        let variance = each.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / (n - 1.0).max(1.0);
        let quantile = match each.len() {
            0 | 1 => f32::NAN,
            n => STUDENT.get(n - 2).copied().unwrap_or(1.96 + 2.6 / n as f32),
        };
        Self { mean, interval: quantile * (variance / n).sqrt(), each }
    }
}

/// A table for the terminal and for Markdown.
pub fn text(rows: &[Row]) -> String {
    let mut text =
        String::from("| shots | method | accuracy | default is better by | seconds |\n|---|---|---|---|---|\n");
    for row in rows {
        let difference = row
            .default_is_better_by
            .as_ref()
            .map_or_else(String::new, |d| format!("{:+.3} ± {:.3}", d.mean, d.interval));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.3} ± {:.3} | {difference} | {:.1} |",
            row.shots,
            row.method.name(),
            row.accuracy.mean,
            row.accuracy.interval,
            row.seconds
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_that_score_lower_are_told_apart() {
        let draw = Familiarity {
            taught: (0..100).map(|at| 5.0 + at as f32 * 0.01).collect(),
            strangers: (0..100).map(|at| at as f32 * 0.0505).collect(),
            unknown_taught: 0.1,
            unknown_strangers: 0.9,
        };
        let found = Strangers::of(Method::Default, 5, &[draw.clone(), draw]);
        assert_eq!((found.unknown_taught.mean, found.unknown_strangers.mean), (0.1, 0.9));
        assert!(found.area.mean > 0.99 && found.named_at_95.mean == 0.0, "{found:?}");
        assert_eq!(found.curve.last(), Some(&(0.0, 1.0)));
    }

    #[test]
    fn the_interval_of_four_draws() {
        let found = Outcome::of(vec![0.5, 0.6, 0.7, 0.8]);
        assert!((found.mean - 0.65).abs() < 1e-6);
        // 3.182 · 0.1291 / 2
        assert!((found.interval - 0.2054).abs() < 1e-3, "{}", found.interval);
        assert!(Outcome::of(vec![0.5]).interval.is_nan());
    }
}
