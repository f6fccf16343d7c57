//! Histograms of oriented gradients as something to learn without labels.

use crate::data::FaceCrop;
use crate::gradients::Standard;
use crate::hog;
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use network::{Activation, Conv, NetworkBackend, TrainBackend, pooled_features};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;

/// Reads the histograms of a pixel's blocks from its features.
#[derive(Module, Debug)]
pub(super) struct Reader<B: Backend> {
    conv: Conv<B>,
}

impl<B: Backend> Reader<B> {
    pub fn init(features: usize, seed: u64, device: &B::Device) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self { conv: Conv::init(1, [features, hog::BLOCK], true, &mut rng, device) }
    }
}

/// What the histograms are measured against.
pub(super) struct Histograms<B: NetworkBackend> {
    /// Of the features.
    standard: Standard<TrainBackend<B>>,
    /// Of each value of a block: mean and deviation.
    moments: Vec<(f32, f32)>,
}

impl<B: NetworkBackend> Histograms<B> {
    /// From faces that stand for all, as the first phase sees them, and their features.
    pub fn new(faces: &[FaceCrop], features: Tensor<B, 4>) -> Self {
        let blocks: Vec<Vec<f32>> = faces.par_iter().map(|face| hog::blocks(face.as_slice())).collect();
        let values = |at: usize| blocks.iter().flat_map(move |face| face.iter().skip(at).step_by(hog::BLOCK));
        let count = (faces.len() * 16).max(1) as f32;
        let moments = (0..hog::BLOCK).map(|at| {
            let mean = values(at).sum::<f32>() / count;
            let variance = values(at).map(|value| (value - mean).powi(2)).sum::<f32>() / count;
            (mean, variance.sqrt().max(1e-3))
        });
        Self { standard: Standard::of_channels(pooled_features(features)).train(), moments: moments.collect() }
    }

    /// Mean square of what `reader` misses, in units of the values' variance: 1 for one that always says the mean.
    pub fn loss(
        &self,
        reader: &Reader<TrainBackend<B>>,
        features: Tensor<TrainBackend<B>, 4>,
        faces: &[FaceCrop],
        device: &B::Device,
    ) -> Tensor<TrainBackend<B>, 1> {
        let said = reader.conv.forward(self.standard.apply(pooled_features(features)), None, 1, Activation::None);
        let wanted: Vec<f32> = faces
            .par_iter()
            .flat_map_iter(|face| {
                let each = hog::blocks(face.as_slice()).into_iter().zip(self.moments.iter().cycle());
                each.map(|(value, (mean, deviation))| (value - mean) / deviation).collect::<Vec<_>>()
            })
            .collect();
        let wanted = Tensor::from_data(TensorData::new(wanted, said.dims()), device);
        (said - wanted).square().mean()
    }
}
