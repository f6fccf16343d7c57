//! The inner product kernel that every convolution comes down to, and the order its weights are kept in.

use crate::buffer::{Buffer, zeros};
use crate::isa::{self, many_registers};
use pulp::Simd;
use std::ops::Range;

/// Sums that a kernel keeps in registers; a few more hold a row of weights and a value.
#[inline(always)]
const fn sums<S: Simd>() -> usize {
    if many_registers::<S>() { 24 } else { 12 }
}

/// A matrix `[depth, columns]` cut into panels of `width` columns, `[panel, depth, width]`: a kernel reads it from front to
/// back. The last panel is as wide as its columns need, in whole vectors filled up with zeros.
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    data: Buffer,
    pub depth: usize,
    pub columns: usize,
    width: usize,
}

impl Panels {
    /// Room for a matrix of this size.
    pub fn zeros(depth: usize, columns: usize) -> Self {
        let (lanes, width) = isa::vectors();
        Self { data: zeros(columns.next_multiple_of(lanes) * depth), depth, columns, width }
    }

    /// From `[depth, columns]`, row by row.
    pub fn pack(matrix: &[f32], depth: usize, columns: usize) -> Self {
        let mut panels = Self::zeros(depth, columns);
        for at in 0..panels.count() {
            let (columns, width, place) = (panels.range(at), panels.width_of(at), panels.place(at));
            let out = panels.data[place..][..depth * width].chunks_exact_mut(width);
            for (row, out) in matrix.chunks_exact(panels.columns).zip(out) {
                out[..columns.len()].copy_from_slice(&row[columns.clone()]);
            }
        }
        panels
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// Columns of a panel.
    pub fn range(&self, panel: usize) -> Range<usize> {
        panel * self.width..((panel + 1) * self.width).min(self.columns)
    }

    /// Values in a row of a panel, those filled up with zeros among them.
    pub fn width_of(&self, panel: usize) -> usize {
        let (lanes, _) = isa::vectors();
        self.range(panel).len().next_multiple_of(lanes)
    }

    /// Where a panel begins.
    fn place(&self, panel: usize) -> usize {
        panel * self.width * self.depth
    }

    /// One panel, `[depth, width_of]`.
    pub fn panel(&self, at: usize) -> &[f32] {
        &self.data[self.place(at)..][..self.depth * self.width_of(at)]
    }

    /// Offset of a column's first value, and the distance to its next.
    pub fn column(&self, column: usize) -> (usize, usize) {
        let panel = column / self.width;
        (self.place(panel) + column % self.width, self.width_of(panel))
    }

    /// All panels, for those who fill them in.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Memory taken, bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.data.as_slice())
    }
}

/// Work on some rows of a matrix, at `NV` vectors of columns.
pub(crate) trait RowWork {
    /// Does rows `first .. first + MR`.
    ///
    /// # Safety
    /// So many rows and vectors are there.
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize);
}

/// Does `count` rows, as many at once as the registers hold sums for. `vectors`: 1 to [`wide`].
///
/// # Safety
/// Rows `0 .. count` and so many vectors are there.
#[inline(always)]
pub(crate) unsafe fn over_rows<S: Simd, W: RowWork>(simd: S, work: &mut W, count: usize, vectors: usize) {
    // SAFETY: vouched for by the caller.
    unsafe {
        match vectors {
            1 => over_rows_of::<S, W, 1>(simd, work, count),
            2 => over_rows_of::<S, W, 2>(simd, work, count),
            3 if many_registers::<S>() => over_rows_of::<S, W, 3>(simd, work, count),
            4 if many_registers::<S>() => over_rows_of::<S, W, 4>(simd, work, count),
            _ => unreachable!("panels are 1 to `wide` vectors wide"),
        }
    }
}

