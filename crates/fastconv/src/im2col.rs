//! Convolution as a matrix product over gathered patches; any shape.

use crate::gemm::{Matrix, multiply, multiply_by_transposed, multiply_transposed};
use crate::simd::dispatch;
use crate::{Activation, ConvShape, Epilogue};
use rayon::prelude::*;

/// Values of gathered patches that one task works on; about what an L2 cache holds.
const PATCH_VALUES: usize = 1 << 18;
/// Output channels per task on small pictures, where rows are too few to keep the threads busy.
const CHANNEL_BLOCK: usize = 128;

/// Gathers the patches of output rows `first..first + rows` of one picture: `[rows · ow, k · k · ci]`.
fn gather(shape: &ConvShape, picture: &[f32], first: usize, rows: usize, out: &mut [f32]) {
    let (ci, k, pad) = (shape.ci, shape.kernel, shape.padding() as isize);
    let mut patches = out.chunks_exact_mut(k * k * ci);
    for oy in first..first + rows {
        for ox in 0..shape.ow() {
            let Some(patch) = patches.next() else { return };
            for (tap, values) in patch.chunks_exact_mut(ci).enumerate() {
                let y = (oy * shape.stride + tap / k) as isize - pad;
                let x = (ox * shape.stride + tap % k) as isize - pad;
                if y < 0 || x < 0 || y >= shape.h as isize || x >= shape.w as isize {
                    values.fill(0.0);
                } else {
                    let at = (y as usize * shape.w + x as usize) * ci;
                    values.copy_from_slice(&picture[at..at + ci]);
                }
            }
        }
    }
}

