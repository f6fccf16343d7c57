//! The inner product kernel that every convolution comes down to, and the order its weights are kept in.

use crate::isa;
use pulp::Simd;

/// Vectors of output channels that a kernel works on at once.
pub(crate) const WIDE: usize = 2;

/// A matrix `[depth, columns]` cut into panels of `width` columns, `[panel, depth, width]`, the last one filled up with
/// zeros: a kernel reads it from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    pub data: Vec<f32>,
    pub depth: usize,
    pub columns: usize,
    pub width: usize,
}

impl Panels {
    /// Columns of a panel: two vectors, or one where that is enough.
    pub fn width_for(columns: usize) -> usize {
        let lanes = isa::lanes();
        if columns <= lanes { lanes } else { WIDE * lanes }
    }

    /// Room for a matrix of this size.
    pub fn zeros(depth: usize, columns: usize) -> Self {
        let width = Self::width_for(columns);
        Self { data: vec![0.0; columns.div_ceil(width) * depth * width], depth, columns, width }
    }

    /// From `[depth, columns]`, row by row.
    pub fn pack(matrix: &[f32], depth: usize, columns: usize) -> Self {
        let mut panels = Self::zeros(depth, columns);
        let width = panels.width;
        for (panel, out) in panels.data.chunks_exact_mut((depth * width).max(1)).enumerate() {
            let from = panel * width;
            let count = width.min(columns - from);
            for (row, out) in matrix.chunks_exact(columns).zip(out.chunks_exact_mut(width)) {
                out[..count].copy_from_slice(&row[from..from + count]);
            }
        }
        panels
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.columns.div_ceil(self.width.max(1))
    }

    /// One panel, `[depth, width]`.
    pub fn panel(&self, at: usize) -> &[f32] {
        &self.data[at * self.depth * self.width..][..self.depth * self.width]
    }
}

/// Rows that a kernel works on at once: as many as the registers hold sums for.
#[inline(always)]
pub(crate) const fn rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 8 } else { 4 }
}

/// `sums[r][v] += Σ_k a[r][k · a_step] · b[k · b_step + v · lanes ..]`, each sum in the order of `k`: a result does not
/// depend on how rows and columns are spread over calls and threads.
///
/// # Safety
/// `a[r]` is readable at `k · a_step` and `b` at `k · b_step .. + NV · lanes`, for all `k < depth`.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    sums: &mut [[S::f32s; NV]; MR],
    a: &[*const f32; MR],
    a_step: usize,
    b: *const f32,
    b_step: usize,
    depth: usize,
) {
    let mut local = *sums;
    for k in 0..depth {
        // SAFETY: inside the ranges that the caller vouches for; vectors are read unaligned.
        unsafe {
            let row = b.add(k * b_step).cast::<S::f32s>();
            let mut columns = [simd.splat_f32s(0.0); NV];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = row.add(v).read_unaligned();
            }
            for (r, sums) in local.iter_mut().enumerate() {
                let value = simd.splat_f32s(*a[r].add(k * a_step));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = simd.mul_add_e_f32s(value, column, *sum);
                }
            }
        }
    }
    *sums = local;
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
