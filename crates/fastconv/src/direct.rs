//! Convolution without transforms: any kernel and stride, forward and back to the input.
//!
//! A kernel call sums over all taps and channels of some neighbouring output pixels of one row, reading the picture in
//! place; pixels outside the picture are read from zeros.

use crate::epilogue::Epilogue;
use crate::isa;
use crate::kernel::{Panels, RowWork, Shared, Steps, accumulate, over_rows};
use crate::patches::{Form, Lines, Products, Source};
use crate::plan::Plan;
use crate::scratch::zeroed;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Output values of one task at least, so that small rows are worked on together.
const TASK_VALUES: usize = 1 << 14;

/// `weight` holds the taps' matrices, `[tap, ci, co]`, packed for this `form`.
pub(crate) fn convolve(plan: &Plan, form: Form, x: Source<'_>, weight: &Panels, epilogue: Epilogue<'_>, y: &mut [f32]) {
    let [oh, ow, co] = plan.output;
    let whole = match x {
        Source::Floats(x) => x.len() == plan.n * plan.input.iter().product::<usize>(),
        Source::Bytes { pixels, width, height } => {
            let [h, w, ci] = plan.input;
            form == Form::Patches && plan.n == 1 && width <= w && height <= h && pixels.len() == width * height * ci
        }
    };
    assert!(whole && y.len() == plan.n * oh * ow * co, "sizes of a convolution");
    let [rows, columns] = plan.grid;
    if rows * columns * plan.n == 0 {
        return;
    }
    let out = Shared::new(y);
    let together = (TASK_VALUES / (columns * weight.width_of(0))).clamp(1, rows);
    let pieces = rows.div_ceil(together);
    let lines = |piece: usize| piece * together..((piece + 1) * together).min(rows);
    if form == Form::Products {
        (0..plan.n * pieces).into_par_iter().for_each(|task| {
            let (n, rows) = (task / pieces, lines(task % pieces));
            isa::run(Products { plan, x: x.floats(), weight, epilogue, out, n, rows });
        });
        return;
    }
    // Few rows: panels are tasks too, and every thread has work.
    let split = if plan.n * pieces < 4 * rayon::current_num_threads() { weight.count() } else { 1 };
    (0..plan.n * pieces * split).into_par_iter().for_each(|task| {
        let (piece, part) = (task / split, task % split);
        let (n, rows) = (piece / pieces, lines(piece % pieces));
        let count = weight.count().div_ceil(split);
        isa::run(Rows {
            plan,
            form,
            x,
            weight,
            epilogue,
            out,
            n,
            rows,
            panels: part * count..((part + 1) * count).min(weight.count()),
        });
    });
}

/// Some rows of a picture, for some panels of channels.
struct Rows<'a> {
    plan: &'a Plan,
    form: Form,
    x: Source<'a>,
    weight: &'a Panels,
    epilogue: Epilogue<'a>,
    out: Shared,
    n: usize,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.plan.grid[1];
        let mut lines = (self.form == Form::Patches).then(|| Lines::new(self.plan));
        let zeros = zeroed(self.plan.input[2]);
        for row in self.rows.clone() {
            if let Some(lines) = &mut lines {
                lines.fill(self.plan, self.x, self.n, row);
            }
            for panel in self.panels.clone() {
                let vectors = self.weight.width_of(panel) / S::F32_LANES;
                // SAFETY: the grid has so many pixels in a row, the panel so many vectors.
                unsafe {
                    if let Some(lines) = &lines {
                        let mut line = PatchLine { all: &self, lines, panel, row };
                        over_rows(simd, &mut line, columns, vectors);
                    } else {
                        let mut line = Line { all: &self, zeros: &zeros, panel, row };
                        over_rows(simd, &mut line, columns, vectors);
                    }
                };
            }
        }
    }
}

impl Rows<'_> {
    /// Stores the sums of some neighbouring pixels of a row.
    #[inline(always)]
    fn store<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        sums: &[[S::f32s; NV]; MR],
        [panel, row, at]: [usize; 3],
    ) {
        let [oh, ow, co] = self.plan.output;
        let first = self.weight.range(panel).start;
        let y = row * self.plan.output_step + self.plan.output_first[0];
        for (r, sums) in sums.iter().enumerate() {
            let x = (at + r) * self.plan.output_step + self.plan.output_first[1];
            let pixel = ((self.n * oh + y) * ow + x) * co;
            // SAFETY: the pixel lies inside the output, and no other task has these channels of it.
            unsafe { self.epilogue.store_all(simd, sums, self.out.at(0), pixel, first, co) };
        }
    }
}

/// One row of output pixels, for one panel of channels, from patches.
struct PatchLine<'a> {
    all: &'a Rows<'a>,
    lines: &'a Lines,
    panel: usize,
    row: usize,
}

impl RowWork for PatchLine<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, at: usize) {
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let (run, weights) = (self.lines.run(), self.all.weight.panel(self.panel));
        for line in 0..3 {
            let mut from = [weights.as_ptr(); MR];
            for (r, from) in from.iter_mut().enumerate() {
                *from = self.lines.patch(line, at + r).as_ptr();
            }
            let b = weights[line * run * NV * S::F32_LANES..].as_ptr();
            // SAFETY: a line of a patch has `run` values, the panel as many rows for each.
            unsafe { accumulate::<S, MR, NV>(simd, &mut sums, &from, b, Steps::panel::<S, NV>(), run) };
        }
        self.all.store(simd, &sums, [self.panel, self.row, at]);
    }
}

/// One row of output pixels, for one panel of channels.
struct Line<'a> {
    all: &'a Rows<'a>,
    zeros: &'a [f32],
    panel: usize,
    row: usize,
}

impl RowWork for Line<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, at: usize) {
        let Rows { plan, x, weight, n, .. } = *self.all;
        let [h, w, ci] = plan.input;
        let (weights, width) = (weight.panel(self.panel), NV * S::F32_LANES);
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        for tap in &plan.taps {
            let y = (self.row * plan.input_step) as isize + tap.dy;
            let mut from = [self.zeros.as_ptr(); MR];
            if y >= 0 && y < h as isize {
                let line = &x.floats()[(n * h + y as usize) * w * ci..][..w * ci];
                for (r, from) in from.iter_mut().enumerate() {
                    let x = ((at + r) * plan.input_step) as isize + tap.dx;
                    if x >= 0 && x < w as isize {
                        *from = line[x as usize * ci..].as_ptr();
                    }
                }
            }
            let b = weights[tap.index * ci * width..][..ci * width].as_ptr();
            // SAFETY: each `from` has a pixel's `ci` values left, or the zeros' `ci`; `b` has `ci` rows of a panel.
            unsafe { accumulate::<S, MR, NV>(simd, &mut sums, &from, b, Steps::panel::<S, NV>(), ci) };
        }
        self.all.store(simd, &sums, [self.panel, self.row, at]);
    }
}
