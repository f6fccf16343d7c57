//! The face descriptor's head in closed form: ridge regression of a teacher's descriptors on what a frozen encoder says.

use crate::data::DESCRIPTOR;
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{Cholesky, DMatrix};
use network::{Dense, NetworkBackend};

/// Penalties that are tried, as shares of the features' mean square.
const PENALTIES: [f64; 4] = [0.01, 0.03, 0.1, 0.3];
/// Rows whose products are added up at once.
const CHUNK: usize = 512;

/// Faces: what the encoder's features, pooled to 4×4 pixels, say of each, and what the teacher says.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// `[faces][4 · 4 · C]`.
    pub features: &'a [Vec<f32>],
    /// `[faces][128]`.
    pub descriptors: &'a [Vec<f32>],
}

/// A head, and the share of the teacher's variance over the validation faces that it explains.
#[derive(Debug, Clone)]
pub struct DescriptorHead {
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// R².
    pub explained: f32,
}

impl DescriptorHead {
    /// As a layer of the encoder.
    pub fn layer<B: NetworkBackend>(&self, device: &B::Device) -> Dense<B> {
        let size = [self.weights.len() / DESCRIPTOR, DESCRIPTOR];
        let bias = Tensor::from_data(TensorData::new(self.bias.clone(), [DESCRIPTOR]), device);
        Dense {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(self.weights.clone(), size), device)),
            bias: Some(Param::from_tensor(bias)),
        }
    }
}

/// Column means.
fn means(rows: &[Vec<f32>], values: usize) -> Vec<f64> {
    let mut sums = vec![0.0; values];
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter().map(|sum| sum / rows.len().max(1) as f64).collect()
}

/// `rows` around `mean`.
fn centred(rows: &[Vec<f32>], mean: &[f64]) -> DMatrix<f32> {
    DMatrix::from_fn(rows.len(), mean.len(), |row, at| rows[row][at] - mean[at] as f32)
}

/// Fits the head on `train`; of some penalties it takes the one with which `validation` is explained best. The descriptors are learned around
/// their mean, in units of their deviation: one for all values, so that angles stay the teacher's. `None` without faces, or where
/// the features say nothing.
pub fn fit_descriptor_head(train: Described<'_>, validation: Described<'_>) -> Option<DescriptorHead> {
    let values = train.features.first()?.len();
    validation.features.first()?;
    let (of_features, of_teacher) = (means(train.features, values), means(train.descriptors, DESCRIPTOR));
    let mut gram = DMatrix::<f64>::zeros(values, values);
    let mut products = DMatrix::<f64>::zeros(values, DESCRIPTOR);
    let mut square = 0.0;
    for (features, descriptors) in train.features.chunks(CHUNK).zip(train.descriptors.chunks(CHUNK)) {
        let (x, y) = (centred(features, &of_features), centred(descriptors, &of_teacher));
        gram += (x.transpose() * &x).map(f64::from);
        products += (x.transpose() * &y).map(f64::from);
        square += f64::from(y.norm_squared());
    }
    let deviation = (square / (train.features.len() * DESCRIPTOR) as f64).sqrt().max(1e-9);
    let scale = gram.diagonal().mean().max(f64::MIN_POSITIVE);
    let (x, y) = (centred(validation.features, &of_features), centred(validation.descriptors, &of_teacher));
    let fits = PENALTIES.iter().filter_map(|penalty| {
        let mut held_down = gram.clone();
        (0..values).for_each(|at| held_down[(at, at)] += penalty * scale);
        let weights = Cholesky::new(held_down)?.solve(&products).map(|weight| weight as f32);
        let missed = (&y - &x * &weights).norm_squared();
        Some((1.0 - missed / y.norm_squared().max(f32::MIN_POSITIVE), weights))
    });
    let (explained, weights) = fits.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let weights = weights / deviation as f32;
    let shift = |at| -(0..values).map(|row| of_features[row] * f64::from(weights[(row, at)])).sum::<f64>() as f32;
    let bias = (0..DESCRIPTOR).map(shift).collect();
    Some(DescriptorHead { weights: weights.transpose().as_slice().to_vec(), bias, explained })
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::CpuBackend;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn a_linear_teacher_is_found_again_and_nothing_is_nothing() {
        let mut rng = StdRng::seed_from_u64(2);
        let map: Vec<[f32; 6]> =
            (0..DESCRIPTOR).map(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0))).collect();
        let mut faces = |count: usize| -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
            let features: Vec<Vec<f32>> =
                (0..count).map(|_| (0..6).map(|_| rng.random_range(-1.0..3.0)).collect()).collect();
            let says =
                |x: &Vec<f32>| map.iter().map(|map| 0.5 + map.iter().zip(x).map(|(m, x)| m * x).sum::<f32>()).collect();
            let descriptors = features.iter().map(says).collect();
            (features, descriptors)
        };
        let ((features, descriptors), (new, wanted)) = (faces(300), faces(50));
        let train = Described { features: &features, descriptors: &descriptors };
        let head = fit_descriptor_head(train, Described { features: &new, descriptors: &wanted }).unwrap();
        assert!(head.explained > 0.99, "{}", head.explained);
        assert_eq!(head.layer::<CpuBackend>(&Default::default()).weight.dims(), [6, DESCRIPTOR]);
        assert!(fit_descriptor_head(Described { features: &[], descriptors: &[] }, train).is_none());
    }
}
