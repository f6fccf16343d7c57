//! What happens to a convolution's sums before they are stored.

use crate::Activation;
use pulp::Simd;

/// What is added and applied to the products of a convolution before they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<'a> {
    /// One value per output channel, `[co]`.
    pub bias: Option<&'a [f32]>,
    /// Added before the activation (lateral input), `[n, oh, ow, co]`.
    pub residual: Option<&'a [f32]>,
    /// The nonlinearity.
    pub activation: Activation,
}

impl Epilogue<'_> {
    /// Stores the sums as they are.
    pub const PLAIN: Self = Self { bias: None, residual: None, activation: Activation::None };

    /// Finishes and stores a pixel's sums of some vectors of channels from `c` on.
    ///
    /// # Safety
    /// That of [`Self::store`].
    #[inline(always)]
    pub(crate) unsafe fn store_all<S: Simd, const NV: usize>(
        &self,
        simd: S,
        sums: &[S::f32s; NV],
        out: *mut f32,
        at: usize,
        c: usize,
        co: usize,
    ) {
        for (v, sum) in sums.iter().enumerate() {
            let c = c + v * S::F32_LANES;
            if c < co {
                // SAFETY: vouched for by the caller.
                unsafe { self.store(simd, *sum, out, at, c, co) };
            }
        }
    }

    /// Finishes the sums of channels `c ..` of the pixel whose values begin at `at`, and stores those below `co`.
    ///
    /// # Safety
    /// `out` is the start of the output, which is writable at `at + c .. at + co`, and as long as the residual.
    #[inline(always)]
    pub(crate) unsafe fn store<S: Simd>(&self, simd: S, sums: S::f32s, out: *mut f32, at: usize, c: usize, co: usize) {
        let count = S::F32_LANES.min(co - c);
        let mut value = sums;
        if let Some(bias) = self.bias {
            value = simd.add_f32s(value, load(simd, &bias[c..c + count]));
        }
        if let Some(residual) = self.residual {
            value = simd.add_f32s(value, load(simd, &residual[at + c..at + c + count]));
        }
        value = self.activation.vector(simd, value);
        // SAFETY: the caller vouches for the range.
        unsafe {
            if count == S::F32_LANES {
                out.add(at + c).cast::<S::f32s>().write_unaligned(value);
            } else {
                simd.partial_store_f32s(std::slice::from_raw_parts_mut(out.add(at + c), count), value);
            }
        }
    }
}

/// The first values of a vector; the rest is zero.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    if from.len() == S::F32_LANES {
        // SAFETY: the slice is one vector long.
        unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() }
    } else {
        simd.partial_load_f32s(from)
    }
}
