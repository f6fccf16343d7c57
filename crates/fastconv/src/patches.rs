//! Layers with few channels on one side, such as a picture's own: nine values a pixel are no work for a kernel, but the
//! patches of a whole row are.
//!
//! Few input channels: a line of a patch, which lies in one piece in memory, is one sum. Few output channels: each input pixel is
//! multiplied with the weights of all taps at once, and an output is the sum of its taps' products.

use crate::epilogue::Epilogue;
use crate::isa::{self, wide};
use crate::kernel::{Panels, Product, RowWork, Shared, Steps, accumulate, over_rows};
use crate::plan::Plan;
use crate::scratch::{Scratch, scratch};
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
    pub fn pack(self, plan: &Plan, weight: &[f32]) -> Panels {
        let (ci, co) = (plan.input[2], plan.output[2]);
        let matrices = weight.chunks_exact((ci * co).max(1));
        let taps = matrices.len();
        match self {
            Self::Taps => Panels::pack(weight, taps * ci, co),
            Self::Patches => {
                let ordered: Vec<f32> =
                    plan.taps.iter().flat_map(|tap| &weight[tap.index * ci * co..][..ci * co]).copied().collect();
                Panels::pack(&ordered, taps * ci, co)
            }
            Self::Products => {
                let mut side_by_side = vec![0.0; weight.len()];
                for (tap, matrix) in matrices.enumerate() {
                    for (row, out) in matrix.chunks_exact(co).zip(side_by_side.chunks_exact_mut(taps * co)) {
                        out[tap * co..][..co].copy_from_slice(row);
                    }
                }
                Panels::pack(&side_by_side, ci, taps * co)
            }
        }
    }
}

/// What a convolution reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// `[n, h, w, ci]`.
    Floats(&'a [f32]),
    /// A camera's picture, values 0 to 255, of a width and a height up to those of the layer's input; what is missing to the
    /// right and below is zeros. Only for [`Form::Patches`], which copies lines anyway.
    Bytes {
        /// `[height, width, ci]`.
        pixels: &'a [u8],
        width: usize,
        height: usize,
    },
}

impl<'a> Source<'a> {
    /// The values, for forms that read them in place.
    #[inline(always)]
    pub fn floats(self) -> &'a [f32] {
        match self {
            Self::Floats(x) => x,
            Self::Bytes { .. } => unreachable!("bytes are only read by lines"),
        }
    }
}

/// The three lines of a picture that a row of outputs reads, with a pixel of zeros on both sides.
pub(crate) struct Lines {
    values: Scratch,
    len: usize,
    channels: usize,
    step: usize,
}

impl Lines {
    /// For the rows of this plan, whose taps are those of a whole 3×3 kernel in their order.
    #[inline(always)]
    pub fn new(plan: &Plan) -> Self {
        let [_, w, channels] = plan.input;
        let len = (w + 2) * channels;
        Self { values: scratch(3 * len), len, channels, step: plan.input_step * channels }
    }

    /// Values of a patch's line.
    #[inline(always)]
    pub fn run(&self) -> usize {
        3 * self.channels
    }

    /// Reads those of a row of outputs.
    #[inline(always)]
    pub fn fill(&mut self, plan: &Plan, x: Source<'_>, n: usize, row: usize) {
        let [h, w, channels] = plan.input;
        for (at, line) in self.values.chunks_exact_mut(self.len).enumerate() {
            let y = (row * plan.input_step + at).wrapping_sub(1);
            let read = match x {
                Source::Floats(x) if y < h => {
                    let from = &x[(n * h + y) * w * channels..][..w * channels];
                    line[channels..][..from.len()].copy_from_slice(from);
                    w
                }
                Source::Bytes { pixels, width, height } if y < height => {
                    let from = &pixels[y * width * channels..][..width * channels];
                    for (value, byte) in line[channels..].iter_mut().zip(from) {
                        *value = f32::from(*byte);
                    }
                    width
                }
                _ => 0,
            };
            line[..channels].fill(0.0);
            line[(read + 1) * channels..].fill(0.0);
        }
    }

    /// From a line of an output pixel's patch on.
    #[inline(always)]
    pub fn patch(&self, line: usize, pixel: usize) -> &[f32] {
        &self.values[line * self.len + pixel * self.step..][..self.run()]
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
        let reach = |tap: &crate::plan::Tap| tap.dy;
        let above = plan.taps.iter().map(reach).min().unwrap_or(0);
        let below = plan.taps.iter().map(reach).max().unwrap_or(0);
        let first = (rows.start as isize + above).max(0) as usize;
        let last = (rows.end as isize + below).clamp(first as isize, h as isize) as usize;
        let mut products = scratch((last - first) * w * width);
        for panel in 0..weight.count() {
            let vectors = weight.width_of(panel) / S::F32_LANES;
            let column = weight.range(panel).start;
            let x = &x[(n * h + first) * w * ci..][..(last - first) * w * ci];
            let mut product = Product {
                x,
                depth: ci,
                weight: weight.panel(panel),
                bias: None,
                out: &mut products[column..],
                stride: width,
            };
            // SAFETY: so many pixels and vectors are there.
            unsafe { over_rows(simd, &mut product, (last - first) * w, vectors) };
        }
        for row in rows.clone() {
            for column in 0..ow {
                let mut sums = [0.0f32; FEW];
                for tap in &plan.taps {
                    let (y, x) = (row as isize + tap.dy, column as isize + tap.dx);
                    if y >= 0 && y < h as isize && x >= 0 && x < w as isize {
                        let from = &products[((y as usize - first) * w + x as usize) * width + tap.index * co..][..co];
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
        let (mut lines, mut padded) = (Lines::new(plan), scratch(if stride == co { 0 } else { columns * stride }));
        for (line, row) in rows.enumerate() {
            lines.fill(plan, Source::Floats(x), n, row);
            let mut gradient = &gradient[line * columns * co..][..columns * co];
            if stride != co {
                // Kernels read whole vectors.
                for (to, from) in padded.chunks_exact_mut(stride).zip(gradient.chunks_exact(co)) {
                    to[..co].copy_from_slice(from);
                    to[co..].fill(0.0);
                }
                gradient = &padded;
            }
            for c in (0..stride).step_by(wide::<S>() * S::F32_LANES) {
                let vectors = ((stride - c) / S::F32_LANES).min(wide::<S>());
                let mut outer = Outer { lines: &lines, gradient, stride, columns, c, co, sums };
                // SAFETY: so many values of a patch and vectors of output channels are there.
                unsafe { over_rows(simd, &mut outer, depth, vectors) };
            }
        }
    }
}

/// One row of pixels, for the output channels from `c` on.
struct Outer<'a> {
    lines: &'a Lines,
    gradient: &'a [f32],
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
        let run = self.lines.run();
        let mut from = [self.gradient.as_ptr(); MR];
        for (r, from) in from.iter_mut().enumerate() {
            *from = self.lines.patch((first + r) / run, 0)[(first + r) % run..].as_ptr();
        }
        // SAFETY: patches are the lines' step and gradients `stride` values apart, `columns` of each.
        unsafe {
            let steps = Steps { a: self.lines.step, b: self.stride, vector: S::F32_LANES };
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
