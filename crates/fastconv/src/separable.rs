//! A 1×1 convolution and a 3×3 one of each channel alone after it, in one go: what lies between them never leaves the cache.
//!
//! Detectors for small machines are made of such pairs (Howard et al. 2017, MobileNets).

use crate::activation::Activation;
use crate::buffer::{Buffer, zeros};
use crate::epilogue::Epilogue;
use crate::isa;
use crate::kernel::{Panels, Product, Shared, load, over_rows};
use crate::scratch::scratch;
use crate::shape::ShapeError;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes between the two convolutions that one task holds: they stay in an L2 cache.
const STRIP_BYTES: usize = 1 << 18;
/// Rows that are made together at most: with more, sums and weights need more registers than AVX-512 has.
const MAX_ROWS: usize = 4;

/// Weights of a pair, in the order that it reads them; made once and kept.
#[derive(Debug, Clone)]
pub struct Separable {
    ci: usize,
    co: usize,
    panels: Panels,
    /// `[co]` in whole vectors.
    pointwise_bias: Buffer,
    /// `[9, co]` in whole vectors.
    depthwise: Buffer,
    bias: Vec<f32>,
}

impl Separable {
    /// From `pointwise [ci, co]` and its bias `[co]`, `depthwise [9, co]` and its bias `[co]`.
    ///
    /// # Errors
    /// A slice is not as long as that.
    pub fn new(
        [ci, co]: [usize; 2],
        (pointwise, pointwise_bias): (&[f32], &[f32]),
        (depthwise, bias): (&[f32], &[f32]),
    ) -> Result<Self, ShapeError> {
        ShapeError::expect("pointwise weights", ci * co, pointwise.len())?;
        ShapeError::expect("pointwise bias", co, pointwise_bias.len())?;
        ShapeError::expect("depthwise weights", 9 * co, depthwise.len())?;
        ShapeError::expect("depthwise bias", co, bias.len())?;
        let wide = co.next_multiple_of(isa::vectors().0);
        let mut rows = zeros(9 * wide);
        for (row, from) in rows.chunks_exact_mut(wide.max(1)).zip(depthwise.chunks_exact(co.max(1))) {
            row[..co].copy_from_slice(from);
        }
        let mut between = zeros(wide);
        between[..co].copy_from_slice(pointwise_bias);
        let panels = Panels::pack(pointwise, ci, co);
        Ok(Self { ci, co, panels, pointwise_bias: between, depthwise: rows, bias: bias.to_vec() })
    }

    /// Of `x [n, h, w, ci]`: `y [n, h, w, co]`, or with `halve` the largest of each 2×2 pixels, `[n, h/2, w/2, co]`.
    /// Between the two convolutions there is no activation, and outside the picture there are zeros.
    ///
    /// # Errors
    /// A slice is not as long as that, or a side is odd and to be halved.
    pub fn forward(
        &self,
        [n, h, w]: [usize; 3],
        x: &[f32],
        activation: Activation,
        halve: bool,
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        let step = if halve { 2 } else { 1 };
        ShapeError::expect("input", n * h * w * self.ci, x.len())?;
        ShapeError::expect("rows beyond whole pairs", 0, h % step)?;
        ShapeError::expect("columns beyond whole pairs", 0, w % step)?;
        ShapeError::expect("output", n * (h / step) * (w / step) * self.co, y.len())?;
        if y.is_empty() {
            return Ok(());
        }
        let row = (w + 2) * self.pointwise_bias.len() * size_of::<f32>();
        let strip = (STRIP_BYTES / row).saturating_sub(2).max(1).next_multiple_of(MAX_ROWS);
        let strips = h.div_ceil(strip);
        let out = Shared::new(y);
        (0..n * strips).into_par_iter().for_each(|task| {
            let (n, first) = (task / strips, task % strips * strip);
            isa::run(Strip {
                all: self,
                x,
                size: [h, w],
                n,
                rows: first..(first + strip).min(h),
                activation,
                halve,
                out,
            });
        });
        Ok(())
    }
}

/// Some rows of a picture.
struct Strip<'a> {
    all: &'a Separable,
    x: &'a [f32],
    size: [usize; 2],
    n: usize,
    rows: Range<usize>,
    activation: Activation,
    halve: bool,
    out: Shared,
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Separable { ci, panels, pointwise_bias, .. } = self.all;
        let ([h, w], channels) = (self.size, pointwise_bias.len());
        let line = (w + 2) * channels;
        // One row above, one below, and a pixel on both sides, of zeros where the picture ends.
        let mut between = scratch((self.rows.len() + 2) * line);
        for (at, between) in between.chunks_exact_mut(line).enumerate() {
            let row = (self.rows.start + at).wrapping_sub(1);
            if row >= h {
                between.fill(0.0);
                continue;
            }
            between[..channels].fill(0.0);
            between[line - channels..].fill(0.0);
            let x = &self.x[(self.n * h + row) * w * ci..][..w * ci];
            for panel in 0..panels.count() {
                let first = panels.range(panel).start;
                let mut pixels = Product {
                    x,
                    depth: *ci,
                    weight: panels.panel(panel),
                    bias: Some(&pointwise_bias[first..]),
                    out: &mut between[channels + first..],
                    stride: channels,
                };
                // SAFETY: a row has `w` pixels, the panel so many vectors.
                unsafe { over_rows(simd, &mut pixels, w, panels.width_of(panel) / S::F32_LANES) };
            }
        }
        let mut at = 0;
        while at < self.rows.len() {
            let above = &between[at * line..];
            at += match self.rows.len() - at {
                MAX_ROWS.. => self.depthwise::<S, MAX_ROWS>(simd, above, self.rows.start + at),
                2.. => self.depthwise::<S, 2>(simd, above, self.rows.start + at),
                _ => self.depthwise::<S, 1>(simd, above, self.rows.start + at),
            };
        }
    }
}

