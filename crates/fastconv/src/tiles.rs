//! One-dimensional transforms of F(2, 3) and F(4, 3) (Lavin & Gray 2016), on vectors of channels, and the two-dimensional
//! ones made of them.

use pulp::Simd;

/// A Winograd algorithm with input tiles of side `T` and output tiles of side `O = T − 2`.
pub(crate) trait Transform<const T: usize, const O: usize>: Copy + Send + Sync + 'static {
    /// `Bᵀ d`: input to the transform domain.
    fn input<S: Simd>(s: S, d: [S::f32s; T]) -> [S::f32s; T];
    /// `Aᵀ m`: products to outputs.
    fn output<S: Simd>(s: S, m: [S::f32s; T]) -> [S::f32s; O];
    /// `A y`: output gradients to the transform domain.
    fn gradient<S: Simd>(s: S, y: [S::f32s; O]) -> [S::f32s; T];
    /// `G g`: kernel to the transform domain.
    fn kernel<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; T];
    /// `Gᵀ u`: gradient of the transformed kernel to that of the kernel.
    fn kernel_gradient<S: Simd>(s: S, u: [S::f32s; T]) -> [S::f32s; 3];
}

/// F(2×2, 3×3), points 0, ±1: 4 multiplications an output and channel pair.
#[derive(Clone, Copy)]
pub(crate) struct F2;

/// F(4×4, 3×3), points 0, ±1, ±2: 2.25 multiplications an output and channel pair.
#[derive(Clone, Copy)]
pub(crate) struct F4;

impl Transform<4, 2> for F2 {
    #[inline(always)]
    fn input<S: Simd>(s: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
        [s.sub_f32s(a, c), s.add_f32s(b, c), s.sub_f32s(c, b), s.sub_f32s(b, d)]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
        [s.add_f32s(a, s.add_f32s(b, c)), s.sub_f32s(s.sub_f32s(b, c), d)]
    }

    #[inline(always)]
    fn gradient<S: Simd>(s: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 4] {
        [a, s.add_f32s(a, b), s.sub_f32s(a, b), s.neg_f32s(b)]
    }

    #[inline(always)]
    fn kernel<S: Simd>(s: S, [a, b, c]: [S::f32s; 3]) -> [S::f32s; 4] {
        let half = s.splat_f32s(0.5);
        let (outer, middle) = (s.mul_f32s(s.add_f32s(a, c), half), s.mul_f32s(b, half));
        [a, s.add_f32s(outer, middle), s.sub_f32s(outer, middle), c]
    }

    #[inline(always)]
    fn kernel_gradient<S: Simd>(s: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 3] {
        let half = s.splat_f32s(0.5);
        let (sum, difference) = (s.mul_f32s(s.add_f32s(b, c), half), s.mul_f32s(s.sub_f32s(b, c), half));
        [s.add_f32s(a, sum), difference, s.add_f32s(d, sum)]
    }
}

