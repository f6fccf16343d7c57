//! Row-major matrix products over the `gemm` crate, with the bounds checked here.

/// A row-major matrix inside a slice: `rows × cols`, `stride` values from row to row.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub stride: usize,
}

impl<'a> Matrix<'a> {
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, stride: cols }
    }

    /// Columns `from..from + cols`.
    pub fn columns(data: &'a [f32], rows: usize, stride: usize, from: usize, cols: usize) -> Self {
        Self { data: &data[from..], rows, cols, stride }
    }

    fn fits(&self) -> bool {
        self.rows == 0 || (self.rows - 1) * self.stride + self.cols <= self.data.len()
    }
}

/// `c (+)= a · b`.
pub(crate) fn multiply(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], c_stride: usize, accumulate: bool) {
    product(a.rows, a.cols, a, 1, a.stride as isize, b, c, c_stride, accumulate);
}

/// `c (+)= aᵀ · b`, with `a` given as `[k, m]`.
pub(crate) fn multiply_transposed(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], c_stride: usize, accumulate: bool) {
    product(a.cols, a.rows, a, a.stride as isize, 1, b, c, c_stride, accumulate);
}

/// `c (+)= a · bᵀ`, with `b` given as `[n, k]`.
pub(crate) fn multiply_by_transposed(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], c_stride: usize) {
    let (m, n, k) = (a.rows, b.rows, a.cols);
    assert!(k == b.cols && a.fits() && b.fits() && fits(c, m, n, c_stride));
    // SAFETY: all three matrices were just checked to lie inside their slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            c_stride as isize,
            false,
            a.data.as_ptr(),
            1,
            a.stride as isize,
            b.data.as_ptr(),
            b.stride as isize,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

fn fits(c: &[f32], rows: usize, cols: usize, stride: usize) -> bool {
    rows == 0 || (rows - 1) * stride + cols <= c.len()
}

#[expect(clippy::too_many_arguments, reason = "the one place that knows gemm's argument order")]
fn product(
    m: usize,
    k: usize,
    a: Matrix<'_>,
    a_cs: isize,
    a_rs: isize,
    b: Matrix<'_>,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    assert!(k == b.rows && a.fits() && b.fits() && fits(c, m, b.cols, c_stride));
    // SAFETY: all three matrices were just checked to lie inside their slices.
    unsafe {
        gemm::gemm(
            m,
            b.cols,
            k,
            c.as_mut_ptr(),
            1,
            c_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            1,
            b.stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
