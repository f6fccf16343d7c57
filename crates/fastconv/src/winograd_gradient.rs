//! Gradient of a Winograd convolution to its weights.
//!
//! A buffer of transformed tiles is `[points, vectors of channels, tiles, lanes]`: a sum over tiles reads memory from front to
//! back. With channels side by side its reads would lie a power of two apart and share a few sets of the cache.

use crate::isa::{self, wide};
use crate::kernel::{RowWork, Shared, Steps, accumulate, over_rows};
use crate::scratch::scratch;
use crate::shape::ConvShape;
use crate::tiles::{self, Transform};
use crate::winograd::{Grid, Patches, load_points, plane, store_points};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Tiles whose transforms are held at once.
const BLOCK: usize = 256;
/// Tiles that a kernel sums over in one go, so that the gradients it reads again and again stay in the L1 cache.
const RUN: usize = 128;
/// Tiles that one task transforms.
const PART: usize = 16;

/// Transforms the output gradients of some tiles.
struct Gradients<'a, W, const T: usize, const O: usize> {
    grid: Grid,
    gradient: &'a [f32],
    tiles: Range<usize>,
    m: Shared,
    plane: usize,
    at: usize,
    steps: [usize; 2],
    transform: PhantomData<W>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Gradients<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.grid.picture[2];
        for (i, tile) in self.tiles.clone().enumerate() {
            let (n, oy, ox) = self.grid.place(tile);
            for (vector, c) in (0..channels).step_by(S::F32_LANES).enumerate() {
                let mut patch = [[simd.splat_f32s(0.0); O]; O];
                for (a, row) in patch.iter_mut().enumerate() {
                    for (b, value) in row.iter_mut().enumerate() {
                        let from = &self.gradient[self.grid.pixel(n, oy + a, ox + b) + c..][..S::F32_LANES];
                        // SAFETY: the slice is one vector long.
                        *value = unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() };
                    }
                }
                let place = (self.at + i) * self.steps[0] + vector * self.steps[1];
                let transformed = tiles::gradient::<S, W, T, O>(simd, &patch);
                // SAFETY: this task alone writes the places of its tiles.
                unsafe { store_points::<S, T>(&transformed, self.m.at(place), self.plane) };
            }
        }
    }
}

/// `du (+)= vᵀ · m` at one point.
struct Outer<'a> {
    /// `[ci / lanes, block, lanes]`.
    v: &'a [f32],
    /// `[co / lanes, block, lanes]`.
    m: &'a [f32],
    block: usize,
    tiles: usize,
    ci: usize,
    co: usize,
    add: bool,
    /// `[ci, co]`.
    du: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for first in (0..self.tiles).step_by(RUN) {
            let tiles = first..(first + RUN).min(self.tiles);
            let add = self.add || first > 0;
            for c in (0..self.co).step_by(wide::<S>() * S::F32_LANES) {
                let vectors = ((self.co - c) / S::F32_LANES).min(wide::<S>());
                let count = self.ci;
                let mut part = Part { all: &mut self, tiles: tiles.clone(), c, add };
                // SAFETY: so many input channels and vectors of output channels are there.
                unsafe { over_rows(simd, &mut part, count, vectors) };
            }
        }
    }
}

/// A run of tiles, for the output channels from `c` on.
struct Part<'a, 'b> {
    all: &'a mut Outer<'b>,
    tiles: Range<usize>,
    c: usize,
    add: bool,
}

