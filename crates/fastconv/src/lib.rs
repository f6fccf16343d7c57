//! 3×3 and 1×1 convolutions on CPUs, forward and backward, in `f32` and NHWC.
//!
//! The crate knows neither burn nor ROS: tensors are slices, shapes are a [`ConvShape`], and work is spread over the
//! rayon pool that the caller is in (`pool.install(|| …)`), so that training and answering can have pools of their own.
//!
//! | what | algorithm |
//! |---|---|
//! | [`forward`] with [`Algorithm::Direct`] | im2col + gemm, face by face: bits do not depend on the batch |
//! | [`forward`] with [`Algorithm::Winograd`] | F(4×4, 3×3) where the shape allows ([`ConvShape::winograd`]), else as above |
//! | [`backward_input`], [`backward_weight`] | F(4×4, 3×3) where the shape allows, else im2col + gemm |
#![warn(missing_docs)]

mod activation;
mod gemm;
mod im2col;
mod shape;
mod simd;
mod tiles;
mod winograd;

pub use activation::{Activation, gradient_before_activation};
pub use shape::{ConvShape, ShapeError};

/// How a forward convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// im2col + gemm. No transformed weights, the same bits whatever shares the batch: for answering.
    Direct,
    /// Winograd F(4×4, 3×3) where the shape allows. Transforms the weights at each call: for training batches.
    Winograd,
}

/// What is added and applied to the products of a convolution before they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<'a> {
    /// One value per output channel, `[co]`.
    pub bias: Option<&'a [f32]>,
    /// Added before the activation (lateral input), `[n, oh, ow, co]`.
    pub residual: Option<&'a [f32]>,
    /// The nonlinearity.
    pub activation: Activation,
}

/// Convolution of `x [n, h, w, ci]` with `weight [k, k, ci, co]` into `y [n, oh, ow, co]`.
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says.
pub fn forward(
    shape: &ConvShape,
    algorithm: Algorithm,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    shape.check(x.len(), weight.len(), y.len())?;
    if let Some(bias) = epilogue.bias {
        ShapeError::expect("bias", shape.co, bias.len())?;
    }
    if let Some(residual) = epilogue.residual {
        ShapeError::expect("residual", y.len(), residual.len())?;
    }
    if algorithm == Algorithm::Winograd && shape.winograd() {
        let transformed = winograd::transform_weight(shape.ci, shape.co, weight);
        winograd::forward(shape, x, &transformed, epilogue, y);
    } else {
        im2col::forward(shape, x, weight, epilogue, y);
    }
    Ok(())
}

/// Gradient with respect to the input: `dx [n, h, w, ci]` from `gradient [n, oh, ow, co]` (before the activation).
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says.
pub fn backward_input(shape: &ConvShape, gradient: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), ShapeError> {
    shape.check(dx.len(), weight.len(), gradient.len())?;
    if shape.winograd() {
        let rotated = winograd::rotate(shape.ci, shape.co, weight);
        let transformed = winograd::transform_weight(shape.co, shape.ci, &rotated);
        let plain = Epilogue { bias: None, residual: None, activation: Activation::None };
        winograd::forward(&shape.transposed(), gradient, &transformed, plain, dx);
    } else {
        im2col::backward_input(shape, gradient, weight, dx);
    }
    Ok(())
}

/// Gradient with respect to the weights: `dw [k, k, ci, co]` from `x` and `gradient` (before the activation).
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says.
pub fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) -> Result<(), ShapeError> {
    shape.check(x.len(), dw.len(), gradient.len())?;
    if shape.winograd() {
        winograd::backward_weight(shape, x, gradient, dw);
    } else {
        im2col::backward_weight(shape, x, gradient, dw);
    }
    Ok(())
}

/// Gradient with respect to the bias: `db [co]`, the sum of `gradient [.., co]` over all pixels.
pub fn backward_bias(gradient: &[f32], db: &mut [f32]) {
    db.fill(0.0);
    for pixel in gradient.chunks_exact(db.len()) {
        for (sum, value) in db.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
}
