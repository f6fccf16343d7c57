//! Values of many faces, standardised channel by channel, and their products.

use crate::features::DEVIATION_FLOOR;
use nalgebra::DMatrix;

/// What one part of the network says of all rows.
pub(crate) struct Group {
    /// `[rows, values]`, each channel standardised.
    pub x: DMatrix<f32>,
    /// What was taken from the values at a pixel, `[channels]`.
    pub mean: Vec<f32>,
    /// By which they were divided then, `[channels]`.
    deviation: Vec<f32>,
    /// Products of all rows with all rows, with mean 1 on the diagonal after centring.
    pub gram: DMatrix<f64>,
    /// By which the products were multiplied for that.
    scale: f64,
}

impl Group {
    pub fn new(channels: usize, rows: &[Vec<f32>]) -> Self {
        let values = rows.first().map_or(0, Vec::len);
        let count = (rows.len() * values / channels.max(1)).max(1) as f32;
        let (mut mean, mut square) = (vec![0.0f32; channels], vec![0.0f32; channels]);
        for pixel in rows.iter().flat_map(|row| row.chunks(channels)) {
            for ((mean, square), x) in mean.iter_mut().zip(&mut square).zip(pixel) {
                *mean += x / count;
                *square += x * x / count;
            }
        }
        let deviation: Vec<f32> =
            mean.iter().zip(&square).map(|(mean, square)| (square - mean * mean).max(0.0).sqrt()).collect();
        let floor = deviation.iter().sum::<f32>() / channels.max(1) as f32 * DEVIATION_FLOOR + f32::MIN_POSITIVE;
        let deviation: Vec<f32> = deviation.into_iter().map(|deviation| deviation + floor).collect();
        let x = DMatrix::from_fn(rows.len(), values, |i, j| {
            let channel = j % channels;
            (rows[i][j] - mean[channel]) / deviation[channel]
        });
        let mut gram = (&x * x.transpose()).map(f64::from);
        let centre = gram.mean();
        let scale = 1.0 / (gram.diagonal().mean() - centre).max(f64::MIN_POSITIVE);
        gram *= scale;
        Self { x, mean, deviation, gram, scale }
    }

    /// Weights `[values, classes]` to what the network gives, row by row.
    pub fn weights(&self, dual: &DMatrix<f64>) -> Vec<f32> {
        let channels = self.deviation.len();
        let weights = self.x.transpose() * dual.map(|share| (share * self.scale) as f32);
        (0..weights.nrows())
            .flat_map(|value| {
                weights.row(value).iter().map(|w| w / self.deviation[value % channels]).collect::<Vec<_>>()
            })
            .collect()
    }
}
