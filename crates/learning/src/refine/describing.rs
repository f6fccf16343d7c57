//! A teacher's descriptor as something to learn: who is on a picture, without names.

use super::DescribedParts;
use crate::data::{DESCRIPTOR, DescribedFaces};
use crate::loss::matrix;
use burn::tensor::Tensor;
use network::{NetworkBackend, TrainBackend};

/// What the head's answers are measured against.
pub(super) struct Describing<'a> {
    parts: &'a DescribedParts,
    /// Of each value over the training faces.
    mean: Vec<f32>,
    /// Of all values: the root of their mean variance. One for all, so that lengths and angles stay the teacher's.
    deviation: f32,
}

impl<'a> Describing<'a> {
    pub fn new(parts: &'a DescribedParts) -> Self {
        let rows = &parts.train.descriptors;
        let count = rows.len().max(1) as f64;
        let of = |at: usize, value: &dyn Fn(f64) -> f64| {
            rows.iter().map(|row| value(f64::from(row[at]))).sum::<f64>() / count
        };
        let mean: Vec<f64> = (0..DESCRIPTOR).map(|at| of(at, &|value| value)).collect();
        let variances = mean.iter().enumerate().map(|(at, mean)| of(at, &|value| (value - mean).powi(2)));
        let deviation = (variances.sum::<f64>() / DESCRIPTOR as f64).sqrt().max(1e-6) as f32;
        Self { parts, mean: mean.into_iter().map(|mean| mean as f32).collect(), deviation }
    }

    /// Around their mean, in units of their deviation.
    fn wanted(&self, descriptor: &[f32]) -> Vec<f32> {
        descriptor.iter().zip(&self.mean).map(|(value, mean)| (value - mean) / self.deviation).collect()
    }

    /// Mean square of what `said` (`[N, 128]`) misses, over the faces that the teacher described (their rows among the training
    /// faces): 1 for a head that always says the mean. Nothing where it described none.
    pub fn loss<B: NetworkBackend>(
        &self,
        said: Tensor<TrainBackend<B>, 2>,
        described: &[Option<usize>],
        device: &B::Device,
    ) -> Option<Tensor<TrainBackend<B>, 1>> {
        let count = described.iter().flatten().count();
        let row = |at: &Option<usize>| match at {
            Some(at) => self.wanted(&self.parts.train.descriptors[*at]),
            None => vec![0.0; DESCRIPTOR],
        };
        let wanted = matrix(&described.iter().map(row).collect::<Vec<_>>(), device);
        let counts: Vec<Vec<f32>> = described.iter().map(|at| vec![f32::from(u8::from(at.is_some()))]).collect();
        let missed = (said - wanted).square().mean_dim(1) * matrix(&counts, device);
        (count > 0).then(|| missed.sum() / count as f32)
    }

    /// R² over the validation faces, at most `most` of them: the share of the teacher's variance that the head explains. Nothing
    /// where there are none.
    pub fn explained(&self, most: usize, describe: &dyn Fn(&DescribedFaces) -> Vec<Vec<f32>>) -> Option<f32> {
        let faces = self.parts.validation.spread(most);
        let square = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>();
        let (mut missed, mut all) = (0.0, f32::MIN_POSITIVE);
        for (said, descriptor) in describe(&faces).iter().zip(&faces.descriptors) {
            let wanted = self.wanted(descriptor);
            missed += square(&said.iter().zip(&wanted).map(|(said, wanted)| said - wanted).collect::<Vec<_>>());
            all += square(&wanted);
        }
        (!faces.is_empty()).then_some(1.0 - missed / all)
    }
}
