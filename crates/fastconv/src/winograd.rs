//! Winograd F(4×4, 3×3): 2.25 multiplications an output and channel pair instead of 9, forward and both gradients.
//!
//! Buffers in the transform domain are `[POINTS, tiles, channels]`, so that each point is one matrix product.

use crate::gemm::{Matrix, multiply, multiply_transposed};
use crate::simd::{LANES, Lanes, dispatch, load};
use crate::tiles::{self, O, POINTS, T};
use crate::{Activation, ConvShape, Epilogue};
use rayon::prelude::*;

/// Tiles that one task transforms and multiplies; enough rows to pay for packing the weights.
const CHUNK: usize = 128;
/// Tiles whose transforms are held at once for the weight gradient.
const GRADIENT_CHUNK: usize = 1024;

/// Where a tile lies: picture, and the output row and column it begins at.
#[inline(always)]
fn place(shape: &ConvShape, tile: usize) -> (usize, usize, usize) {
    let (rows, columns) = (shape.h / O, shape.w / O);
    let (n, rest) = (tile / (rows * columns), tile % (rows * columns));
    (n, rest / columns * O, rest % columns * O)
}

fn tile_count(shape: &ConvShape) -> usize {
    shape.n * (shape.h / O) * (shape.w / O)
}

dispatch! {
    fn transform_input(shape: &ConvShape, x: &[f32], first: usize, count: usize, stride: usize, at: usize, v: &mut [f32]) {
        let ci = shape.ci;
        for t in 0..count {
            let (n, oy, ox) = place(shape, first + t);
            for c in (0..ci).step_by(LANES) {
                let mut d = [[[0.0f32; LANES]; T]; T];
                for (i, row) in d.iter_mut().enumerate() {
                    // Padding of 1: the patch begins one pixel up and left of the outputs.
                    let y = (oy + i).wrapping_sub(1);
                    if y >= shape.h { continue; }
                    for (j, lanes) in row.iter_mut().enumerate() {
                        let px = (ox + j).wrapping_sub(1);
                        if px < shape.w { *lanes = load(&x[((n * shape.h + y) * shape.w + px) * ci + c..]); }
                    }
                }
                store_points(&tiles::input(&d), v, stride, at + t, ci, c);
            }
        }
    }
}

dispatch! {
    fn transform_gradient(shape: &ConvShape, gradient: &[f32], first: usize, count: usize, stride: usize, at: usize, m: &mut [f32]) {
        let co = shape.co;
        for t in 0..count {
            let (n, oy, ox) = place(shape, first + t);
            for c in (0..co).step_by(LANES) {
                let mut d = [[[0.0f32; LANES]; O]; O];
                for (i, row) in d.iter_mut().enumerate() {
                    for (j, lanes) in row.iter_mut().enumerate() {
                        *lanes = load(&gradient[((n * shape.h + oy + i) * shape.w + ox + j) * co + c..]);
                    }
                }
                store_points(&tiles::gradient(&d), m, stride, at + t, co, c);
            }
        }
    }
}

#[inline(always)]
fn store_points(values: &[[Lanes; T]; T], out: &mut [f32], stride: usize, tile: usize, channels: usize, c: usize) {
    for (i, row) in values.iter().enumerate() {
        for (j, lanes) in row.iter().enumerate() {
            out[((i * T + j) * stride + tile) * channels + c..][..LANES].copy_from_slice(lanes);
        }
    }
}

#[inline(always)]
fn load_points(from: &[f32], stride: usize, tile: usize, channels: usize, c: usize) -> [[Lanes; T]; T] {
    let mut values = [[[0.0f32; LANES]; T]; T];
    for (i, row) in values.iter_mut().enumerate() {
        for (j, lanes) in row.iter_mut().enumerate() {
            *lanes = load(&from[((i * T + j) * stride + tile) * channels + c..]);
        }
    }
    values
}