/// The transpose of [`gather`]: adds the patches' gradients to the picture's.
fn scatter_add(shape: &ConvShape, patches: &[f32], picture: &mut [f32]) {
    let (ci, k, pad) = (shape.ci, shape.kernel, shape.padding() as isize);
    for (at, patch) in patches.chunks_exact(k * k * ci).enumerate() {
        let (oy, ox) = (at / shape.ow(), at % shape.ow());
        for (tap, values) in patch.chunks_exact(ci).enumerate() {
            let y = (oy * shape.stride + tap / k) as isize - pad;
            let x = (ox * shape.stride + tap % k) as isize - pad;
            if y >= 0 && x >= 0 && y < shape.h as isize && x < shape.w as isize {
                let at = (y as usize * shape.w + x as usize) * ci;
                for (sum, value) in picture[at..at + ci].iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
    }
}

dispatch! {
    fn finish(y: &mut [f32], stride: usize, cols: usize, bias: Option<&[f32]>, residual: Option<&[f32]>, activation: Activation) {
        for (row, values) in y.chunks_mut(stride).enumerate() {
            let values = &mut values[..cols];
            if let Some(bias) = bias {
                for (value, b) in values.iter_mut().zip(bias) { *value += b; }
            }
            if let Some(residual) = residual {
                for (value, r) in values.iter_mut().zip(&residual[row * stride..]) { *value += r; }
            }
            match activation {
                Activation::None => {}
                Activation::Elu => for value in values.iter_mut() { *value = Activation::Elu.apply(*value); },
                Activation::Relu => for value in values.iter_mut() { *value = value.max(0.0); },
            }
        }
    }
}

fn rows_per_task(shape: &ConvShape) -> usize {
    let row = shape.ow() * shape.kernel * shape.kernel * shape.ci;
    (PATCH_VALUES / row.max(1)).clamp(1, shape.oh().max(1))
}

/// See [`crate::forward`]. Pictures are worked on one by one, and the split into tasks depends on the layer's shape
/// alone, so an answer does not depend on what shares its batch.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32], epilogue: Epilogue<'_>, y: &mut [f32]) {
    let (oh, ow, co) = (shape.oh(), shape.ow(), shape.co);
    let k = shape.kernel * shape.kernel * shape.ci;
    if x.is_empty() || y.is_empty() {
        return;
    }
    let picture_len = shape.h * shape.w * shape.ci;
    for (n, (picture, out)) in x.chunks_exact(picture_len).zip(y.chunks_exact_mut(oh * ow * co)).enumerate() {
        let residual = epilogue.residual.map(|r| &r[n * out.len()..(n + 1) * out.len()]);
        if oh * ow > 512 {
            let rows = rows_per_task(shape);
            out.par_chunks_mut(rows * ow * co).enumerate().for_each_init(Vec::new, |patches, (task, out)| {
                let count = out.len() / (ow * co);
                patches.resize(count * ow * k, 0.0);
                gather(shape, picture, task * rows, count, patches);
                multiply(Matrix::new(patches, count * ow, k), Matrix::new(weight, k, co), out, co, false);
                let residual = residual.map(|r| &r[task * rows * ow * co..][..out.len()]);
                finish(out, co, co, epilogue.bias, residual, epilogue.activation);
            });
        } else {
            small_picture(shape, picture, weight, epilogue.bias, residual, epilogue.activation, out);
        }
    }
}

/// One picture of few pixels and many channels: patches gathered once, tasks split over output channels.
fn small_picture(
    shape: &ConvShape,
    picture: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    let (oh, ow, co) = (shape.oh(), shape.ow(), shape.co);
    let k = shape.kernel * shape.kernel * shape.ci;
    let gathered;
    let patches: &[f32] = if shape.kernel == 1 && shape.stride == 1 {
        picture
    } else {
        let mut patches = vec![0.0; oh * ow * k];
        patches.par_chunks_mut(ow * k).enumerate().for_each(|(row, patches)| gather(shape, picture, row, 1, patches));
        gathered = patches;
        &gathered
    };
    let blocks: Vec<(usize, Vec<f32>)> = (0..co.div_ceil(CHANNEL_BLOCK))
        .into_par_iter()
        .map(|block| {
            let from = block * CHANNEL_BLOCK;
            let cols = CHANNEL_BLOCK.min(co - from);
            let mut part = vec![0.0; oh * ow * cols];
            let b = Matrix::columns(weight, k, co, from, cols);
            multiply(Matrix::new(patches, oh * ow, k), b, &mut part, cols, false);
            (from, part)
        })
        .collect();
    for (from, part) in &blocks {
        let cols = part.len() / (oh * ow);
        for (row, values) in part.chunks_exact(cols).enumerate() {
            out[row * co + from..][..cols].copy_from_slice(values);
        }
    }
    finish(out, co, co, bias, residual, activation);
}

/// See [`crate::backward_input`].
pub(crate) fn backward_input(shape: &ConvShape, gradient: &[f32], weight: &[f32], dx: &mut [f32]) {
    let k = shape.kernel * shape.kernel * shape.ci;
    let pixels = shape.oh() * shape.ow();
    if dx.is_empty() || gradient.is_empty() {
        dx.fill(0.0);
        return;
    }
    dx.par_chunks_exact_mut(shape.h * shape.w * shape.ci)
        .zip(gradient.par_chunks_exact(pixels * shape.co))
        .for_each_init(Vec::new, |patches, (dx, gradient)| {
            patches.resize(pixels * k, 0.0);
            multiply_by_transposed(
                Matrix::new(gradient, pixels, shape.co),
                Matrix::new(weight, k, shape.co),
                patches,
                k,
            );
            dx.fill(0.0);
            scatter_add(shape, patches, dx);
        });
}

/// See [`crate::backward_weight`]. Kernel taps are the tasks, so sums have one order whatever the number of threads.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) {
    let (ci, co, k) = (shape.ci, shape.co, shape.kernel);
    let pixels = shape.oh() * shape.ow();
    if x.is_empty() || gradient.is_empty() {
        dw.fill(0.0);
        return;
    }
    dw.par_chunks_exact_mut(ci * co).enumerate().for_each_init(Vec::new, |shifted, (tap, dw)| {
        shifted.resize(pixels * ci, 0.0);
        for (n, (picture, gradient)) in
            x.chunks_exact(shape.h * shape.w * ci).zip(gradient.chunks_exact(pixels * co)).enumerate()
        {
            gather_tap(shape, picture, tap / k, tap % k, shifted);
            multiply_transposed(Matrix::new(shifted, pixels, ci), Matrix::new(gradient, pixels, co), dw, co, n > 0);
        }
    });
}

/// One kernel tap's input for every output pixel: `[oh · ow, ci]`.
fn gather_tap(shape: &ConvShape, picture: &[f32], ky: usize, kx: usize, out: &mut [f32]) {
    let pad = shape.padding() as isize;
    for (at, values) in out.chunks_exact_mut(shape.ci).enumerate() {
        let y = (at / shape.ow() * shape.stride + ky) as isize - pad;
        let x = (at % shape.ow() * shape.stride + kx) as isize - pad;
        if y < 0 || x < 0 || y >= shape.h as isize || x >= shape.w as isize {
            values.fill(0.0);
        } else {
            let at = (y as usize * shape.w + x as usize) * shape.ci;
            values.copy_from_slice(&picture[at..at + shape.ci]);
        }
    }
}