impl Transform<6, 4> for F4 {
    #[inline(always)]
    fn input<S: Simd>(s: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 6] {
        let (two, four, five) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(-5.0));
        let minus_four = s.splat_f32s(-4.0);
        let even = s.mul_add_e_f32s(c, minus_four, e);
        let odd = s.mul_add_e_f32s(b, minus_four, d);
        let near = s.sub_f32s(e, c);
        let far = s.mul_f32s(s.sub_f32s(d, b), two);
        [
            s.mul_add_e_f32s(a, four, s.mul_add_e_f32s(c, five, e)),
            s.add_f32s(even, odd),
            s.sub_f32s(even, odd),
            s.add_f32s(near, far),
            s.sub_f32s(near, far),
            s.mul_add_e_f32s(b, four, s.mul_add_e_f32s(d, five, f)),
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 4] {
        let (two, four, eight) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(8.0));
        let (s1, d1) = (s.add_f32s(b, c), s.sub_f32s(b, c));
        let (s2, d2) = (s.add_f32s(d, e), s.sub_f32s(d, e));
        [
            s.add_f32s(a, s.add_f32s(s1, s2)),
            s.mul_add_e_f32s(d2, two, d1),
            s.mul_add_e_f32s(s2, four, s1),
            s.add_f32s(s.mul_add_e_f32s(d2, eight, d1), f),
        ]
    }

    #[inline(always)]
    fn gradient<S: Simd>(s: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 6] {
        let (two, four, eight) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(8.0));
        let (even, odd) = (s.add_f32s(a, c), s.add_f32s(b, d));
        let (even2, odd2) = (s.mul_add_e_f32s(c, four, a), s.mul_add_e_f32s(d, eight, s.mul_f32s(b, two)));
        [a, s.add_f32s(even, odd), s.sub_f32s(even, odd), s.add_f32s(even2, odd2), s.sub_f32s(even2, odd2), d]
    }

    #[inline(always)]
    fn kernel<S: Simd>(s: S, [a, b, c]: [S::f32s; 3]) -> [S::f32s; 6] {
        let (quarter, sixth) = (s.splat_f32s(0.25), s.splat_f32s(-1.0 / 6.0));
        let (twelfth, part) = (s.splat_f32s(1.0 / 12.0), s.splat_f32s(1.0 / 24.0));
        let outer = s.mul_f32s(s.add_f32s(a, c), sixth);
        let middle = s.mul_f32s(b, sixth);
        let outer2 = s.mul_add_e_f32s(a, part, s.neg_f32s(s.mul_f32s(c, sixth)));
        let middle2 = s.mul_f32s(b, twelfth);
        [
            s.mul_f32s(a, quarter),
            s.add_f32s(outer, middle),
            s.sub_f32s(outer, middle),
            s.add_f32s(outer2, middle2),
            s.sub_f32s(outer2, middle2),
            c,
        ]
    }

    #[inline(always)]
    fn kernel_gradient<S: Simd>(s: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 3] {
        let (quarter, sixth) = (s.splat_f32s(0.25), s.splat_f32s(-1.0 / 6.0));
        let (twelfth, part) = (s.splat_f32s(1.0 / 12.0), s.splat_f32s(1.0 / 24.0));
        let (s1, d1) = (s.mul_f32s(s.add_f32s(b, c), sixth), s.mul_f32s(s.sub_f32s(b, c), sixth));
        let (s2, d2) = (s.add_f32s(d, e), s.sub_f32s(d, e));
        [
            s.mul_add_e_f32s(a, quarter, s.mul_add_e_f32s(s2, part, s1)),
            s.mul_add_e_f32s(d2, twelfth, d1),
            s.add_f32s(s.sub_f32s(s1, s.mul_f32s(s2, sixth)), f),
        ]
    }
}

/// Defines `M · d · Mᵀ` for one of the transforms: over the columns, then over the rows.
macro_rules! both_sides {
    ($(#[$doc:meta])* $name:ident, $step:ident, $from:expr, $to:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name<S: Simd, W: Transform<T, O>, const T: usize, const O: usize>(
            simd: S,
            d: &[[S::f32s; $from]; $from],
        ) -> [[S::f32s; $to]; $to] {
            let zero = simd.splat_f32s(0.0);
            let mut half = [[zero; $to]; $from];
            for (at, half) in half.iter_mut().enumerate() {
                let mut column = [zero; $from];
                for (value, row) in column.iter_mut().zip(d) {
                    *value = row[at];
                }
                *half = W::$step(simd, column);
            }
            let mut out = [[zero; $to]; $to];
            for (at, out) in out.iter_mut().enumerate() {
                let mut row = [zero; $from];
                for (value, half) in row.iter_mut().zip(&half) {
                    *value = half[at];
                }
                *out = W::$step(simd, row);
            }
            out
        }
    };
}

both_sides!(
    /// `Bᵀ d B`.
    input, input, T, T
);
both_sides!(
    /// `Aᵀ m A`.
    output, output, T, O
);
both_sides!(
    /// `A y Aᵀ`.
    gradient, gradient, O, T
);
both_sides!(
    /// `G g Gᵀ`.
    kernel, kernel, 3, T
);
both_sides!(
    /// `Gᵀ u G`.
    kernel_gradient, kernel_gradient, T, 3
);
