//! The gradient of the weights: sums over pixels.
//!
//! Rows of a picture lie one after the other with a pixel of zeros between them, so that a tap is one distance everywhere, and
//! a sum runs over any number of rows. At stride 2 the picture is four of every second row and column.

use super::narrow::{Narrow, pairs, transposed};
use super::tiles::{Blocks, DEPTH, SIDE, Tiles};
use crate::scratch::zeroed;
use crate::shape::ConvShape;
use rayon::prelude::*;

/// Pixels that are summed over before the next weights have their turn: what is read fits into a core's first memory.
const STRIP: usize = 384;
/// Parts of a batch with sums of their own, added in their order.
const PARTS: usize = 8;

/// Whether tiles fit a layer's gradient.
pub(crate) fn fits_gradient(shape: &ConvShape) -> bool {
    let whole = |channels: usize| channels > 0 && channels.is_multiple_of(2 * SIDE);
    shape.kernel == 3 && whole(shape.ci) && whole(shape.co) && (shape.stride == 1 || even(shape))
}

fn even(shape: &ConvShape) -> bool {
    shape.stride == 2 && shape.h.is_multiple_of(2) && shape.w.is_multiple_of(2)
}

/// `dw [3, 3, ci, co]`. The process may use tiles, and they [fit](fits_gradient) the layer.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], gradient: &[f32], dw: &mut [f32]) {
    assert!(super::in_use() && fits_gradient(shape), "a layer without whole tiles");
    assert!(x.len() == shape.input_len() && gradient.len() == shape.output_len() && dw.len() == shape.weight_len());
    let parts = PARTS.min(shape.n);
    let sums: Vec<Vec<f32>> = (0..parts)
        .into_par_iter()
        .map(|part| {
            let mut sums = vec![0.0; dw.len()];
            for n in part * shape.n / parts..(part + 1) * shape.n / parts {
                // SAFETY: the process may use tiles.
                unsafe { Picture::new(shape, n, x, gradient).add_to(&mut sums) };
            }
            sums
        })
        .collect();
    dw.fill(0.0);
    dw.par_chunks_mut(1 << 14).enumerate().for_each(|(chunk, dw)| {
        for sums in &sums {
            for (sum, value) in dw.iter_mut().zip(&sums[chunk << 14..]) {
                *sum += value;
            }
        }
    });
}

/// One picture and its gradient.
struct Picture<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    gradient: &'a [f32],
    /// Pixels from one row to the next.
    pitch: usize,
}

impl<'a> Picture<'a> {
    fn new(shape: &'a ConvShape, n: usize, x: &'a [f32], gradient: &'a [f32]) -> Self {
        let (input, output) = (shape.input_len() / shape.n, shape.output_len() / shape.n);
        Self { shape, x: &x[n * input..][..input], gradient: &gradient[n * output..][..output], pitch: shape.ow() + 1 }
    }

    /// The picture that a tap's row or column reads, and the distance in it.
    fn tap(&self, k: usize) -> (usize, usize) {
        match (self.shape.stride, k) {
            (1, _) => (0, k),
            // Odd rows and columns, begun with one of zeros.
            (_, 0) => (1, 0),
            (_, 1) => (0, 0),
            _ => (1, 1),
        }
    }

    /// # Safety
    /// The process may use tiles.
    unsafe fn add_to(&self, sums: &mut [f32]) {
        let (s, pitch) = (self.shape, self.pitch);
        let (ci, co, oh) = (s.ci, s.co, s.oh());
        let planes = s.stride * s.stride;
        let reach = if s.stride == 1 { 2 } else { 1 };
        let together = (STRIP / pitch).clamp(1, oh);
        let (zeros, sums) = (zeroed(ci.max(co)), sums.as_mut_ptr());
        // SAFETY: the process may use tiles.
        let mut tiles = unsafe { Tiles::new() };
        for first in (0..oh).step_by(together) {
            let rows = together.min(oh - first);
            let depth = (rows * pitch).next_multiple_of(DEPTH);
            // A channel begins on an odd number of cache lines, so that channels do not fall onto each other.
            let lines = (depth + reach * pitch + reach).div_ceil(DEPTH) | 1;
            let len = lines * DEPTH;
            let mut turned = Narrow::new(planes * ci * len);
            let (mut told, from) = (Narrow::new(depth * co), turned.start());
            for plane in 0..planes {
                let pixels: Vec<_> =
                    (0..len).map(|at| self.input(plane, first + at / pitch, at % pitch, &zeros)).collect();
                // SAFETY: all pixels are there, or zeros; so is the room.
                unsafe { transposed(&pixels, ci, from.add(plane * ci * len), len) };
            }
            let pixels: Vec<_> =
                (0..depth).map(|at| self.output(at / pitch, at % pitch, first, rows, &zeros)).collect();
            let told = told.start();
            // SAFETY: as above.
            unsafe { pairs(&pixels, co, told) };
            for i in (0..ci).step_by(2 * SIDE) {
                for o in (0..co).step_by(2 * SIDE) {
                    let b = [o, o + SIDE].map(|o| told.wrapping_add(2 * o).cast_const());
                    for tap in 0..9 {
                        let ((row_plane, down), (column_plane, right)) = (self.tap(tap / 3), self.tap(tap % 3));
                        let plane = 2 * row_plane + column_plane;
                        let offset = down * pitch + right;
                        let a = [i, i + SIDE].map(|i| from.wrapping_add((plane * ci + i) * len + offset).cast_const());
                        let c = [i, i + SIDE].map(|i| sums.wrapping_add((tap * ci + i) * co + o).cast_const());
                        let c = Blocks { at: c, row: co * 4 };
                        // SAFETY: `depth` pixels from the offset on lie inside a channel's line; sums are the caller's.
                        unsafe {
                            tiles.load(c);
                            let (a, b) = (Blocks { at: a, row: len * 2 }, Blocks { at: b, row: co * 4 });
                            tiles.multiply(a, b, SIDE * co * 4, depth / DEPTH);
                            tiles.store(c);
                        }
                    }
                }
            }
        }
    }

    /// A pixel of a plane, or zeros outside of the picture.
    fn input(&self, plane: usize, row: usize, column: usize, zeros: &[f32]) -> *const f32 {
        let s = self.shape;
        let before = if s.stride == 1 { [1, 1] } else { [plane / 2, plane % 2] };
        let y = (row * s.stride).wrapping_sub(before[0]);
        let x = (column * s.stride).wrapping_sub(before[1]);
        let inside = y < s.h && x < s.w;
        if inside { self.x[(y * s.w + x) * s.ci..].as_ptr() } else { zeros.as_ptr() }
    }

    /// The gradient of a pixel of the strip, or zeros between rows and after the last.
    fn output(&self, row: usize, column: usize, first: usize, rows: usize, zeros: &[f32]) -> *const f32 {
        let s = self.shape;
        let inside = row < rows && column < s.ow();
        if inside { self.gradient[((first + row) * s.ow() + column) * s.co..].as_ptr() } else { zeros.as_ptr() }
    }
}
