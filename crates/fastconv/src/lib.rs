//! 3×3 and 1×1 convolutions on CPUs, forward and backward, in `f32` and NHWC.
//!
//! The crate knows neither burn nor ROS: tensors are slices, shapes are a [`ConvShape`], and work is spread over the
//! rayon pool that the caller is in (`pool.install(|| …)`), so that training and answering can have pools of their own;
//! [`threads`] makes good ones.
//!
//! | what | algorithm |
//! |---|---|
//! | [`forward`] | that of the [`Weights`]: direct, Winograd F(2×2) or F(4×4); [`ConvShape::algorithm`] has the rule |
//! | [`backward_input`] | the same, with weights turned round; direct at stride 2 |
//! | [`backward_weight`] | F(4×4) or F(2×2) where the rule says so in training, else direct |
//! | all three, in training after [`use_bfloat16`] | direct, on the matrix unit, where whole tiles fit |
//!
//! Every sum has one order that does not depend on the batch, the number of threads, or how work is split; only gradients of weights in
//! bfloat16 are summed in up to eight parts of a batch.
#![warn(missing_docs)]

mod activation;
mod algorithm;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(not(target_arch = "x86_64"))]
#[path = "amx/absent.rs"]
mod amx;
mod buffer;
mod direct;
mod direct_gradient;
mod epilogue;
mod isa;
mod kernel;
mod normalise;
mod patches;
mod plan;
mod pool;
pub mod roof;
mod scratch;
mod separable;
mod shape;
mod threads;
mod tiles;
mod winograd;
mod winograd_gradient;

pub use activation::{Activation, gradient_before_activation};
pub use algorithm::{Algorithm, Purpose};
pub use amx::use_bfloat16;
pub use buffer::{Buffer, zeros};
pub use epilogue::Epilogue;
pub use isa::{Isa, isa_in_use, use_isa};
pub use normalise::{Moments, VARIANCE_FLOOR, normalise, normalise_backward};
pub use pool::{max_pool, max_pool_2, max_pool_backward};
pub use separable::{Separable, add_upsampled};
pub use shape::{ConvShape, ShapeError};
pub use threads::{threads, use_threads};

use amx::Halves;
use kernel::Panels;
use patches::{Form, Source};
use plan::Plan;
use rayon::prelude::*;
use tiles::{F2, F4};

/// A layer's weights in the order that its algorithm reads them; made once and kept.
#[derive(Debug, Clone)]
pub struct Weights {
    algorithm: Algorithm,
    channels: [usize; 2],
    kernel: usize,
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    Floats(Panels),
    Halves(Halves),
}

impl Weights {
    /// From `weight [k, k, ci, co]`. Of `shape`, channels, kernel and stride count.
    ///
    /// # Errors
    /// `weight` is not as long as `shape` says, or the algorithm is none for its kernel, stride and channels.
    pub fn new(shape: &ConvShape, algorithm: Algorithm, weight: &[f32]) -> Result<Self, ShapeError> {
        shape.check_kernel(algorithm)?;
        ShapeError::expect("weight", shape.weight_len(), weight.len())?;
        let (ci, co) = (shape.ci, shape.co);
        let kept = match algorithm {
            Algorithm::Direct => {
                let plan = Plan::forward(shape);
                Kept::Floats(direct_form(&plan, shape).pack(&plan, weight))
            }
            Algorithm::Winograd2 => Kept::Floats(winograd::transform_weight::<F2, 4, 2>(ci, co, weight)),
            Algorithm::Winograd4 => Kept::Floats(winograd::transform_weight::<F4, 6, 4>(ci, co, weight)),
            Algorithm::Bfloat16 => Kept::Halves(Halves::pack(weight, ci, co)),
        };
        Ok(Self { algorithm, channels: [ci, co], kernel: shape.kernel, kept })
    }

    /// Whether they are this layer's, and the epilogue fits its output.
    fn check(&self, shape: &ConvShape, epilogue: Epilogue<'_>, output: usize) -> Result<(), ShapeError> {
        ShapeError::expect("weights' kernel", shape.kernel, self.kernel)?;
        ShapeError::expect("weights' input channels", shape.ci, self.channels[0])?;
        ShapeError::expect("weights' output channels", shape.co, self.channels[1])?;
        if let Some(bias) = epilogue.bias {
            ShapeError::expect("bias", shape.co, bias.len())?;
        }
        if let Some(residual) = epilogue.residual {
            ShapeError::expect("residual", output, residual.len())?;
        }
        Ok(())
    }

    /// Memory taken, bytes.
    pub fn bytes(&self) -> usize {
        match &self.kept {
            Kept::Floats(panels) => panels.bytes(),
            Kept::Halves(halves) => halves.bytes(),
        }
    }
}

/// Convolution of `x [n, h, w, ci]` into `y [n, oh, ow, co]`.
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says, or `weights` are another layer's.
pub fn forward(
    shape: &ConvShape,
    weights: &Weights,
    x: &[f32],
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    shape.check(x.len(), shape.weight_len(), y.len())?;
    shape.check_tiles(weights.algorithm)?;
    weights.check(shape, epilogue, y.len())?;
    match (&weights.kept, weights.algorithm) {
        (Kept::Halves(halves), _) => amx::convolve(&Plan::forward(shape), x, halves, epilogue, y),
        (Kept::Floats(panels), Algorithm::Winograd2) => winograd::forward::<F2, 4, 2>(shape, x, panels, epilogue, y),
        (Kept::Floats(panels), Algorithm::Winograd4) => winograd::forward::<F4, 6, 4>(shape, x, panels, epilogue, y),
        (Kept::Floats(panels), _) => {
            let plan = Plan::forward(shape);
            direct::convolve(&plan, direct_form(&plan, shape), Source::Floats(x), panels, epilogue, y);
        }
    }
    Ok(())
}

