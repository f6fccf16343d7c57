//! Winograd convolution of 3×3 kernels at stride 1.
//!
//! In the transform domain a buffer is `[points, tiles, channels]`, so that each point is one matrix product. Planes of
//! points are a little longer than their values: at a power of two all points of a tile would share one cache set.

use crate::epilogue::Epilogue;
use crate::isa;
use crate::kernel::{Panels, Product, Shared, over_rows};
use crate::scratch::{scratch, zeroed};
use crate::shape::ConvShape;
use crate::tiles::{self, Transform};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

/// Bytes of transformed input that one task holds: what its L2 cache keeps.
fn block_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| second_cache().unwrap_or(512 << 10).clamp(256 << 10, 1 << 20))
}

/// Bytes of a core's L2 cache, where Linux tells.
fn second_cache() -> Option<usize> {
    let told = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size").ok()?;
    kilobytes(told.trim())
}

/// `512K` or `2M`, in bytes.
fn kilobytes(told: &str) -> Option<usize> {
    let (number, unit) = told.split_at_checked(told.len().checked_sub(1)?)?;
    let unit = match unit {
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

/// See the module's text; values.
const PLANE_GAP: usize = 16;

/// Tiles of a picture, row by row, picture by picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Height, width, channels of the pictures.
    pub picture: [usize; 3],
    /// Output side of a tile.
    pub side: usize,
    /// Tiles of all pictures.
    pub count: usize,
}

impl Grid {
    pub fn new(n: usize, picture: [usize; 3], side: usize) -> Self {
        Self { picture, side, count: n * (picture[0] / side) * (picture[1] / side) }
    }

    /// Picture, first row and first column of a tile.
    #[inline(always)]
    pub fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (rows, columns) = (self.picture[0] / self.side, self.picture[1] / self.side);
        let (n, rest) = (tile / (rows * columns), tile % (rows * columns));
        (n, rest / columns * self.side, rest % columns * self.side)
    }

    /// Offset of the first value of a pixel.
    #[inline(always)]
    pub fn pixel(&self, n: usize, y: usize, x: usize) -> usize {
        let [h, w, c] = self.picture;
        ((n * h + y) * w + x) * c
    }
}

/// Length of a point's plane for so many tiles.
pub(crate) const fn plane(tiles: usize, channels: usize) -> usize {
    tiles * channels + PLANE_GAP
}

/// Transforms the input patches of some tiles.
pub(crate) struct Patches<'a, W, const T: usize, const O: usize> {
    pub grid: Grid,
    pub x: &'a [f32],
    pub tiles: Range<usize>,
    /// `[points, plane]`; tile `i` of the range goes to place `at + i`.
    pub v: Shared,
    pub plane: usize,
    pub at: usize,
    /// Distances between neighbouring tiles and between neighbouring vectors of a plane, values.
    pub steps: [usize; 2],
    pub transform: PhantomData<W>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Patches<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [h, w, channels] = self.grid.picture;
        let zeros = zeroed(channels);
        for (i, tile) in self.tiles.clone().enumerate() {
            let (n, oy, ox) = self.grid.place(tile);
            let mut from = [[zeros.as_ptr(); T]; T];
            for (a, row) in from.iter_mut().enumerate() {
                // Padding of 1: the patch begins one pixel up and left of the outputs.
                let y = (oy + a).wrapping_sub(1);
                for (b, from) in row.iter_mut().enumerate() {
                    let x = (ox + b).wrapping_sub(1);
                    if y < h && x < w {
                        *from = self.x[self.grid.pixel(n, y, x)..][..channels].as_ptr();
                    }
                }
            }
            for (vector, c) in (0..channels).step_by(S::F32_LANES).enumerate() {
                let mut patch = [[simd.splat_f32s(0.0); T]; T];
                for (values, from) in patch.iter_mut().zip(&from) {
                    for (value, from) in values.iter_mut().zip(from) {
                        // SAFETY: `from` has `channels` values, a multiple of the lanes (see `ConvShape::winograd`).
                        *value = unsafe { from.add(c).cast::<S::f32s>().read_unaligned() };
                    }
                }
                let place = (self.at + i) * self.steps[0] + vector * self.steps[1];
                // SAFETY: this task alone writes the places of its tiles.
                unsafe {
                    store_points::<S, T>(&tiles::input::<S, W, T, O>(simd, &patch), self.v.at(place), self.plane)
                };
            }
        }
    }
}

