//! Gradient of a convolution to its weights without transforms: any kernel and stride.

use crate::isa::{self, wide};
use crate::kernel::{RowWork, Shared, Steps, accumulate, over_rows};
use crate::patches::{self, Form};
use crate::plan::Plan;
use crate::shape::ConvShape;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Input channels of one task.
const CHANNELS: usize = 64;
/// Output pixels whose gradients are worked on together, so that they stay in the cache.
const STRIP: usize = 512;

/// See [`crate::backward_weight`]. Taps and input channels are the tasks: sums have one order whatever the number of
/// threads.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) {
    assert!(x.len() == shape.input_len() && gradient.len() == shape.output_len() && dw.len() == shape.weight_len());
    let plan = Plan::forward(shape);
    match Form::of(&plan, shape.kernel * shape.kernel) {
        Form::Taps => {}
        // A plan's taps are in the order of the weights here.
        Form::Patches => return dw.copy_from_slice(&patches::correlate(&plan, x, gradient, shape.co)),
        Form::Products => return few_outputs(shape, x, gradient, dw),
    }
    let (lanes, _) = isa::vectors();
    let stride = shape.co.next_multiple_of(lanes);
    let padded: Vec<f32>;
    let gradient = if stride == shape.co {
        gradient
    } else {
        // Kernels read whole vectors.
        let mut rows = vec![0.0; gradient.len() / shape.co * stride];
        rows.par_chunks_exact_mut(stride)
            .zip(gradient.par_chunks_exact(shape.co))
            .for_each(|(row, values)| row[..shape.co].copy_from_slice(values));
        padded = rows;
        &padded
    };
    let groups = shape.ci.div_ceil(CHANNELS);
    let out = Shared::new(dw);
    (0..shape.kernel * shape.kernel * groups).into_par_iter().for_each(|task| {
        let (tap, group) = (task / groups, task % groups);
        let channels = group * CHANNELS..((group + 1) * CHANNELS).min(shape.ci);
        isa::run(TapGradient { shape, x, gradient, stride, tap, channels, out });
    });
}

/// With few output channels, patches are those of the gradient: an input pixel meets the gradients that its taps reach.
fn few_outputs(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) {
    for plan in Plan::backward(shape) {
        let sums = patches::correlate(&plan, gradient, x, shape.ci);
        let (ci, co) = (shape.ci, shape.co);
        for (at, tap) in plan.taps.iter().enumerate() {
            for o in 0..co {
                for (i, sum) in sums[(at * co + o) * ci..][..ci].iter().enumerate() {
                    dw[(tap.index * ci + i) * co + o] = *sum;
                }
            }
        }
    }
}

/// The gradient of some input channels' weights at one tap.
struct TapGradient<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    /// `[n, oh, ow, stride]`.
    gradient: &'a [f32],
    stride: usize,
    tap: usize,
    channels: Range<usize>,
    out: Shared,
}

impl WithSimd for TapGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.shape;
        let strip = (STRIP / s.ow().max(1)).max(1);
        for n in 0..s.n {
            for first in (0..s.oh()).step_by(strip) {
                let lines = first..(first + strip).min(s.oh());
                let add = n > 0 || first > 0;
                for c in (0..self.stride).step_by(wide::<S>() * S::F32_LANES) {
                    let vectors = ((self.stride - c) / S::F32_LANES).min(wide::<S>());
                    let mut part = Part { all: &self, n, lines: lines.clone(), c, add };
                    // SAFETY: so many input channels and vectors of output channels are there.
                    unsafe { over_rows(simd, &mut part, self.channels.len(), vectors) };
                }
            }
        }
    }
}

impl TapGradient<'_> {
    /// Output columns whose tap reads inside the picture.
    #[inline(always)]
    fn inside(&self) -> Range<usize> {
        let s = self.shape;
        let kx = self.tap % s.kernel;
        let first = s.padding().saturating_sub(kx).div_ceil(s.stride);
        let last = (s.w + s.padding()).saturating_sub(kx).div_ceil(s.stride).min(s.ow());
        first..last.max(first)
    }
}

/// Some lines of one picture, for the output channels from `c` on.
struct Part<'a> {
    all: &'a TapGradient<'a>,
    n: usize,
    lines: Range<usize>,
    c: usize,
    add: bool,
}

impl RowWork for Part<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize) {
        let TapGradient { shape: s, x: pixels, tap, stride, .. } = *self.all;
        let (n, c, i) = (self.n, self.c, self.all.channels.start + first);
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let columns = self.all.inside();
        for oy in self.lines.clone() {
            let y = (oy * s.stride + tap / s.kernel).wrapping_sub(s.padding());
            if y >= s.h || columns.is_empty() {
                continue;
            }
            let x = columns.start * s.stride + tap % s.kernel - s.padding();
            let pixel = &pixels[((n * s.h + y) * s.w + x) * s.ci..];
            let mut from = [pixel.as_ptr(); MR];
            for (r, from) in from.iter_mut().enumerate() {
                *from = pixel[i + r..].as_ptr();
            }
            let gradient = &self.all.gradient[((n * s.oh() + oy) * s.ow() + columns.start) * stride + c..];
            // SAFETY: `columns` are those whose input pixels lie inside the row; rows of the gradient are padded to
            // whole vectors.
            unsafe {
                let steps = Steps { a: s.stride * s.ci, b: stride, vector: S::F32_LANES };
                accumulate::<S, MR, NV>(simd, &mut sums, &from, gradient.as_ptr(), steps, columns.len());
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let column = c + v * S::F32_LANES;
                if column >= s.co {
                    break;
                }
                let count = S::F32_LANES.min(s.co - column);
                let at = (tap * s.ci + i + r) * s.co + column;
                // SAFETY: inside `dw`; no other task has these input channels at this tap.
                let place = unsafe { std::slice::from_raw_parts_mut(self.all.out.at(at), count) };
                let before = if self.add { simd.partial_load_f32s(place) } else { simd.splat_f32s(0.0) };
                simd.partial_store_f32s(place, simd.add_f32s(before, *sum));
            }
        }
    }
}
