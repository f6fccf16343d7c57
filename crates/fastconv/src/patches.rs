//! Layers with few channels on one side, such as a picture's own: nine values a pixel are no work for a kernel, but the
//! patches of a whole row are.
//!
//! Few input channels: a row's patches are copied side by side (im2col) and multiplied at once. Few output channels: each input
//! pixel is multiplied with the weights of all taps at once, and an output is the sum of its taps' products.

use crate::direct::Plan;
use crate::epilogue::Epilogue;
use crate::isa;
use crate::kernel::{Panels, RowWork, Shared, Steps, accumulate, over_rows};
use crate::scratch::scratch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Values of all taps of a pixel that are few; two vectors of AVX-512.
const FEW: usize = 32;
/// Rows of output pixels that a task works on.
const STRIP: usize = 16;

/// How a plan is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Tap by tap, reading pixels in place.
    Taps,
    /// Patches of few input channels.
    Patches,
    /// Products for few output channels.
    Products,
}

impl Form {
    /// Follows from the layer alone. `taps`: those of the plan out of `of`.
    pub fn of(plan: &Plan, of: usize) -> Self {
        let (taps, ci, co) = (plan.taps.len(), plan.input[2], plan.output[2]);
        if taps == 1 || taps != of {
            Self::Taps
        } else if taps * ci <= FEW {
            Self::Patches
        } else if taps * co <= FEW && plan.input_step == 1 && plan.output_step == 1 {
            Self::Products
        } else {
            Self::Taps
        }
    }

    /// `[tap, ci, co]` in the order that the form reads it.
    pub fn pack(self, weight: &[f32], taps: usize, ci: usize, co: usize) -> Panels {
        if self != Self::Products {
            return Panels::pack(weight, taps * ci, co);
        }
        let mut side_by_side = vec![0.0; weight.len()];
        for (tap, matrix) in weight.chunks_exact((ci * co).max(1)).enumerate() {
            for (row, out) in matrix.chunks_exact(co).zip(side_by_side.chunks_exact_mut(taps * co)) {
                out[tap * co..][..co].copy_from_slice(row);
            }
        }
        Panels::pack(&side_by_side, ci, taps * co)
    }
}

/// Copies the patches of a row of output pixels, `[columns, taps · channels]`; pixels outside the picture are zeros.
#[inline(always)]
pub(crate) fn fill(plan: &Plan, x: &[f32], n: usize, row: usize, out: &mut [f32]) {
    let [h, w, channels] = plan.input;
    let (columns, depth) = (plan.grid[1], plan.taps.len() * channels);
    for (at, tap) in plan.taps.iter().enumerate() {
        let y = (row * plan.input_step) as isize + tap.dy;
        let inside = y >= 0 && y < h as isize;
        let line = if inside { &x[(n * h + y as usize) * w * channels..][..w * channels] } else { &[] };
        for column in 0..columns {
            let from = (column * plan.input_step) as isize + tap.dx;
            let place = &mut out[column * depth + at * channels..][..channels];
            if inside && from >= 0 && from < w as isize {
                let pixel = &line[from as usize * channels..][..channels];
                for (value, pixel) in place.iter_mut().zip(pixel) {
                    *value = *pixel;
                }
            } else {
                place.fill(0.0);
            }
        }
    }
}

/// Some rows of a picture by [`Form::Products`].
pub(crate) struct Products<'a> {
    pub plan: &'a Plan,
    pub x: &'a [f32],
    pub weight: &'a Panels,
    pub epilogue: Epilogue<'a>,
    pub out: Shared,
    pub n: usize,
    pub rows: Range<usize>,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { plan, x, weight, n, rows, .. } = &self;
        let [h, w, ci] = plan.input;
        let [oh, ow, co] = plan.output;
        let width: usize = (0..weight.count()).map(|panel| weight.width_of(panel)).sum();
        // Products of the input rows that these rows reach.
        let reach = |tap: &crate::direct::Tap| tap.dy;
        let above = plan.taps.iter().map(reach).min().unwrap_or(0);
        let below = plan.taps.iter().map(reach).max().unwrap_or(0);
        let first = (rows.start as isize + above).max(0) as usize;
        let last = (rows.end as isize + below).clamp(first as isize, h as isize) as usize;
        let mut products = scratch((last - first) * w * width);
        for panel in 0..weight.count() {
            let vectors = weight.width_of(panel) / S::F32_LANES;
            let column = weight.range(panel).start;
            let x = &x[(n * h + first) * w * ci..][..(last - first) * w * ci];
            let mut product =
                Product { x, weight: weight.panel(panel), depth: ci, out: &mut products[column..], width };
            // SAFETY: so many pixels and vectors are there.
            unsafe { over_rows(simd, &mut product, (last - first) * w, vectors) };
        }
        for row in rows.clone() {
            for column in 0..ow {
                let mut sums = [0.0f32; FEW];
                for (at, tap) in plan.taps.iter().enumerate() {
                    let (y, x) = (row as isize + tap.dy, column as isize + tap.dx);
                    if y >= 0 && y < h as isize && x >= 0 && x < w as isize {
                        let from = &products[((y as usize - first) * w + x as usize) * width + at * co..][..co];
                        for (sum, value) in sums.iter_mut().zip(from) {
                            *sum += value;
                        }
                    }
                }
                let pixel = ((n * oh + row) * ow + column) * co;
                for c in (0..co).step_by(S::F32_LANES) {
                    let sums = simd.partial_load_f32s(&sums[c..(c + S::F32_LANES).min(FEW)]);
                    // SAFETY: the pixel lies inside the output, and no other task has it.
                    unsafe { self.epilogue.store(simd, sums, self.out.at(0), pixel, c, co) };
                }
            }
        }
    }
}