/// # Safety
/// `out` is writable for a vector at every multiple of `plane` below `T · T`.
#[inline(always)]
pub(crate) unsafe fn store_points<S: Simd, const T: usize>(values: &[[S::f32s; T]; T], out: *mut f32, plane: usize) {
    for (i, row) in values.iter().enumerate() {
        for (j, value) in row.iter().enumerate() {
            // SAFETY: vouched for by the caller.
            unsafe { out.add((i * T + j) * plane).cast::<S::f32s>().write_unaligned(*value) };
        }
    }
}

/// # Safety
/// `from` is readable for a vector at every multiple of `plane` below `T · T`.
#[inline(always)]
pub(crate) unsafe fn load_points<S: Simd, const T: usize>(
    simd: S,
    from: *const f32,
    plane: usize,
) -> [[S::f32s; T]; T] {
    let mut values = [[simd.splat_f32s(0.0); T]; T];
    for (i, row) in values.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            // SAFETY: vouched for by the caller.
            *value = unsafe { from.add((i * T + j) * plane).cast::<S::f32s>().read_unaligned() };
        }
    }
    values
}

/// Multiplies transformed tiles with some panels of the weights, and finishes their outputs.
#[derive(Clone)]
struct Products<'a, W, const T: usize, const O: usize> {
    /// Of the output.
    grid: Grid,
    /// `[points, plane]` of the tiles.
    v: &'a [f32],
    channels: usize,
    tiles: Range<usize>,
    weight: &'a Panels,
    panels: Range<usize>,
    epilogue: Epilogue<'a>,
    out: Shared,
    transform: PhantomData<W>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Products<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let m_plane = plane(self.tiles.len(), self.weight.width_of(0));
        let mut m = scratch(T * T * m_plane);
        for panel in self.panels.clone() {
            self.multiply(simd, panel, &mut m, m_plane);
            self.finish(simd, panel, &m, m_plane);
        }
    }
}

impl<W: Transform<T, O>, const T: usize, const O: usize> Products<'_, W, T, O> {
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, panel: usize, m: &mut [f32], m_plane: usize) {
        let (count, width, channels) = (self.tiles.len(), self.weight.width_of(panel), self.channels);
        let v_plane = plane(count, channels);
        let weights = self.weight.panel(panel);
        for point in 0..T * T {
            let mut product = Product {
                x: &self.v[point * v_plane..][..count * channels],
                depth: channels,
                weight: &weights[point * channels * width..][..channels * width],
                bias: None,
                out: &mut m[point * m_plane..][..count * width],
                stride: width,
            };
            // SAFETY: there are so many tiles, and a row of weights has so many vectors.
            unsafe { over_rows(simd, &mut product, count, width / S::F32_LANES) };
        }
    }

    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, panel: usize, m: &[f32], m_plane: usize) {
        let (width, co) = (self.weight.width_of(panel), self.grid.picture[2]);
        for (i, tile) in self.tiles.clone().enumerate() {
            let (n, oy, ox) = self.grid.place(tile);
            for (v, c) in self.weight.range(panel).step_by(S::F32_LANES).enumerate() {
                // SAFETY: every point has a panel's width of values for each tile.
                let products =
                    unsafe { load_points::<S, T>(simd, m[i * width + v * S::F32_LANES..].as_ptr(), m_plane) };
                let outputs = tiles::output::<S, W, T, O>(simd, &products);
                for (a, row) in outputs.iter().enumerate() {
                    for (b, value) in row.iter().enumerate() {
                        let pixel = self.grid.pixel(n, oy + a, ox + b);
                        // SAFETY: the pixel lies in the output; no other task has these channels of this tile.
                        unsafe { self.epilogue.store(simd, *value, self.out.at(0), pixel, c, co) };
                    }
                }
            }
        }
    }
}

/// A block of tiles from input to output.
struct Block<'a, W, const T: usize, const O: usize> {
    input: Grid,
    x: &'a [f32],
    products: Products<'a, W, T, O>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Block<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tiles = self.products.tiles.clone();
        let plane = plane(tiles.len(), self.products.channels);
        let mut v = scratch(T * T * plane);
        let shared = Shared::new(&mut v);
        let (grid, x, transform, steps) = (self.input, self.x, PhantomData, [self.products.channels, S::F32_LANES]);
        Patches::<W, T, O> { grid, x, tiles, v: shared, plane, at: 0, steps, transform }.with_simd(simd);
        Products { v: &v, ..self.products }.with_simd(simd);
    }
}