dispatch! {
    fn transform_output(shape: &ConvShape, m: &[f32], first: usize, count: usize, epilogue: Epilogue<'_>, y: &mut [f32]) {
        let co = shape.co;
        let (_, first_row, _) = place(shape, first);
        let base = (first / ((shape.h / O) * (shape.w / O)) * shape.h + first_row) * shape.w * co;
        for t in 0..count {
            let (n, oy, ox) = place(shape, first + t);
            for c in (0..co).step_by(LANES) {
                let bias = match epilogue.bias { Some(bias) => load(&bias[c..]), None => [0.0; LANES] };
                let out = tiles::output(&load_points(m, count, t, co, c));
                for (i, row) in out.iter().enumerate() {
                    for (j, lanes) in row.iter().enumerate() {
                        let at = ((n * shape.h + oy + i) * shape.w + ox + j) * co + c;
                        let mut value = *lanes;
                        for lane in 0..LANES { value[lane] += bias[lane]; }
                        if let Some(residual) = epilogue.residual {
                            let r = load(&residual[at..]);
                            for lane in 0..LANES { value[lane] += r[lane]; }
                        }
                        match epilogue.activation {
                            Activation::None => {}
                            Activation::Elu => for v in &mut value { *v = Activation::Elu.apply(*v); },
                            Activation::Relu => for v in &mut value { *v = v.max(0.0); },
                        }
                        y[at - base..][..LANES].copy_from_slice(&value);
                    }
                }
            }
        }
    }
}

dispatch! {
    fn transform_weight_row(ci: usize, co: usize, row: usize, weight: &[f32], u: &mut [f32]) {
        // `u` is this input channel's row of every point: [POINTS, co].
        for c in (0..co).step_by(LANES) {
            let mut g = [[[0.0f32; LANES]; 3]; 3];
            for (a, line) in g.iter_mut().enumerate() {
                for (b, lanes) in line.iter_mut().enumerate() { *lanes = load(&weight[((a * 3 + b) * ci + row) * co + c..]); }
            }
            for (i, line) in tiles::weight(&g).iter().enumerate() {
                for (j, lanes) in line.iter().enumerate() { u[(i * T + j) * co + c..][..LANES].copy_from_slice(lanes); }
            }
        }
    }
}

dispatch! {
    fn transform_weight_gradient_row(ci: usize, co: usize, row: usize, u: &[f32], dw: &mut [f32]) {
        // `dw` is this input channel's row of every tap: [9, co].
        for c in (0..co).step_by(LANES) {
            let g = tiles::weight_gradient(&load_points(u, ci, row, co, c));
            for (a, line) in g.iter().enumerate() {
                for (b, lanes) in line.iter().enumerate() { dw[(a * 3 + b) * co + c..][..LANES].copy_from_slice(lanes); }
            }
        }
    }
}

/// `[3, 3, ci, co]` to `[POINTS, ci, co]`.
pub(crate) fn transform_weight(ci: usize, co: usize, weight: &[f32]) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = (0..ci)
        .into_par_iter()
        .map(|row| {
            let mut u = vec![0.0; POINTS * co];
            transform_weight_row(ci, co, row, weight, &mut u);
            u
        })
        .collect();
    interleave(&rows, POINTS, co)
}

/// Rows `[ci][parts, co]` to `[parts, ci, co]`.
fn interleave(rows: &[Vec<f32>], parts: usize, co: usize) -> Vec<f32> {
    let mut out = vec![0.0; parts * rows.len() * co];
    out.par_chunks_exact_mut(rows.len() * co).enumerate().for_each(|(part, out)| {
        for (out, row) in out.chunks_exact_mut(co).zip(rows) {
            out.copy_from_slice(&row[part * co..][..co]);
        }
    });
    out
}

