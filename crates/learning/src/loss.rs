//! Cross-entropy against soft labels.

use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// `Σ weight · (−Σ target · log softmax(logits)) / Σ weight`; logits and targets `[N, K]`, weights `[N]`.
pub(crate) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    weights: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let each = -(targets * log_softmax(logits, 1)).sum_dim(1);
    (each * weights.clone()).sum() / weights.sum()
}

/// Rows to a tensor.
pub(crate) fn matrix<B: Backend>(rows: &[Vec<f32>], device: &B::Device) -> Tensor<B, 2> {
    let columns = rows.first().map_or(0, Vec::len);
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), columns]), device)
}

/// Weight of each class: mean 1 over the faces, proportional to frequency^(−power).
pub(crate) fn class_weights(counts: &[usize], power: f32) -> Vec<f32> {
    let total: usize = counts.iter().sum();
    let raw: Vec<f32> = counts.iter().map(|&count| if count > 0 { (count as f32).powf(-power) } else { 0.0 }).collect();
    let mean: f32 = raw.iter().zip(counts).map(|(w, &count)| w * count as f32).sum::<f32>() / total.max(1) as f32;
    raw.iter().map(|w| if mean > 0.0 { w / mean } else { 1.0 }).collect()
}

/// The value of a loss.
pub(crate) fn number<B: Backend>(loss: &Tensor<B, 1>) -> f32 {
    loss.clone().into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::CpuBackend;

    #[test]
    fn even_weighting_gives_every_class_the_same_say() {
        let weights = class_weights(&[10, 30, 0], 1.0);
        assert!((weights[0] * 10.0 - weights[1] * 30.0).abs() < 1e-3);
        assert!((weights[0] * 10.0 + weights[1] * 30.0 - 40.0).abs() < 1e-3, "the mean over faces is 1");
        assert_eq!(class_weights(&[10, 30], 0.0), [1.0, 1.0]);
    }

    #[test]
    fn cross_entropy_of_even_logits_is_the_log_of_the_classes() {
        let device = Default::default();
        let logits = matrix::<CpuBackend>(&[vec![1.0; 4], vec![-2.0; 4]], &device);
        let targets = matrix::<CpuBackend>(&[vec![1.0, 0.0, 0.0, 0.0], vec![0.25; 4]], &device);
        let weights = matrix::<CpuBackend>(&[vec![1.0], vec![3.0]], &device);
        let loss: f32 = cross_entropy(logits, targets, weights).into_scalar();
        assert!((loss - 4f32.ln()).abs() < 1e-5);
    }
}
