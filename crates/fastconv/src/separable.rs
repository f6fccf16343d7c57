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
        let strip = (STRIP_BYTES / row).saturating_sub(2).max(2) / 2 * 2;
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
        let Separable { ci, co, panels, pointwise_bias, .. } = self.all;
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
        let mut pair = scratch(if self.halve { 2 * w * channels } else { 0 });
        for at in 0..self.rows.len() {
            let above = &between[at * line..][..3 * line];
            let row = self.rows.start + at;
            if self.halve {
                self.depthwise(simd, above, &mut pair[at % 2 * w * channels..][..w * channels]);
                if at % 2 == 1 {
                    self.halved(simd, &pair, row / 2);
                }
            } else {
                let pixel = (self.n * h + row) * w * co;
                // SAFETY: the row lies inside the output, and no other task has it.
                let out = unsafe { std::slice::from_raw_parts_mut(self.out.at(pixel), w * co) };
                self.depthwise(simd, above, out);
            }
        }
    }
}

impl Strip<'_> {
    /// A row of outputs from the three rows around it, which are a pixel longer on both sides.
    #[inline(always)]
    fn depthwise<S: Simd>(&self, simd: S, above: &[f32], out: &mut [f32]) {
        let w = self.size[1];
        let (channels, step) = (self.all.pointwise_bias.len(), out.len() / w);
        let line = (w + 2) * channels;
        let epilogue = Epilogue { bias: Some(&self.all.bias), residual: None, activation: self.activation };
        let count = self.all.co;
        for c in (0..channels).step_by(S::F32_LANES) {
            let mut weights = [simd.splat_f32s(0.0); 9];
            for (tap, weight) in weights.iter_mut().enumerate() {
                *weight = load::<S>(&self.all.depthwise[tap * channels + c..]);
            }
            for x in 0..w {
                let mut sum = simd.splat_f32s(0.0);
                for (tap, weight) in weights.iter().enumerate() {
                    let place = tap / 3 * line + (x + tap % 3) * channels + c;
                    // SAFETY: `above` holds three lines of `w + 2` pixels of whole vectors.
                    let value = unsafe { above.as_ptr().add(place).cast::<S::f32s>().read_unaligned() };
                    sum = simd.mul_add_e_f32s(value, *weight, sum);
                }
                // SAFETY: pixel `x` begins at `x · step`, and as many channels as there are fit.
                unsafe { epilogue.store(simd, sum, out.as_mut_ptr(), x * step, c, count) };
            }
        }
    }

    /// The largest of each 2×2 pixels of two rows.
    #[inline(always)]
    fn halved<S: Simd>(&self, simd: S, pair: &[f32], row: usize) {
        let ([h, w], co, channels) = (self.size, self.all.co, self.all.pointwise_bias.len());
        let pixel = (self.n * (h / 2) + row) * (w / 2) * co;
        for x in 0..w / 2 {
            for c in (0..co).step_by(S::F32_LANES) {
                let at = |y: usize, x: usize| load::<S>(&pair[(y * w + x) * channels + c..]);
                let upper = simd.max_f32s(at(0, 2 * x), at(0, 2 * x + 1));
                let lower = simd.max_f32s(at(1, 2 * x), at(1, 2 * x + 1));
                // SAFETY: the pixel lies inside the output, and no other task has it.
                unsafe {
                    Epilogue::PLAIN.store(simd, simd.max_f32s(upper, lower), self.out.at(0), pixel + x * co, c, co);
                }
            }
        }
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
