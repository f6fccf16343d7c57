//! Batch normalisation (Ioffe & Szegedy 2015) with the activation that follows it, forward and backward.
//!
//! Sums are taken over chunks of rows in `f32` and over the chunks in `f64`; their order depends on the shape alone.

use crate::activation::Activation;
use crate::isa;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Rows of a chunk: a chunk of 256 channels stays in an L2 cache.
const ROWS: usize = 128;
/// Added to each variance.
pub const VARIANCE_FLOOR: f64 = 1e-5;

/// Mean and 1/deviation of each channel over a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `[channels]`.
    pub mean: Vec<f32>,
    /// `1 / √(variance +` [`VARIANCE_FLOOR`]`)`, `[channels]`.
    pub inverse_deviation: Vec<f32>,
}

impl Moments {
    /// Of `x [.., channels]`.
    ///
    /// # Panics
    /// When `x` is no whole number of rows, or empty.
    pub fn of(channels: usize, x: &[f32]) -> Self {
        let rows = rows(channels, x);
        let [sum, squares] = sums(channels, x.par_chunks(ROWS * channels).map(|x| Sums::Squares { x }));
        let mean: Vec<f64> = sum.iter().map(|sum| sum / rows).collect();
        let variance = squares.iter().zip(&mean).map(|(squares, mean)| (squares / rows - mean * mean).max(0.0));
        let inverse_deviation = variance.map(|variance| (1.0 / (variance + VARIANCE_FLOOR).sqrt()) as f32).collect();
        Self { mean: mean.into_iter().map(|mean| mean as f32).collect(), inverse_deviation }
    }
}

fn rows(channels: usize, x: &[f32]) -> f64 {
    assert!(channels > 0 && !x.is_empty() && x.len().is_multiple_of(channels), "rows of {channels} in {}", x.len());
    (x.len() / channels) as f64
}

/// Two sums over some rows, channel by channel.
enum Sums<'a> {
    /// Σ x and Σ x².
    Squares { x: &'a [f32] },
    /// Σ g and Σ g·x.
    Products { g: &'a [f32], x: &'a [f32] },
}

/// Adds `values`' sums to `[2, channels]`.
struct AddSums<'a> {
    values: &'a Sums<'a>,
    out: [&'a mut [f32]; 2],
}

impl WithSimd for AddSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let [first, second] = self.out;
        let channels = first.len();
        let (a, b) = match *self.values {
            Sums::Squares { x } => (x, x),
            Sums::Products { g, x } => (g, x),
        };
        for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
            let ((a, a_tail), (b, b_tail)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
            let (sums, sums_tail) = S::as_mut_simd_f32s(first);
            let (products, products_tail) = S::as_mut_simd_f32s(second);
            for (((sum, product), &a), &b) in sums.iter_mut().zip(products).zip(a).zip(b) {
                *sum = s.add_f32s(*sum, a);
                *product = s.mul_add_f32s(a, b, *product);
            }
            let (a, b) = (s.partial_load_f32s(a_tail), s.partial_load_f32s(b_tail));
            let sum = s.add_f32s(s.partial_load_f32s(sums_tail), a);
            s.partial_store_f32s(sums_tail, sum);
            let product = s.mul_add_f32s(a, b, s.partial_load_f32s(products_tail));
            s.partial_store_f32s(products_tail, product);
        }
    }
}

fn sums<'a>(channels: usize, chunks: impl IndexedParallelIterator<Item = Sums<'a>>) -> [Vec<f64>; 2] {
    let parts: Vec<[Vec<f32>; 2]> = chunks
        .map(|values| {
            let mut out = [vec![0.0; channels], vec![0.0; channels]];
            let [first, second] = &mut out;
            isa::run(AddSums { values: &values, out: [first, second] });
            out
        })
        .collect();
    let mut total = [vec![0.0; channels], vec![0.0; channels]];
    for part in parts {
        for (total, part) in total.iter_mut().zip(part) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += f64::from(part);
            }
        }
    }
    total
}

/// `y = f(x · scale + shift + passed)`, channel by channel.
struct Affine<'a> {
    x: &'a [f32],
    /// As long as `x`, or empty.
    passed: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    activation: Activation,
    y: &'a mut [f32],
}

