//! Nonlinearities and their gradients.

use crate::isa;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Nonlinearity fused into a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The identity.
    None,
    /// `x` for `x > 0`, else `exp(x) − 1`.
    Elu,
    /// `max(x, 0)`.
    Relu,
}

/// `exp(x)` for `x ≤ 0`; relative error below 2e-7.
#[inline(always)]
fn exp_negative<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    // Adding 1.5·2^23 rounds to the nearest integer in the low mantissa bits; 127 is the exponent's bias.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    let x = s.max_f32s(x, s.splat_f32s(-87.0));
    let shifted = s.mul_add_e_f32s(x, s.splat_f32s(std::f32::consts::LOG2_E), s.splat_f32s(ROUND));
    let k = s.sub_f32s(shifted, s.splat_f32s(ROUND));
    // ln 2 in two parts keeps the remainder exact to f32.
    let r = s.mul_add_e_f32s(k, s.splat_f32s(-0.693_145_75), x);
    let r = s.mul_add_e_f32s(k, s.splat_f32s(-1.428_606_8e-6), r);
    let mut p = s.splat_f32s(1.0 / 720.0);
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.mul_add_e_f32s(r, p, s.splat_f32s(factor));
    }
    let power = s.wrapping_dyn_shl_u32s(s.transmute_u32s_f32s(shifted), s.splat_u32s(23));
    s.mul_f32s(s.transmute_f32s_u32s(power), p)
}

impl Activation {
    /// The function's value.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(self, s: S, x: S::f32s) -> S::f32s {
        let zero = s.splat_f32s(0.0);
        match self {
            Activation::None => x,
            Activation::Elu => {
                let negative = s.sub_f32s(exp_negative(s, s.min_f32s(x, zero)), s.splat_f32s(1.0));
                s.select_f32s(s.greater_than_f32s(x, zero), x, negative)
            }
            Activation::Relu => s.max_f32s(x, zero),
        }
    }

    /// The derivative, from the function's value `y` alone.
    #[inline(always)]
    fn derivative<S: Simd>(self, s: S, y: S::f32s) -> S::f32s {
        let (zero, one) = (s.splat_f32s(0.0), s.splat_f32s(1.0));
        match self {
            Activation::None => one,
            Activation::Elu => s.add_f32s(one, s.min_f32s(y, zero)),
            Activation::Relu => s.select_f32s(s.greater_than_f32s(y, zero), one, zero),
        }
    }
}

/// `out = gradient · f'(x)` from `y = f(x)`.
struct MultiplyDerivative<'a> {
    activation: Activation,
    y: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for MultiplyDerivative<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (y, y_tail) = S::as_simd_f32s(self.y);
        let (gradient, gradient_tail) = S::as_simd_f32s(self.gradient);
        let (out, out_tail) = S::as_mut_simd_f32s(self.out);
        for ((out, &gradient), &y) in out.iter_mut().zip(gradient).zip(y) {
            *out = s.mul_f32s(gradient, self.activation.derivative(s, y));
        }
        let (gradient, y) = (s.partial_load_f32s(gradient_tail), s.partial_load_f32s(y_tail));
        s.partial_store_f32s(out_tail, s.mul_f32s(gradient, self.activation.derivative(s, y)));
    }
}

/// `gradient · f'(x)`, with `f'` taken from the outputs `y = f(x)`. All slices have the same length.
pub fn gradient_before_activation(activation: Activation, y: &[f32], gradient: &[f32], out: &mut [f32]) {
    const CHUNK: usize = 1 << 15;
    out.par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .for_each(|((out, gradient), y)| isa::run(MultiplyDerivative { activation, y, gradient, out }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies an activation to values in place.
    fn activate(activation: Activation, values: &mut [f32]) {
        struct Apply<'a>(Activation, &'a mut [f32]);
        impl WithSimd for Apply<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, s: S) {
                let (values, tail) = S::as_mut_simd_f32s(self.1);
                for value in values {
                    *value = self.0.vector(s, *value);
                }
                let last = self.0.vector(s, s.partial_load_f32s(tail));
                s.partial_store_f32s(tail, last);
            }
        }
        isa::run(Apply(activation, values));
    }

    fn apply(activation: Activation, x: f32) -> f32 {
        let mut values = [x];
        activate(activation, &mut values);
        values[0]
    }

    #[test]
    fn elu_agrees_with_exp_m1() {
        for i in -4000..4000 {
            let x = i as f32 * 0.01;
            let expected = if x > 0.0 { x } else { x.exp() - 1.0 };
            assert!((apply(Activation::Elu, x) - expected).abs() <= 3e-7, "x = {x}");
        }
        assert_eq!(apply(Activation::Elu, f32::NEG_INFINITY), -1.0);
    }

    #[test]
    fn derivative_from_the_output_is_the_derivative() {
        for activation in [Activation::Elu, Activation::Relu, Activation::None] {
            for x in [-3.0f32, -0.5, 0.5, 3.0] {
                let slope = (apply(activation, x + 1e-3) - apply(activation, x - 1e-3)) / 2e-3;
                let mut derivative = [0.0];
                gradient_before_activation(activation, &[apply(activation, x)], &[1.0], &mut derivative);
                assert!((derivative[0] - slope).abs() < 2e-3, "{activation:?} at {x}");
            }
        }
    }
}
