//! Logistic regression on standardised values, as one would reach for it: C = 1.

use nalgebra::DMatrix;

/// Steps of the fit.
const STEPS: usize = 600;

/// A fitted classifier.
pub struct Logistic {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// `[values, classes]`.
    weights: DMatrix<f32>,
    bias: Vec<f32>,
}

impl Logistic {
    /// Fits on rows of values and their classes: `Σ cross-entropy + ½‖W‖²`.
    pub fn fit(rows: &[&[f32]], truth: &[usize], classes: usize) -> Self {
        let (count, values) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let of = |sum: &dyn Fn(usize) -> f32| -> Vec<f32> { (0..values).map(|at| sum(at) / count as f32).collect() };
        let mean = of(&|at| rows.iter().map(|row| row[at]).sum());
        let square = of(&|at| rows.iter().map(|row| (row[at] - mean[at]).powi(2)).sum());
        let deviation: Vec<f32> = square.into_iter().map(|v| if v > 1e-12 { v.sqrt() } else { 1.0 }).collect();
        let x = DMatrix::from_fn(count, values, |i, j| (rows[i][j] - mean[j]) / deviation[j]);
        // Weights are sums of rows, so the shares of the rows are fitted: the same minimum with fewer unknowns.
        let gram = (&x * x.transpose()).map(f64::from);
        let steepest = gram.row_iter().map(|row| row.iter().map(|v| v.abs()).sum::<f64>()).fold(1.0, f64::max);
        let rate = 1.0 / (0.5 * steepest + 1.0);
        let mut dual: DMatrix<f64> = DMatrix::zeros(count, classes);
        let mut bias = vec![0.0f64; classes];
        let (mut ahead, mut bias_ahead) = (dual.clone(), bias.clone());
        for step in 0..STEPS {
            let logits = &gram * &ahead;
            let error = DMatrix::from_fn(count, classes, |i, class| {
                let row: Vec<f64> = (0..classes).map(|c| logits[(i, c)] + bias_ahead[c]).collect();
                let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = row.iter().map(|v| (v - top).exp()).sum();
                (row[class] - top).exp() / total - f64::from(u8::from(truth[i] == class))
            });
            let next = &ahead - (&error + &ahead) * rate;
            let next_bias: Vec<f64> =
                (0..classes).map(|class| bias_ahead[class] - 2.0 / count as f64 * error.column(class).sum()).collect();
            // Nesterov 1983.
            let momentum = step as f64 / (step as f64 + 3.0);
            ahead = &next + (&next - &dual) * momentum;
            bias_ahead = next_bias.iter().zip(&bias).map(|(new, old)| new + (new - old) * momentum).collect();
            (dual, bias) = (next, next_bias);
        }
        let weights = x.transpose() * dual.map(|v| v as f32);
        Self { mean, deviation, weights, bias: bias.into_iter().map(|v| v as f32).collect() }
    }

    /// The class of a row.
    pub fn class(&self, row: &[f32]) -> usize {
        let mut logits = self.bias.clone();
        for (at, value) in row.iter().enumerate() {
            let value = (value - self.mean[at]) / self.deviation[at];
            logits.iter_mut().zip(self.weights.row(at).iter()).for_each(|(logit, weight)| *logit += value * weight);
        }
        learning::data::argmax(&logits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_told_apart() {
        let row = |class: usize, n: usize| -> Vec<f32> {
            (0..6).map(|at| f32::from(u8::from(at == class)) * 2.0 + ((n * 7 + at * 3) as f32).sin() * 0.5).collect()
        };
        let rows: Vec<Vec<f32>> = (0..30).map(|n| row(n % 3, n)).collect();
        let (views, truth): (Vec<&[f32]>, Vec<usize>) = rows.iter().enumerate().map(|(n, r)| (&r[..], n % 3)).unzip();
        let fitted = Logistic::fit(&views, &truth, 3);
        let right = (100..160).filter(|&n| fitted.class(&row(n % 3, n)) == n % 3).count();
        assert!(right >= 57, "{right} of 60");
    }
}
