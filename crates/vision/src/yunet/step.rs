//! The steps of YuNet's network.

use crate::BgrImage;
use fastconv::{Activation, ConvShape, Epilogue, Separable, ShapeError, Weights};

/// The place of the camera's picture, the first one.
pub(super) const PICTURE: usize = 0;

/// What a step does with its input.
pub(super) enum Op {
    /// 3×3, padding 1.
    Conv { weights: Weights, bias: Vec<f32>, stride: usize },
    /// See [`Separable`].
    Separable { weights: Separable, halve: bool },
    /// The largest of each 2×2 pixels.
    Halve,
    /// Plus another value of half the sides.
    AddUpsampled { coarse: usize },
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
}

pub(super) struct Step {
    pub(super) op: Op,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) activation: Activation,
}

/// A tensor between steps.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) channels: usize,
    /// The picture's sides divided by its own.
    pub(super) shrunk: usize,
}

impl Step {
    pub(super) fn run<'a>(
        &self,
        [h, w]: [usize; 2],
        image: &BgrImage,
        places: &[Place],
        value: impl Fn(usize) -> &'a [f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        let Place { channels, shrunk } = places[self.from];
        let (h, w) = (h / shrunk, w / shrunk);
        let x = value(self.from);
        match &self.op {
            Op::Conv { weights, bias, stride } => {
                let shape = ConvShape { n: 1, h, w, ci: channels, co: bias.len(), kernel: 3, stride: *stride };
                let epilogue = Epilogue { bias: Some(bias), residual: None, activation: self.activation };
                if self.from == PICTURE {
                    let sides = [image.height(), image.width()].map(|side| side as usize);
                    fastconv::forward_picture(&shape, weights, (image.data(), sides), epilogue, y)
                } else {
                    fastconv::forward(&shape, weights, x, epilogue, y)
                }
            }
            Op::Separable { weights, halve } => weights.forward([1, h, w], x, self.activation, *halve, y),
            Op::Halve => {
                fastconv::max_pool_2(1, [h, w], channels, x, y);
                Ok(())
            }
            Op::AddUpsampled { coarse } => fastconv::add_upsampled([1, h, w, channels], x, value(*coarse), y),
            Op::Sigmoid => {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = 1.0 / (1.0 + (-x).exp());
                }
                Ok(())
            }
        }
    }
}