impl RowWork for Part<'_, '_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize) {
        let Outer { v, m, block, co, .. } = *self.all;
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        // A vector of channels takes `block · lanes` values, a tile `lanes`.
        let place = |channel: usize| {
            (channel / S::F32_LANES * block + self.tiles.start) * S::F32_LANES + channel % S::F32_LANES
        };
        let mut from = [v.as_ptr(); MR];
        for (r, from) in from.iter_mut().enumerate() {
            *from = v[place(i + r)..].as_ptr();
        }
        let gradients = m[place(self.c)..].as_ptr();
        let out = self.all.du[i * co + self.c..].as_mut_ptr();
        // SAFETY: vouched for by the caller; the buffers hold `block` tiles of each vector.
        unsafe {
            let place = |r: usize, v: usize| out.add(r * co + v * S::F32_LANES).cast::<S::f32s>();
            if self.add {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = place(r, v).read_unaligned();
                    }
                }
            }
            let steps = Steps { a: S::F32_LANES, b: S::F32_LANES, vector: block * S::F32_LANES };
            accumulate::<S, MR, NV>(simd, &mut sums, &from, gradients, steps, self.tiles.len());
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    place(r, v).write_unaligned(*sum);
                }
            }
        }
    }
}

/// Gradients of one input channel's kernels from those of its transformed ones.
struct Kernels<'a, W, const T: usize, const O: usize> {
    ci: usize,
    co: usize,
    channel: usize,
    du: &'a [f32],
    dw: Shared,
    transform: PhantomData<W>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Kernels<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for c in (0..self.co).step_by(S::F32_LANES) {
            let from = self.du[self.channel * self.co + c..].as_ptr();
            // SAFETY: `du` is `[points, ci, co]`, and co a multiple of the lanes.
            let points = unsafe { load_points::<S, T>(simd, from, self.ci * self.co) };
            let kernel = tiles::kernel_gradient::<S, W, T, O>(simd, &points);
            for (tap, value) in kernel.iter().flatten().enumerate() {
                let place = self.dw.at((tap * self.ci + self.channel) * self.co + c);
                // SAFETY: this task alone writes its input channel's row of every tap.
                unsafe { place.cast::<S::f32s>().write_unaligned(*value) };
            }
        }
    }
}

/// See [`crate::backward_weight`]. Points are the tasks: sums have one order whatever the number of threads.
pub(crate) fn backward_weight<W: Transform<T, O>, const T: usize, const O: usize>(
    shape: &ConvShape,
    x: &[f32],
    gradient: &[f32],
    dw: &mut [f32],
) {
    let (ci, co) = (shape.ci, shape.co);
    let input = Grid::new(shape.n, [shape.h, shape.w, ci], O);
    let output = Grid::new(shape.n, [shape.h, shape.w, co], O);
    let block = BLOCK.min(input.count);
    let (v_plane, m_plane) = (plane(block, ci), plane(block, co));
    let points = T * T;
    let lanes = isa::vectors().0;
    let steps = [lanes, block * lanes];
    let mut du = scratch(points * ci * co);
    let mut buffer = scratch(points * (v_plane + m_plane));
    for first in (0..input.count).step_by(block.max(1)) {
        let count = block.min(input.count - first);
        let (v, m) = buffer.split_at_mut(points * v_plane);
        let (v_shared, m_shared) = (Shared::new(v), Shared::new(m));
        (0..count.div_ceil(PART)).into_par_iter().for_each(|task| {
            let at = task * PART;
            let tiles = first + at..first + (at + PART).min(count);
            let (again, transform) = (tiles.clone(), PhantomData);
            isa::run(Patches::<W, T, O> { grid: input, x, tiles, v: v_shared, plane: v_plane, at, steps, transform });
            let (grid, m) = (output, m_shared);
            isa::run(Gradients::<W, T, O> { grid, gradient, tiles: again, m, plane: m_plane, at, steps, transform });
        });
        let (v, m) = (&*v, &*m);
        du.par_chunks_exact_mut(ci * co).enumerate().for_each(|(point, du)| {
            let (v, m) = (&v[point * v_plane..][..v_plane], &m[point * m_plane..][..m_plane]);
            isa::run(Outer { v, m, block, tiles: count, ci, co, add: first > 0, du });
        });
    }
    let (du, dw) = (&*du, Shared::new(dw));
    (0..ci).into_par_iter().with_min_len(8).for_each(|channel| {
        isa::run(Kernels::<W, T, O> { ci, co, channel, du, dw, transform: PhantomData });
    });
}
