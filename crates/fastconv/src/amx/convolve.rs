//! Forward, and back to the input.

use super::narrow::{Narrow, narrow};
use super::tiles::{Blocks, DEPTH, SIDE, Tiles};
use crate::buffer::{Buffer, zeros};
use crate::epilogue::Epilogue;
use crate::isa;
use crate::kernel::Shared;
use crate::plan::Plan;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Values of a block of weights: what 16 output channels make of 32 input channels.
const BLOCK: usize = DEPTH * SIDE;
/// Values of a strip of the input about, so that it stays in a core's own memory.
const STRIP_VALUES: usize = 48 << 10;

/// Whether tiles fit a plan: whole blocks of channels, and output pixels that come in twice sixteen of a row.
pub(crate) fn fits(plan: &Plan) -> bool {
    let (ci, co, [rows, columns]) = (plan.input[2], plan.output[2], plan.grid);
    let whole = ci > 0 && ci.is_multiple_of(DEPTH) && co > 0 && co.is_multiple_of(2 * SIDE);
    whole
        && rows * columns > 0
        && (columns.is_multiple_of(2 * SIDE) || columns.is_multiple_of(SIDE) && rows.is_multiple_of(2))
}

/// Weights in blocks, `[co / 16, tap, ci / 32, 16, 16, 2]`, rounded to bfloat16.
#[derive(Debug, Clone)]
pub(crate) struct Halves {
    data: Buffer,
    taps: usize,
    deep: usize,
}

impl Halves {
    /// From `[tap, ci, co]`.
    pub fn pack(weight: &[f32], ci: usize, co: usize) -> Self {
        let (taps, deep) = (weight.len() / (ci * co).max(1), ci / DEPTH);
        let mut data = zeros(weight.len().div_ceil(2));
        let blocks = data.par_chunks_exact_mut(BLOCK / 2).enumerate();
        blocks.for_each(|(at, block)| {
            let (columns, tap, rows) = (at / (taps * deep), at / deep % taps, at % deep);
            for (pair, row) in block.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
                let first = (tap * ci + rows * DEPTH + 2 * pair) * co + columns * SIDE;
                let both = weight[first..][..SIDE].iter().zip(&weight[first + co..][..SIDE]);
                for (value, (low, high)) in row.iter_mut().zip(both) {
                    *value = f32::from_bits(u32::from(rounded(*low)) | u32::from(rounded(*high)) << 16);
                }
            }
        });
        Self { data, taps, deep }
    }

    /// Where a block begins.
    fn block(&self, columns: usize, tap: usize) -> *const u16 {
        self.data[(columns * self.taps + tap) * self.deep * (BLOCK / 2)..].as_ptr().cast()
    }

    /// Memory taken, bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.data.as_slice())
    }
}

/// To the nearest bfloat16, to the even one of two.
fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// `y` from `x`, both as the plan says. The process may use tiles, and they [fit](fits) the plan.
pub(crate) fn convolve(plan: &Plan, x: &[f32], weight: &Halves, epilogue: Epilogue<'_>, y: &mut [f32]) {
    let [oh, ow, co] = plan.output;
    assert!(super::in_use() && fits(plan), "a layer without whole tiles");
    assert!(plan.taps.iter().all(|tap| tap.index < weight.taps), "taps beyond the weights");
    assert!(weight.deep * DEPTH == plan.input[2] && weight.data.len() * 2 == weight.taps * plan.input[2] * co);
    assert!(x.len() == plan.n * plan.input.iter().product::<usize>() && y.len() == plan.n * oh * ow * co);
    let rows = plan.grid[0];
    let window = Window::new(plan);
    let together = (STRIP_VALUES / (window.width * plan.input[2] * plan.input_step)).max(1);
    // An even number: rows of sixteen pixels are worked on two at a time.
    let together = together.next_multiple_of(2).min(rows);
    let pieces = rows.div_ceil(together);
    let out = Shared::new(y);
    (0..plan.n * pieces).into_par_iter().for_each(|task| {
        let (n, first) = (task / pieces, task % pieces * together);
        let strip = Strip { plan, window, x, weight, out, n, rows: first..(first + together).min(rows) };
        // SAFETY: the process may use tiles; strips write rows of their own.
        unsafe { strip.run() };
        if epilogue.bias.is_some() || epilogue.residual.is_some() || epilogue.activation != crate::Activation::None {
            isa::run(Finish { strip: &strip, epilogue });
        }
    });
}

/// What the taps of a plan reach around a pixel.
#[derive(Clone, Copy)]
struct Window {
    /// The first row and column.
    first: [isize; 2],
    /// Rows beyond those of the grid.
    more: usize,
    /// Columns that a row of outputs reads.
    width: usize,
}

