//! Standardised inputs of a column's head.

use crate::features::DEVIATION_FLOOR;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{NetworkBackend, TrainBackend};

/// Mean and deviation of each value that the head reads, `[values]`.
#[derive(Debug, Clone)]
pub(crate) struct Standard<B: Backend> {
    pub mean: Tensor<B, 1>,
    pub deviation: Tensor<B, 1>,
}

impl<B: NetworkBackend> Standard<B> {
    /// Of each value of `[N, H, W, C]`, over many faces.
    pub fn of_values(x: Tensor<B, 4>) -> Self {
        let x: Tensor<B, 2> = x.flatten(1, 3);
        let mean = x.clone().mean_dim(0);
        let variance = (x - mean.clone()).square().mean_dim(0);
        let [_, values] = mean.dims();
        Self::new(mean.reshape([values]), variance.reshape([values]))
    }

    /// Of each channel, over few faces.
    pub fn of_channels(x: Tensor<B, 4>) -> Self {
        let [_, h, w, c] = x.dims();
        let mean = x.clone().mean_dims(&[0, 1, 2]);
        let variance = (x - mean.clone()).square().mean_dims(&[0, 1, 2]);
        let each = |values: Tensor<B, 4>| values.expand([1, h, w, c]).reshape([h * w * c]);
        Self::new(each(mean), each(variance))
    }

    fn new(mean: Tensor<B, 1>, variance: Tensor<B, 1>) -> Self {
        let deviation = variance.sqrt();
        let floor = deviation.clone().mean() * DEVIATION_FLOOR + f32::MIN_POSITIVE;
        Self { mean, deviation: deviation + floor }
    }

    /// `[N, H, W, C]` → the same, standardised.
    pub fn apply(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, h, w, c] = x.dims();
        let shape = [1, h, w, c];
        (x - self.mean.clone().reshape(shape)) / self.deviation.clone().reshape(shape)
    }

    /// For training; no gradient goes through it.
    pub fn train(self) -> Standard<TrainBackend<B>> {
        Standard { mean: Tensor::from_inner(self.mean), deviation: Tensor::from_inner(self.deviation) }
    }
}
