//! What the machine can do at most: the roof (Williams et al. 2009) that kernels are held against.

use crate::buffer::zeros;
use crate::isa;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sums that do not wait for each other: as many as a multiply-add's latency times the units (x86: 4 × 2; ARM: up to 4 × 4), and fewer
/// than there are registers (AVX2 has 16, NEON 32).
const CHAINS: usize = if cfg!(target_arch = "aarch64") { 24 } else { 12 };
/// Multiply-adds of a chain between two looks at the clock.
const ROUNDS: usize = 20_000;
/// Values that no cache keeps: 256 MB.
const VALUES: usize = 64 << 20;

/// 3×3 layers of the encoder and of a whole column of Table III, which benchmarks measure: side, input and output channels, stride.
pub const LAYERS: [(usize, usize, usize, usize); 10] = [
    (128, 1, 64, 1),
    (128, 64, 64, 1),
    (128, 64, 64, 2),
    (64, 64, 128, 1),
    (64, 128, 128, 1),
    (64, 128, 128, 2),
    (32, 128, 128, 1),
    (32, 128, 128, 2),
    (16, 256, 256, 1),
    (8, 256, 256, 1),
];

/// Multiply-adds in registers; gives the floating-point operations that were done.
struct MultiplyAdd;

impl WithSimd for MultiplyAdd {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
        let mut sums = [simd.splat_f32s(0.5); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, term);
            }
        }
        for sum in sums {
            black_box(simd.reduce_sum_f32s(sum));
        }
        (ROUNDS * CHAINS * S::F32_LANES * 2) as f64
    }
}

/// Sum of a slice, so that it is read.
struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, _) = S::as_simd_f32s(self.0);
        let mut sums = [simd.splat_f32s(0.0); 8];
        for eight in vectors.chunks_exact(8) {
            for (sum, vector) in sums.iter_mut().zip(eight) {
                *sum = simd.add_f32s(*sum, *vector);
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}

/// Floating-point operations a second that the threads of the rayon pool do at most together, each multiply-add counting two. Takes about
/// as long as `time`.
pub fn peak(time: Duration) -> f64 {
    let start = Instant::now();
    let done: Vec<f64> = rayon::broadcast(|_| {
        let mut operations = 0.0;
        while start.elapsed() < time {
            operations += isa::run(MultiplyAdd);
        }
        operations
    });
    done.iter().sum::<f64>() / start.elapsed().as_secs_f64()
}

/// Bytes a second that the threads of the rayon pool read from memory together: the best of five readings of 256 MB.
pub fn memory_rate() -> f64 {
    let values = zeros(VALUES);
    let part = VALUES / rayon::current_num_threads().max(1);
    let read = |_| {
        let start = Instant::now();
        black_box(values.par_chunks(part.max(1)).map(|part| isa::run(Sum(part))).sum::<f32>());
        size_of_val(values.as_slice()) as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(read).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Interpreted, nothing is as fast as any machine.
    #[test]
    #[cfg_attr(miri, ignore)]
    fn a_roof_is_above_the_floor() {
        let peak = peak(Duration::from_millis(50));
        assert!(peak > 1e8 && peak < 1e14, "{peak}");
        let rate = memory_rate();
        assert!(rate > 1e7 && rate < 1e13, "{rate}");
    }
}