impl WithSimd for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let channels = self.scale.len();
        let ((scale, scale_tail), (shift, shift_tail)) = (S::as_simd_f32s(self.scale), S::as_simd_f32s(self.shift));
        let rows = self.x.chunks_exact(channels).zip(self.y.chunks_exact_mut(channels));
        if !self.passed.is_empty() {
            for ((x, y), passed) in rows.zip(self.passed.chunks_exact(channels)) {
                let ((x, x_tail), (y, y_tail)) = (S::as_simd_f32s(x), S::as_mut_simd_f32s(y));
                let (passed, passed_tail) = S::as_simd_f32s(passed);
                for ((((y, &x), &scale), &shift), &passed) in y.iter_mut().zip(x).zip(scale).zip(shift).zip(passed) {
                    let sum = s.add_f32s(s.mul_add_f32s(x, scale, shift), passed);
                    *y = self.activation.vector(s, sum);
                }
                let (scale, shift) = (s.partial_load_f32s(scale_tail), s.partial_load_f32s(shift_tail));
                let last = s.mul_add_f32s(s.partial_load_f32s(x_tail), scale, shift);
                let last = s.add_f32s(last, s.partial_load_f32s(passed_tail));
                s.partial_store_f32s(y_tail, self.activation.vector(s, last));
            }
            return;
        }
        for (x, y) in rows {
            let ((x, x_tail), (y, y_tail)) = (S::as_simd_f32s(x), S::as_mut_simd_f32s(y));
            for (((y, &x), &scale), &shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = self.activation.vector(s, s.mul_add_f32s(x, scale, shift));
            }
            let (scale, shift) = (s.partial_load_f32s(scale_tail), s.partial_load_f32s(shift_tail));
            let last = s.mul_add_f32s(s.partial_load_f32s(x_tail), scale, shift);
            s.partial_store_f32s(y_tail, self.activation.vector(s, last));
        }
    }
}

/// `g · a + x · b + c`, channel by channel, in place of `g`.
struct Combine<'a> {
    g: &'a mut [f32],
    x: &'a [f32],
    factors: [&'a [f32]; 3],
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let [a, b, c] = self.factors;
        let channels = a.len();
        let ((a, a_tail), (b, b_tail), (c, c_tail)) = (S::as_simd_f32s(a), S::as_simd_f32s(b), S::as_simd_f32s(c));
        for (x, g) in self.x.chunks_exact(channels).zip(self.g.chunks_exact_mut(channels)) {
            let ((x, x_tail), (g, g_tail)) = (S::as_simd_f32s(x), S::as_mut_simd_f32s(g));
            for ((((g, &x), &a), &b), &c) in g.iter_mut().zip(x).zip(a).zip(b).zip(c) {
                *g = s.mul_add_f32s(*g, a, s.mul_add_f32s(x, b, c));
            }
            let (a, b, c) = (s.partial_load_f32s(a_tail), s.partial_load_f32s(b_tail), s.partial_load_f32s(c_tail));
            let last = s.mul_add_f32s(s.partial_load_f32s(x_tail), b, c);
            let last = s.mul_add_f32s(s.partial_load_f32s(g_tail), a, last);
            s.partial_store_f32s(g_tail, last);
        }
    }
}

/// `y = f((x − mean) / deviation · gain + bias + passed)` with the moments of `x [.., channels]` itself, which are
/// returned; `passed` is as large as `x`.
///
/// # Panics
/// When a slice has another length than the others say.
pub fn normalise(
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
    passed: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) -> Moments {
    let channels = gain.len();
    assert!(bias.len() == channels && y.len() == x.len(), "sizes of a normalisation");
    assert!(passed.is_none_or(|passed| passed.len() == x.len()), "sizes of a normalisation");
    let moments = Moments::of(channels, x);
    let scale: Vec<f32> = gain.iter().zip(&moments.inverse_deviation).map(|(gain, inverse)| gain * inverse).collect();
    let shift: Vec<f32> =
        bias.iter().zip(&scale).zip(&moments.mean).map(|((bias, scale), mean)| bias - mean * scale).collect();
    y.par_chunks_mut(ROWS * channels).zip(x.par_chunks(ROWS * channels)).enumerate().for_each(|(at, (y, x))| {
        let first = at * ROWS * channels;
        let passed = passed.map_or(&[][..], |passed| &passed[first..first + x.len()]);
        isa::run(Affine { x, passed, scale: &scale, shift: &shift, activation, y })
    });
    moments
}