/// [`forward`] of one camera picture `pixels [height, width, ci]`, values 0 to 255, filled up with zeros to the right and below
/// to the sides of `shape`.
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says, the picture is larger, there are more than ten channels, or
/// `weights` are another layer's.
pub fn forward_picture(
    shape: &ConvShape,
    weights: &Weights,
    (pixels, [height, width]): (&[u8], [usize; 2]),
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    ShapeError::expect("pictures", 1, shape.n)?;
    ShapeError::expect("picture", height * width * shape.ci, pixels.len())?;
    ShapeError::expect("rows beyond the layer's", 0, height.saturating_sub(shape.h))?;
    ShapeError::expect("columns beyond the layer's", 0, width.saturating_sub(shape.w))?;
    shape.check(shape.input_len(), shape.weight_len(), y.len())?;
    weights.check(shape, epilogue, y.len())?;
    let plan = Plan::forward(shape);
    let form = direct_form(&plan, shape);
    let panels = match &weights.kept {
        Kept::Floats(panels) if weights.algorithm == Algorithm::Direct && form == Form::Patches => panels,
        _ => return ShapeError::expect("layers that read lines", 1, 0),
    };
    direct::convolve(&plan, form, Source::Bytes { pixels, width, height }, panels, epilogue, y);
    Ok(())
}

/// Gradient with respect to the input: `dx [n, h, w, ci]` from `gradient [n, oh, ow, co]` (before the activation) and
/// `weight [k, k, ci, co]`.
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says.
pub fn backward_input(shape: &ConvShape, gradient: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), ShapeError> {
    shape.check(dx.len(), weight.len(), gradient.len())?;
    let turned = shape.transposed();
    if amx::in_use() && shape.kernel == 3 && backward_plans_fit(shape) {
        let halves = Halves::pack(&exchange(shape, weight, false), shape.co, shape.ci);
        for plan in Plan::backward(shape) {
            amx::convolve(&plan, gradient, &halves, Epilogue::PLAIN, dx);
        }
        return Ok(());
    }
    let algorithm = shape.algorithm_in_floats(Purpose::Training);
    if algorithm != Algorithm::Direct {
        let weights = Weights::new(&turned, algorithm, &exchange(shape, weight, true))?;
        return forward(&turned, &weights, gradient, Epilogue::PLAIN, dx);
    }
    let exchanged = exchange(shape, weight, false);
    let plans = Plan::backward(shape);
    // Plans of a stride above 1 read parts of the same weights.
    let form = direct_form(&plans[0], shape);
    let panels = form.pack(&plans[0], &exchanged);
    for plan in plans {
        direct::convolve(&plan, form, Source::Floats(gradient), &panels, Epilogue::PLAIN, dx);
    }
    Ok(())
}

/// Whether tiles fit the way back to the input, every part of it.
fn backward_plans_fit(shape: &ConvShape) -> bool {
    Plan::backward(shape).iter().all(|plan| !plan.taps.is_empty() && amx::fits(plan))
}

/// The form of a plan of this layer.
fn direct_form(plan: &Plan, shape: &ConvShape) -> Form {
    Form::of(plan, shape.kernel * shape.kernel)
}

/// Weights with input and output channels exchanged, `[k, k, co, ci]`; taps in reverse order if `turned`.
fn exchange(shape: &ConvShape, weight: &[f32], turned: bool) -> Vec<f32> {
    let (ci, co, taps) = (shape.ci, shape.co, shape.kernel * shape.kernel);
    let mut out = vec![0.0; weight.len()];
    out.par_chunks_mut((co * ci).max(1)).enumerate().for_each(|(tap, out)| {
        let tap = if turned { taps - 1 - tap } else { tap };
        let from = &weight[tap * ci * co..][..ci * co];
        for (o, out) in out.chunks_exact_mut(ci).enumerate() {
            for (i, value) in out.iter_mut().enumerate() {
                *value = from[i * co + o];
            }
        }
    });
    out
}

/// Gradient with respect to the weights: `dw [k, k, ci, co]` from `x` and `gradient` (before the activation).
///
/// # Errors
/// [`ShapeError`] when a slice is not as long as `shape` says.
pub fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) -> Result<(), ShapeError> {
    shape.check(x.len(), dw.len(), gradient.len())?;
    if x.is_empty() || gradient.is_empty() {
        dw.fill(0.0);
        return Ok(());
    }
    if amx::in_use() && amx::fits_gradient(shape) {
        amx::backward_weight(shape, x, gradient, dw);
        return Ok(());
    }
    match shape.algorithm_in_floats(Purpose::Training) {
        Algorithm::Direct | Algorithm::Bfloat16 => direct_gradient::backward_weight(&shape.flat(), x, gradient, dw),
        Algorithm::Winograd2 => winograd_gradient::backward_weight::<F2, 4, 2>(shape, x, gradient, dw),
        Algorithm::Winograd4 => winograd_gradient::backward_weight::<F4, 6, 4>(shape, x, gradient, dw),
    }
    Ok(())
}

/// Gradient with respect to the bias: `db [co]`, the sum of `gradient [.., co]` over all pixels.
pub fn backward_bias(gradient: &[f32], db: &mut [f32]) {
    const PIXELS: usize = 1 << 12;
    let co = db.len().max(1);
    let parts: Vec<Vec<f32>> = gradient
        .par_chunks(PIXELS * co)
        .map(|pixels| {
            let mut sums = vec![0.0; co];
            for pixel in pixels.chunks_exact(co) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += value;
                }
            }
            sums
        })
        .collect();
    db.fill(0.0);
    for part in parts {
        for (sum, value) in db.iter_mut().zip(part) {
            *sum += value;
        }
    }
}
