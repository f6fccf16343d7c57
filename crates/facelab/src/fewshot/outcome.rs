//! Means and their intervals.

use super::methods::Method;
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
    fn the_interval_of_four_draws() {
        let found = Outcome::of(vec![0.5, 0.6, 0.7, 0.8]);
        assert!((found.mean - 0.65).abs() < 1e-6);
        // 3.182 · 0.1291 / 2
        assert!((found.interval - 0.2054).abs() < 1e-3, "{}", found.interval);
        assert!(Outcome::of(vec![0.5]).interval.is_nan());
    }
}