/// Pixels times a panel of weights.
struct Product<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    depth: usize,
    /// Rows of `width` values.
    out: &'a mut [f32],
    width: usize,
}

impl RowWork for Product<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize) {
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let mut from = [self.x.as_ptr(); MR];
        for (r, from) in from.iter_mut().enumerate() {
            *from = self.x[(first + r) * self.depth..][..self.depth].as_ptr();
        }
        // SAFETY: each row has `depth` values, the panel as many rows.
        unsafe {
            let panel = Steps::panel::<S, NV>();
            accumulate::<S, MR, NV>(simd, &mut sums, &from, self.weight.as_ptr(), panel, self.depth);
        }
        for (r, sums) in sums.iter().enumerate() {
            let out = &mut self.out[(first + r) * self.width..][..NV * S::F32_LANES];
            for (out, sum) in out.chunks_exact_mut(S::F32_LANES).zip(sums) {
                simd.partial_store_f32s(out, *sum);
            }
        }
    }
}

/// `sums [taps · channels, co] = Σ over pixels of patch ⊗ gradient`: the gradient of the weights of a layer with few input
/// channels, from `x` and `gradient [n, grid, co]`. Strips have sums of their own, added in their order.
pub(crate) fn correlate(plan: &Plan, x: &[f32], gradient: &[f32], co: usize) -> Vec<f32> {
    let [rows, columns] = plan.grid;
    let depth = plan.taps.len() * plan.input[2];
    let strips = rows.div_ceil(STRIP);
    let parts: Vec<Vec<f32>> = (0..plan.n * strips)
        .into_par_iter()
        .map(|task| {
            let (n, first) = (task / strips, task % strips * STRIP);
            let mut sums = vec![0.0; depth * co];
            let rows = first..(first + STRIP).min(rows);
            let gradient = &gradient[(n * plan.grid[0] + first) * columns * co..];
            isa::run(Correlation { plan, x, gradient, co, n, rows, sums: &mut sums });
            sums
        })
        .collect();
    let mut sums = vec![0.0; depth * co];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sums
}

/// A strip of [`correlate`].
struct Correlation<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    /// From the strip's first row on.
    gradient: &'a [f32],
    co: usize,
    n: usize,
    rows: Range<usize>,
    sums: &'a mut [f32],
}

impl WithSimd for Correlation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { plan, x, gradient, co, n, rows, sums } = self;
        let (columns, depth) = (plan.grid[1], plan.taps.len() * plan.input[2]);
        let stride = co.next_multiple_of(S::F32_LANES);
        let (mut patches, mut padded) = (scratch(columns * depth), scratch(if stride == co { 0 } else { columns * stride }));
        for (line, row) in rows.enumerate() {
            fill(plan, x, n, row, &mut patches);
            let mut gradient = &gradient[line * columns * co..][..columns * co];
            if stride != co {
                // Kernels read whole vectors.
                for (to, from) in padded.chunks_exact_mut(stride).zip(gradient.chunks_exact(co)) {
                    to[..co].copy_from_slice(from);
                    to[co..].fill(0.0);
                }
                gradient = &padded;
            }
            let wide = crate::kernel::wide::<S>();
            for c in (0..stride).step_by(wide * S::F32_LANES) {
                let vectors = ((stride - c) / S::F32_LANES).min(wide);
                let mut outer = Outer { patches: &patches, gradient, depth, stride, columns, c, co, sums };
                // SAFETY: so many values of a patch and vectors of output channels are there.
                unsafe { over_rows(simd, &mut outer, depth, vectors) };
            }
        }
    }
}

/// One row of pixels, for the output channels from `c` on.
struct Outer<'a> {
    patches: &'a [f32],
    gradient: &'a [f32],
    depth: usize,
    stride: usize,
    columns: usize,
    c: usize,
    co: usize,
    sums: &'a mut [f32],
}

impl RowWork for Outer<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize) {
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let mut from = [self.patches.as_ptr(); MR];
        for (r, from) in from.iter_mut().enumerate() {
            *from = self.patches[first + r..].as_ptr();
        }
        // SAFETY: patches are `depth` and gradients `stride` values apart, `columns` of each.
        unsafe {
            let steps = Steps { a: self.depth, b: self.stride, vector: S::F32_LANES };
            accumulate::<S, MR, NV>(simd, &mut sums, &from, self.gradient[self.c..].as_ptr(), steps, self.columns);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let column = self.c + v * S::F32_LANES;
                if column < self.co {
                    let count = S::F32_LANES.min(self.co - column);
                    let place = &mut self.sums[(first + r) * self.co + column..][..count];
                    simd.partial_store_f32s(place, simd.add_f32s(simd.partial_load_f32s(place), *sum));
                }
            }
        }
    }
}