/// Convolution of `x`; `weight` has `points · ci` rows (see [`transform_weight`]).
pub(crate) fn forward<W: Transform<T, O>, const T: usize, const O: usize>(
    shape: &ConvShape,
    x: &[f32],
    weight: &Panels,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) {
    let (ci, co) = (shape.ci, shape.co);
    assert!(x.len() == shape.input_len() && y.len() == shape.output_len() && weight.depth == T * T * ci);
    let input = Grid::new(shape.n, [shape.h, shape.w, ci], O);
    let grid = Grid::new(shape.n, [shape.h, shape.w, co], O);
    let out = Shared::new(y);
    let threads = rayon::current_num_threads();
    let block = (block_bytes() / (T * T * ci * size_of::<f32>()) / 8 * 8).max(8);
    let all = Products::<W, T, O> {
        grid,
        v: &[],
        channels: ci,
        tiles: 0..0,
        weight,
        panels: 0..weight.count(),
        epilogue,
        out,
        transform: PhantomData,
    };
    if threads == 1 || grid.count >= 2 * threads * block {
        (0..grid.count.div_ceil(block)).into_par_iter().for_each(|task| {
            let tiles = task * block..((task + 1) * block).min(grid.count);
            isa::run(Block { input, x, products: Products { tiles, ..all.clone() } });
        });
        return;
    }
    // Few tiles: all threads transform them, then each takes some output channels, so that weights are read once.
    for first in (0..grid.count).step_by(threads * block) {
        let tiles = first..(first + threads * block).min(grid.count);
        let plane = plane(tiles.len(), ci);
        let mut v = scratch(T * T * plane);
        let shared = Shared::new(&mut v);
        let part = tiles.len().div_ceil(2 * threads);
        (0..tiles.len().div_ceil(part)).into_par_iter().for_each(|task| {
            let at = task * part;
            let tiles = first + at..(first + at + part).min(tiles.end);
            let (transform, steps) = (PhantomData, [ci, isa::vectors().0]);
            isa::run(Patches::<W, T, O> { grid: input, x, tiles, v: shared, plane, at, steps, transform });
        });
        let v = &*v;
        (0..weight.count()).into_par_iter().for_each(|panel| {
            isa::run(Products { v, tiles: tiles.clone(), panels: panel..panel + 1, ..all.clone() });
        });
    }
}

/// Transforms one input channel's kernels.
struct Kernels<'a, W, const T: usize, const O: usize> {
    ci: usize,
    co: usize,
    channel: usize,
    /// `[3, 3, ci, co]`.
    weight: &'a [f32],
    /// Of the weights.
    panels: Shared,
    /// [`Panels::column`] of each.
    columns: &'a [(usize, usize)],
    transform: PhantomData<W>,
}

impl<W: Transform<T, O>, const T: usize, const O: usize> WithSimd for Kernels<'_, W, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for c in (0..self.co).step_by(S::F32_LANES) {
            let mut kernel = [[simd.splat_f32s(0.0); 3]; 3];
            for (a, row) in kernel.iter_mut().enumerate() {
                for (b, value) in row.iter_mut().enumerate() {
                    let from = &self.weight[((a * 3 + b) * self.ci + self.channel) * self.co + c..][..S::F32_LANES];
                    // SAFETY: the slice is one vector long.
                    *value = unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() };
                }
            }
            let (column, width) = self.columns[c];
            let place = column + self.channel * width;
            let transformed = tiles::kernel::<S, W, T, O>(simd, &kernel);
            // SAFETY: this task alone writes its input channel's row of every point and panel.
            unsafe { store_points::<S, T>(&transformed, self.panels.at(place), self.ci * width) };
        }
    }
}

/// `[3, 3, ci, co]` to panels of `[points · ci, co]`.
pub(crate) fn transform_weight<W: Transform<T, O>, const T: usize, const O: usize>(
    ci: usize,
    co: usize,
    weight: &[f32],
) -> Panels {
    assert!(weight.len() == 9 * ci * co);
    let mut panels = Panels::zeros(T * T * ci, co);
    let columns: Vec<_> = (0..co).map(|column| panels.column(column)).collect();
    let out = Shared::new(panels.data_mut());
    (0..ci).into_par_iter().with_min_len(8).for_each(|channel| {
        isa::run(Kernels::<W, T, O> {
            ci,
            co,
            channel,
            weight,
            panels: out,
            columns: &columns,
            transform: PhantomData,
        });
    });
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caches_size_is_read_as_linux_writes_it() {
        let read: Vec<_> = ["512K", "2M", "", "K", "512", "-1K", "99999999999999999999M"].map(kilobytes).into();
        assert_eq!(read, [Some(512 << 10), Some(2 << 20), None, None, None, None, None]);
        assert!((256 << 10..=1 << 20).contains(&block_bytes()));
    }
}
