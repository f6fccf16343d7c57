//! From logits to probabilities that mean what they say, with a share kept back for the unknown.

use serde::{Deserialize, Serialize};

/// Temperature scaling (Guo et al. 2017) and an open-set score from the free energy (Liu et al. 2020).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Logits are divided by it, > 0.
    pub temperature: f32,
    /// log Σ exp(logits) below which a face counts as unlike those that were learned.
    pub energy_threshold: f32,
    /// Width of the passage from known to unknown, > 0, in the same unit.
    pub energy_scale: f32,
}

impl Default for Calibration {
    fn default() -> Self {
        // Takes logits as they are and everything as known.
        Self { temperature: 1.0, energy_threshold: f32::MIN / 4.0, energy_scale: 1.0 }
    }
}

/// log Σ exp, without overflow.
pub fn log_sum_exp(values: &[f32]) -> f32 {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !top.is_finite() {
        return top;
    }
    top + values.iter().map(|v| (v - top).exp()).sum::<f32>().ln()
}

/// Softmax of `logits / temperature`.
fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let scaled: Vec<f32> = logits.iter().map(|l| l / temperature).collect();
    let total = log_sum_exp(&scaled);
    scaled.iter().map(|s| (s - total).exp()).collect()
}

impl Calibration {
    /// Fits the temperature by the likelihood of held-back faces, and the energy threshold so that 5% of them lie
    /// below it. With no faces, the defaults.
    pub fn fit(logits: &[Vec<f32>], targets: &[Vec<f32>]) -> Self {
        if logits.is_empty() {
            return Self::default();
        }
        let temperature = fit_temperature(logits, targets);
        let mut energies: Vec<f32> = logits.iter().map(|row| log_sum_exp(row)).collect();
        energies.sort_by(f32::total_cmp);
        let quantile = |q: f32| energies[((energies.len() - 1) as f32 * q) as usize];
        let threshold = quantile(0.05);
        // At the median of known faces the unknown share is down to about 2%.
        let scale = ((quantile(0.5) - threshold) / 4.0).max(0.05);
        Self { temperature, energy_threshold: threshold, energy_scale: scale }
    }

    /// Probabilities of the labels and the share of the unknown; together they sum to 1.
    pub fn posterior(&self, logits: &[f32]) -> (Vec<f32>, f32) {
        let unknown = 1.0 / (1.0 + ((log_sum_exp(logits) - self.energy_threshold) / self.energy_scale).exp());
        let mut probabilities = softmax(logits, self.temperature);
        for p in &mut probabilities {
            *p *= 1.0 - unknown;
        }
        (probabilities, unknown)
    }

    /// Mean negative log-likelihood of soft labels.
    pub(crate) fn loss(&self, logits: &[Vec<f32>], targets: &[Vec<f32>]) -> f32 {
        likelihood(logits, targets, self.temperature)
    }

    /// Probabilities of the labels alone, summing to 1; for reports on closed sets.
    pub fn closed_set(&self, logits: &[f32]) -> Vec<f32> {
        softmax(logits, self.temperature)
    }
}

/// Mean negative log-likelihood at a temperature.
fn likelihood(logits: &[Vec<f32>], targets: &[Vec<f32>], temperature: f32) -> f32 {
    let mut sum = 0.0f64;
    for (row, target) in logits.iter().zip(targets) {
        let scaled: Vec<f32> = row.iter().map(|l| l / temperature).collect();
        let total = log_sum_exp(&scaled);
        sum += target.iter().zip(&scaled).map(|(t, s)| f64::from(t * (total - s))).sum::<f64>();
    }
    (sum / logits.len() as f64) as f32
}

/// Golden-section search on log temperature; the likelihood has one minimum there.
fn fit_temperature(logits: &[Vec<f32>], targets: &[Vec<f32>]) -> f32 {
    const RATIO: f32 = 0.618_034;
    // A handful of faces that are all right would ask for a temperature of zero.
    let (mut low, mut high) = (0.25f32.ln(), 10.0f32.ln());
    let cost = |log_t: f32| likelihood(logits, targets, log_t.exp());
    for _ in 0..40 {
        let (a, b) = (high - RATIO * (high - low), low + RATIO * (high - low));
        if cost(a) < cost(b) {
            high = b;
        } else {
            low = a;
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn probabilities_and_the_unknown_sum_to_one(logits in prop::collection::vec(-80f32..80.0, 2..12), t in 0.3f32..8.0, e in -20f32..20.0) {
            let calibration = Calibration { temperature: t, energy_threshold: e, energy_scale: 0.5 };
            let (probabilities, unknown) = calibration.posterior(&logits);
            prop_assert!((probabilities.iter().sum::<f32>() + unknown - 1.0).abs() < 1e-4);
            prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }

    #[test]
    fn an_overconfident_column_is_cooled_down() {
        // Answers 4 logits apart that are right only three times in four.
        let logits: Vec<Vec<f32>> = (0..400).map(|_| vec![4.0, 0.0]).collect();
        let targets: Vec<Vec<f32>> =
            (0..400).map(|i| if i % 4 == 0 { vec![0.0, 1.0] } else { vec![1.0, 0.0] }).collect();
        let calibration = Calibration::fit(&logits, &targets);
        let confidence = calibration.closed_set(&[4.0, 0.0])[0];
        assert!((confidence - 0.75).abs() < 0.01, "{confidence}");
    }

    #[test]
    fn weak_logits_are_called_unknown() {
        let logits: Vec<Vec<f32>> = (0..100).map(|i| vec![8.0 + (i % 10) as f32 * 0.2, 0.0]).collect();
        let targets = vec![vec![1.0, 0.0]; 100];
        let calibration = Calibration::fit(&logits, &targets);
        assert!(calibration.posterior(&[1.0, 0.9]).1 > 0.9);
        assert!(calibration.posterior(&[9.0, 0.0]).1 < 0.1);
    }
}