/// # Safety
/// That of [`over_rows`].
#[inline(always)]
unsafe fn over_rows_of<S: Simd, W: RowWork, const NV: usize>(simd: S, work: &mut W, count: usize) {
    let fits = |rows: usize, left: usize| rows * NV <= sums::<S>() && left >= rows;
    let mut at = 0;
    while at < count {
        let left = count - at;
        // SAFETY: so many rows are left.
        at += unsafe {
            if fits(12, left) {
                work.rows::<S, 12, NV>(simd, at);
                12
            } else if fits(8, left) {
                work.rows::<S, 8, NV>(simd, at);
                8
            } else if fits(6, left) {
                work.rows::<S, 6, NV>(simd, at);
                6
            } else if fits(4, left) {
                work.rows::<S, 4, NV>(simd, at);
                4
            } else if left >= 2 {
                work.rows::<S, 2, NV>(simd, at);
                2
            } else {
                work.rows::<S, 1, NV>(simd, at);
                1
            }
        };
    }
}

/// Distances between what a kernel reads, values.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    /// From one value of a row to the next.
    pub a: usize,
    /// From one row of columns to the next.
    pub b: usize,
    /// Between the vectors of a row of columns.
    pub vector: usize,
}

impl Steps {
    /// Through a panel of weights: `NV` vectors side by side, row after row.
    #[inline(always)]
    pub fn panel<S: Simd, const NV: usize>() -> Self {
        Self { a: 1, b: NV * S::F32_LANES, vector: S::F32_LANES }
    }
}

/// `sums[r][v] += Σ_k a[r][k · steps.a] · b[k · steps.b + v · steps.vector ..]`, each sum in the order of `k`: a result does not
/// depend on how rows and columns are spread over calls and threads.
///
/// # Safety
/// `a[r]` and `b` are readable there, for all `k < depth`.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    sums: &mut [[S::f32s; NV]; MR],
    a: &[*const f32; MR],
    b: *const f32,
    steps: Steps,
    depth: usize,
) {
    let mut local = *sums;
    for k in 0..depth {
        // SAFETY: inside the ranges that the caller vouches for; vectors are read unaligned.
        unsafe {
            let row = b.add(k * steps.b);
            let mut columns = [simd.splat_f32s(0.0); NV];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = row.add(v * steps.vector).cast::<S::f32s>().read_unaligned();
            }
            for (r, sums) in local.iter_mut().enumerate() {
                let value = simd.splat_f32s(*a[r].add(k * steps.a));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = simd.mul_add_e_f32s(value, column, *sum);
                }
            }
        }
    }
    *sums = local;
}

/// The first vector of a slice. (`Simd::partial_load_f32s` is a call on AVX-512, too dear for each pixel.)
///
/// # Panics
/// When the slice is shorter.
#[inline(always)]
pub(crate) fn load<S: Simd>(from: &[f32]) -> S::f32s {
    assert!(from.len() >= S::F32_LANES);
    // SAFETY: so many values are there; the read is unaligned.
    unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() }
}

/// Overwrites the first vector of a slice.
///
/// # Panics
/// When the slice is shorter.
#[inline(always)]
pub(crate) fn store<S: Simd>(to: &mut [f32], vector: S::f32s) {
    assert!(to.len() >= S::F32_LANES);
    // SAFETY: so many values are there; the write is unaligned.
    unsafe { to.as_mut_ptr().cast::<S::f32s>().write_unaligned(vector) };
}

/// Rows of values times a panel of weights, plus a bias.
pub(crate) struct Product<'a> {
    /// Rows of `depth` values.
    pub x: &'a [f32],
    pub depth: usize,
    /// `[depth, NV · lanes]`.
    pub weight: &'a [f32],
    /// As wide as the panel.
    pub bias: Option<&'a [f32]>,
    /// Rows that begin `stride` values apart.
    pub out: &'a mut [f32],
    pub stride: usize,
}

impl RowWork for Product<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize) {
        let mut start = [simd.splat_f32s(0.0); NV];
        if let Some(bias) = self.bias {
            for (start, bias) in start.iter_mut().zip(bias.chunks_exact(S::F32_LANES)) {
                *start = load::<S>(bias);
            }
        }
        let mut sums = [start; MR];
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
            let out = &mut self.out[(first + r) * self.stride..][..NV * S::F32_LANES];
            for (out, sum) in out.chunks_exact_mut(S::F32_LANES).zip(sums) {
                store::<S>(out, *sum);
            }
        }
    }
}

/// A pointer into an output that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: only handed to tasks that write parts which do not overlap; each use says why.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(out: &mut [f32]) -> Self {
        Self(out.as_mut_ptr())
    }

    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}