/// Gradients to gain and bias from `x` and `gradient`, that of the value before the activation; `gradient` becomes the
/// gradient to `x`.
///
/// # Panics
/// When a slice has another length than the others say.
pub fn normalise_backward(x: &[f32], gain: &[f32], moments: &Moments, gradient: &mut [f32]) -> [Vec<f32>; 2] {
    let channels = gain.len();
    let rows = rows(channels, x);
    assert!(gradient.len() == x.len() && moments.mean.len() == channels, "sizes of a normalisation's gradient");
    let chunks = gradient.par_chunks(ROWS * channels).zip(x.par_chunks(ROWS * channels));
    let [sum, product] = sums(channels, chunks.map(|(g, x)| Sums::Products { g, x }));
    // With n = (x − mean) / deviation: Σ g·n, and dx = gain / deviation · (g − Σ g / rows − n · Σ g·n / rows).
    let mut factors = [vec![0.0f32; channels], vec![0.0f32; channels], vec![0.0f32; channels]];
    let mut to_gain = vec![0.0f32; channels];
    for channel in 0..channels {
        let (mean, inverse) = (f64::from(moments.mean[channel]), f64::from(moments.inverse_deviation[channel]));
        let normalised = (product[channel] - mean * sum[channel]) * inverse;
        let a = f64::from(gain[channel]) * inverse;
        let b = -a * inverse * normalised / rows;
        to_gain[channel] = normalised as f32;
        factors[0][channel] = a as f32;
        factors[1][channel] = b as f32;
        factors[2][channel] = (-b * mean - a * sum[channel] / rows) as f32;
    }
    let [a, b, c] = &factors;
    gradient
        .par_chunks_mut(ROWS * channels)
        .zip(x.par_chunks(ROWS * channels))
        .for_each(|(g, x)| isa::run(Combine { g, x, factors: [a, b, c] }));
    [to_gain, sum.into_iter().map(|sum| sum as f32).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_before_activation;

    fn wave(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * step).sin() + 0.3 * (i as f32 * step * 0.13).cos()).collect()
    }

    #[test]
    fn a_batch_is_brought_to_the_gain_and_the_bias() {
        for channels in [3, 16, 37] {
            let x: Vec<f32> = wave(channels * 300, 0.7).iter().map(|x| 5.0 + 2.0 * x).collect();
            let (gain, bias) = (vec![0.5; channels], vec![-1.0; channels]);
            let mut y = vec![0.0; x.len()];
            normalise(&x, &gain, &bias, None, Activation::None, &mut y);
            let found = Moments::of(channels, &y);
            for channel in 0..channels {
                assert!((found.mean[channel] + 1.0).abs() < 1e-4, "{channels}: mean {}", found.mean[channel]);
                assert!((found.inverse_deviation[channel] - 2.0).abs() < 1e-2, "{channels}");
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let channels = 5;
        let x = wave(channels * 40, 0.9);
        let (gain, bias, passed) = (wave(channels, 1.3), wave(channels, 0.4), wave(x.len(), 0.21));
        let weights = wave(x.len(), 0.37);
        let loss = |x: &[f32], gain: &[f32], bias: &[f32]| -> f64 {
            let mut y = vec![0.0; x.len()];
            normalise(x, gain, bias, Some(&passed), Activation::Elu, &mut y);
            y.iter().zip(&weights).map(|(y, w)| f64::from(y * w)).sum()
        };
        let mut y = vec![0.0; x.len()];
        let moments = normalise(&x, &gain, &bias, Some(&passed), Activation::Elu, &mut y);
        let mut dx = vec![0.0; x.len()];
        gradient_before_activation(Activation::Elu, &y, &weights, &mut dx);
        let [to_gain, to_bias] = normalise_backward(&x, &gain, &moments, &mut dx);
        let check = |found: f32, values: &[f32], at: usize, loss: &dyn Fn(&[f32]) -> f64| {
            let (mut up, mut down) = (values.to_vec(), values.to_vec());
            up[at] += 1e-2;
            down[at] -= 1e-2;
            let expected = (loss(&up) - loss(&down)) / 2e-2;
            assert!((f64::from(found) - expected).abs() < 5e-3 * expected.abs().max(1.0), "{at}: {found} {expected}");
        };
        for at in (0..x.len()).step_by(7) {
            check(dx[at], &x, at, &|x| loss(x, &gain, &bias));
        }
        for at in 0..channels {
            check(to_gain[at], &gain, at, &|gain| loss(&x, gain, &bias));
            check(to_bias[at], &bias, at, &|bias| loss(&x, &gain, bias));
        }
    }
}