impl Strip<'_> {
    /// `ROWS` rows of outputs from the rows around them, `above`, which are a pixel longer on both sides; gives `ROWS`.
    ///
    /// Goes from left to right and adds each column of pixels to the three outputs that it belongs to: every value is read
    /// once for all outputs of the rows. The sums of an output have the same order for any number of rows.
    #[inline(always)]
    fn depthwise<S: Simd, const ROWS: usize>(&self, simd: S, above: &[f32], row: usize) -> usize {
        let ([h, w], co, channels) = (self.size, self.all.co, self.all.pointwise_bias.len());
        let line = (w + 2) * channels;
        assert!(above.len() >= (ROWS + 2) * line, "rows around the outputs");
        let epilogue = Epilogue { bias: Some(&self.all.bias), residual: None, activation: self.activation };
        let zeros = [simd.splat_f32s(0.0); ROWS];
        for c in (0..channels).step_by(S::F32_LANES) {
            let mut weights = [simd.splat_f32s(0.0); 9];
            for (tap, weight) in weights.iter_mut().enumerate() {
                *weight = load::<S>(&self.all.depthwise[tap * channels + c..]);
            }
            // Outputs one and two pixels to the left of the column that is added; the largest of the pixels above each other
            // of the output before, where rows are halved.
            let (mut left, mut far_left, mut before) = (zeros, zeros, zeros);
            for column in 0..w + 2 {
                let mut here = zeros;
                let mut values = [simd.splat_f32s(0.0); MAX_ROWS + 2];
                for (y, value) in values[..ROWS + 2].iter_mut().enumerate() {
                    // SAFETY: asserted above: `ROWS + 2` lines of `w + 2` pixels of whole vectors.
                    *value = unsafe {
                        above.as_ptr().add(y * line + column * channels + c).cast::<S::f32s>().read_unaligned()
                    };
                }
                for tap in 0..3 {
                    for y in 0..ROWS {
                        here[y] = simd.mul_add_e_f32s(values[y + tap], weights[tap * 3], here[y]);
                        left[y] = simd.mul_add_e_f32s(values[y + tap], weights[tap * 3 + 1], left[y]);
                        far_left[y] = simd.mul_add_e_f32s(values[y + tap], weights[tap * 3 + 2], far_left[y]);
                    }
                }
                let done = std::mem::replace(&mut far_left, std::mem::replace(&mut left, here));
                let Some(x) = column.checked_sub(2) else { continue };
                if self.halve {
                    // Bias and activation rise with what they are given, so the largest may be taken before them.
                    let mut pairs = zeros;
                    for y in (0..ROWS).step_by(2) {
                        pairs[y] = simd.max_f32s(done[y], done[(y + 1) % ROWS]);
                    }
                    let first = std::mem::replace(&mut before, pairs);
                    for y in (0..ROWS).step_by(2).filter(|_| x % 2 == 1) {
                        let pixel = (self.n * (h / 2) + (row + y) / 2) * (w / 2) + x / 2;
                        let largest = simd.max_f32s(first[y], pairs[y]);
                        // SAFETY: the pixel lies inside the output, and no other task has it.
                        unsafe { epilogue.store(simd, largest, self.out.at(0), pixel * co, c, co) };
                    }
                } else {
                    for (y, &sum) in done.iter().enumerate() {
                        let pixel = (self.n * h + row + y) * w + x;
                        // SAFETY: the pixel lies inside the output, and no other task has it.
                        unsafe { epilogue.store(simd, sum, self.out.at(0), pixel * co, c, co) };
                    }
                }
            }
        }
        ROWS
    }
}

/// `y = fine [n, h, w, c] + coarse [n, h/2, w/2, c]`, each of the coarse values for 2×2 pixels.
///
/// # Errors
/// A slice is not as long as that, or a side is odd.
pub fn add_upsampled([n, h, w, c]: [usize; 4], fine: &[f32], coarse: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    ShapeError::expect("rows beyond whole pairs", 0, h % 2)?;
    ShapeError::expect("columns beyond whole pairs", 0, w % 2)?;
    ShapeError::expect("fine", n * h * w * c, fine.len())?;
    ShapeError::expect("coarse", n * h * w * c / 4, coarse.len())?;
    ShapeError::expect("output", fine.len(), y.len())?;
    let (line, pixel) = ((w * c).max(1), c.max(1));
    for (row, (y, fine)) in y.chunks_exact_mut(line).zip(fine.chunks_exact(line)).enumerate() {
        let coarse = &coarse[row / 2 * (line / 2)..][..line / 2];
        for (x, (y, fine)) in y.chunks_exact_mut(pixel).zip(fine.chunks_exact(pixel)).enumerate() {
            let coarse = &coarse[x / 2 * pixel..][..pixel];
            for ((y, fine), coarse) in y.iter_mut().zip(fine).zip(coarse) {
                *y = fine + coarse;
            }
        }
    }
    Ok(())
}