impl Window {
    fn new(plan: &Plan) -> Self {
        let bounds = |of: fn(&crate::plan::Tap) -> isize| {
            let all = || plan.taps.iter().map(of);
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        };
        let ((top, bottom), (left, right)) = (bounds(|tap| tap.dy), bounds(|tap| tap.dx));
        let width = (plan.grid[1] - 1) * plan.input_step + (right - left) as usize + 1;
        Self { first: [top, left], more: (bottom - top) as usize + 1, width }
    }
}

/// Some rows of a picture.
struct Strip<'a> {
    plan: &'a Plan,
    window: Window,
    x: &'a [f32],
    weight: &'a Halves,
    out: Shared,
    n: usize,
    rows: Range<usize>,
}

impl Strip<'_> {
    /// # Safety
    /// The process may use tiles; nobody else writes these rows.
    unsafe fn run(&self) {
        let (plan, Window { first: [top, left], width, .. }) = (self.plan, self.window);
        let (ci, co, step) = (plan.input[2], plan.output[2], plan.input_step);
        let input = self.input();
        // SAFETY: the process may use tiles.
        let mut tiles = unsafe { Tiles::new() };
        let segments = plan.grid[1] / SIDE;
        let count = self.rows.len() * segments;
        for columns in (0..co / SIDE).step_by(2) {
            for segment in (0..count).step_by(2) {
                let places = [segment, segment + 1].map(|at| (at / segments, at % segments * SIDE));
                tiles.zero();
                for tap in &plan.taps {
                    let from = places.map(|(row, column)| {
                        let y = row * step + (tap.dy - top) as usize;
                        let x = column * step + (tap.dx - left) as usize;
                        input.1.wrapping_add((y * width + x) * ci)
                    });
                    let a = Blocks { at: from, row: step * ci * 2 };
                    let b = [columns, columns + 1].map(|columns| self.weight.block(columns, tap.index));
                    // SAFETY: the strip holds all pixels that these taps reach, the weights all their blocks.
                    unsafe { tiles.multiply(a, Blocks { at: b, row: 64 }, 2 * BLOCK, self.weight.deep) };
                }
                let to = places.map(|(row, column)| self.pixel(row, column).wrapping_add(columns * SIDE).cast_const());
                // SAFETY: 16 pixels of the strip's rows, 32 channels of each.
                unsafe { tiles.store(Blocks { at: to, row: plan.output_step * co * 4 }) };
            }
        }
    }

    /// The rows of the input that these rows read, rounded, with zeros around the picture.
    fn input(&self) -> (Narrow, *const u16) {
        let (plan, Window { first: [top, left], more, width }) = (self.plan, self.window);
        let [h, w, ci] = plan.input;
        let rows = (self.rows.len() - 1) * plan.input_step + more;
        let mut values = Narrow::new(rows * width * ci);
        values.fill_zeros();
        let to = values.start();
        let first = (self.rows.start * plan.input_step) as isize + top;
        // Columns of the picture that are read.
        let (from, until) = (left.max(0) as usize, ((left + width as isize).max(0) as usize).min(w));
        for row in 0..rows {
            let y = first + row as isize;
            if y >= 0 && (y as usize) < h && from < until {
                let line = &self.x[((self.n * h + y as usize) * w + from) * ci..][..(until - from) * ci];
                let at = (row * width) as isize + from as isize - left;
                // SAFETY: so many values of the row are there, and room for them; the process may use tiles.
                unsafe { narrow(line.as_ptr(), to.add(at as usize * ci), line.len()) };
            }
        }
        (values, to)
    }

    /// Where a pixel of the strip's grid begins in the output.
    fn pixel(&self, row: usize, column: usize) -> *mut f32 {
        self.out.at(self.offset(row, column))
    }

    fn offset(&self, row: usize, column: usize) -> usize {
        let (plan, [oh, ow, co]) = (self.plan, self.plan.output);
        let y = (self.rows.start + row) * plan.output_step + plan.output_first[0];
        let x = column * plan.output_step + plan.output_first[1];
        ((self.n * oh + y) * ow + x) * co
    }
}

/// The epilogue of a strip, while it is near.
struct Finish<'a> {
    strip: &'a Strip<'a>,
    epilogue: Epilogue<'a>,
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (strip, co) = (self.strip, self.strip.plan.output[2]);
        for row in 0..strip.rows.len() {
            for column in 0..strip.plan.grid[1] {
                let at = strip.offset(row, column);
                for c in (0..co).step_by(S::F32_LANES) {
                    // SAFETY: a pixel of the strip's own; channels come in whole vectors.
                    unsafe {
                        let sums = strip.out.at(at + c).cast::<S::f32s>().read_unaligned();
                        self.epilogue.store(simd, sums, strip.out.at(0), at, c, co);
                    }
                }
            }
        }
    }
}