/// The kernel of the gradient to the input: turned by 180°, channels exchanged, `[3, 3, co, ci]`.
pub(crate) fn rotate(ci: usize, co: usize, weight: &[f32]) -> Vec<f32> {
    let mut rotated = vec![0.0; weight.len()];
    rotated.par_chunks_exact_mut(ci * co).enumerate().for_each(|(tap, out)| {
        let from = &weight[(8 - tap) * ci * co..][..ci * co];
        for (o, out) in out.chunks_exact_mut(ci).enumerate() {
            for (i, value) in out.iter_mut().enumerate() {
                *value = from[i * co + o];
            }
        }
    });
    rotated
}

/// Tiles per task: whole rows of tiles, so that a task writes one contiguous piece of `y`.
fn tiles_per_task(shape: &ConvShape) -> usize {
    let row = shape.w / O;
    (CHUNK.min(tile_count(shape).div_ceil(2)) / row).max(1) * row
}

/// See [`crate::forward`]; `u` comes from [`transform_weight`].
pub(crate) fn forward(shape: &ConvShape, x: &[f32], u: &[f32], epilogue: Epilogue<'_>, y: &mut [f32]) {
    let (ci, co) = (shape.ci, shape.co);
    let chunk = tiles_per_task(shape);
    y.par_chunks_mut(chunk * O * O * co).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(v, m), (task, y)| {
            let (first, count) = (task * chunk, y.len() / (O * O * co));
            v.resize(POINTS * count * ci, 0.0);
            m.resize(POINTS * count * co, 0.0);
            transform_input(shape, x, first, count, count, 0, v);
            for point in 0..POINTS {
                let a = Matrix::new(&v[point * count * ci..], count, ci);
                let b = Matrix::new(&u[point * ci * co..], ci, co);
                multiply(a, b, &mut m[point * count * co..][..count * co], co, false);
            }
            transform_output(shape, m, first, count, epilogue, y);
        },
    );
}

/// See [`crate::backward_weight`]. Points are the tasks: sums have one order whatever the number of threads.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) {
    let (ci, co) = (shape.ci, shape.co);
    let total = tile_count(shape);
    let mut du = vec![0.0; POINTS * ci * co];
    let size = GRADIENT_CHUNK.min(total);
    let (mut v, mut m) = (vec![0.0; POINTS * size * ci], vec![0.0; POINTS * size * co]);
    for first in (0..total).step_by(size.max(1)) {
        let count = size.min(total - first);
        rayon::join(
            || {
                transform_part(count, ci, &mut v, |at, part, out| {
                    transform_input(shape, x, first + at, part, part, 0, out)
                })
            },
            || {
                transform_part(count, co, &mut m, |at, part, out| {
                    transform_gradient(shape, gradient, first + at, part, part, 0, out)
                })
            },
        );
        du.par_chunks_exact_mut(ci * co).enumerate().for_each(|(point, du)| {
            let mut accumulate = first > 0;
            for (at, part) in parts(count) {
                let a = Matrix::new(&v[at * POINTS * ci + point * part * ci..], part, ci);
                let b = Matrix::new(&m[at * POINTS * co + point * part * co..], part, co);
                multiply_transposed(a, b, du, co, accumulate);
                accumulate = true;
            }
        });
    }
    let rows: Vec<Vec<f32>> = (0..ci)
        .into_par_iter()
        .map(|row| {
            let mut dw = vec![0.0; 9 * co];
            transform_weight_gradient_row(ci, co, row, &du, &mut dw);
            dw
        })
        .collect();
    dw.copy_from_slice(&interleave(&rows, 9, co));
}

/// Tiles of one part of the transformed batch; a part is `[POINTS, part, channels]`, parts follow each other.
const PART: usize = 256;

fn parts(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).step_by(PART).map(move |at| (at, PART.min(count - at)))
}

/// Fills `out` part by part in parallel; `transform(first tile, tiles, part of out)`.
fn transform_part(count: usize, channels: usize, out: &mut [f32], transform: impl Fn(usize, usize, &mut [f32]) + Sync) {
    out[..count * POINTS * channels].par_chunks_mut(PART * POINTS * channels).enumerate().for_each(|(part, out)| {
        transform(part * PART, out.len() / (POINTS * channels), out);
    });
}
