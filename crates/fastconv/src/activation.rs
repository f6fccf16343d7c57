//! Nonlinearities and their gradients.

use crate::simd::dispatch;
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

/// `exp(x)` for `x ≤ 0`, without a branch so that loops vectorise; relative error below 2e-7.
#[inline(always)]
fn exp_negative(x: f32) -> f32 {
    let x = x.clamp(-87.0, 0.0);
    // Adding 1.5·2^23 rounds to the nearest integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let k = x.mul_add(std::f32::consts::LOG2_E, ROUND) - ROUND;
    // ln 2 in two parts keeps the remainder exact to f32.
    let r = k.mul_add(-0.693_145_75, x);
    let r = k.mul_add(-1.428_606_8e-6, r);
    let p = 1.0 / 720.0;
    let p = r.mul_add(p, 1.0 / 120.0);
    let p = r.mul_add(p, 1.0 / 24.0);
    let p = r.mul_add(p, 1.0 / 6.0);
    let p = r.mul_add(p, 0.5);
    let p = r.mul_add(p, 1.0);
    let p = r.mul_add(p, 1.0);
    f32::from_bits(((k as i32 + 127) << 23) as u32) * p
}

impl Activation {
    /// The function's value.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::None => x,
            Activation::Elu => {
                let negative = exp_negative(x) - 1.0;
                if x > 0.0 { x } else { negative }
            }
            Activation::Relu => x.max(0.0),
        }
    }

    /// The derivative, from the function's value `y` alone.
    #[inline(always)]
    fn derivative(self, y: f32) -> f32 {
        match self {
            Activation::None => 1.0,
            Activation::Elu => 1.0 + y.min(0.0),
            Activation::Relu => f32::from(y > 0.0),
        }
    }
}

dispatch! {
    fn multiply_derivative(activation: Activation, y: &[f32], gradient: &[f32], out: &mut [f32]) {
        match activation {
            Activation::None => out.copy_from_slice(gradient),
            Activation::Elu => {
                for ((o, &g), &v) in out.iter_mut().zip(gradient).zip(y) { *o = g * Activation::Elu.derivative(v); }
            }
            Activation::Relu => {
                for ((o, &g), &v) in out.iter_mut().zip(gradient).zip(y) { *o = g * Activation::Relu.derivative(v); }
            }
        }
    }
}

/// `gradient · f'(x)`, with `f'` taken from the outputs `y = f(x)`. All slices have the same length.
pub fn gradient_before_activation(activation: Activation, y: &[f32], gradient: &[f32], out: &mut [f32]) {
    const CHUNK: usize = 1 << 15;
    out.par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .for_each(|((out, gradient), y)| multiply_derivative(activation, y, gradient, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elu_agrees_with_exp_m1() {
        for i in -4000..4000 {
            let x = i as f32 * 0.01;
            let expected = if x > 0.0 { x } else { x.exp() - 1.0 };
            assert!((Activation::Elu.apply(x) - expected).abs() <= 3e-7, "x = {x}");
        }
        assert_eq!(Activation::Elu.apply(f32::NEG_INFINITY), -1.0);
    }

    #[test]
    fn derivative_from_the_output_is_the_derivative() {
        for activation in [Activation::Elu, Activation::Relu, Activation::None] {
            for x in [-3.0f32, -0.5, 0.5, 3.0] {
                let slope = (activation.apply(x + 1e-3) - activation.apply(x - 1e-3)) / 2e-3;
                assert!((activation.derivative(activation.apply(x)) - slope).abs() < 2e-3, "{activation:?} at {x}");
            }
        }
    }
}
