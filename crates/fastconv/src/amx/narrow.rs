//! Rounding to bfloat16, and the orders that tiles read values in.

use crate::scratch::{Scratch, scratch};
use std::arch::x86_64::{
    __m256bh, __m256i, __m512i, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh, _mm512_loadu_ps, _mm512_or_si512,
    _mm512_slli_epi32, _mm512_storeu_si512,
};

/// Values of a vector.
const LANES: usize = 16;

/// Whether the processor rounds to bfloat16.
pub(super) fn there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
}

/// Room for so many values of bfloat16, of any content.
pub(super) struct Narrow(Scratch);

impl Narrow {
    pub fn new(len: usize) -> Self {
        Self(scratch(len.div_ceil(2)))
    }

    /// The first value.
    pub fn start(&mut self) -> *mut u16 {
        self.0.as_mut_ptr().cast()
    }

    pub fn fill_zeros(&mut self) {
        self.0.fill(0.0);
    }
}

/// Rounds `len` values, a multiple of 16.
///
/// # Safety
/// So many are readable and writable there, and [`there`] said yes.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn narrow(from: *const f32, to: *mut u16, len: usize) {
    for at in (0..len).step_by(LANES) {
        // SAFETY: vouched for by the caller; reads and writes are unaligned.
        unsafe { to.add(at).cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(_mm512_loadu_ps(from.add(at)))) };
    }
}

/// 16 values of two pixels, those of the second in the upper halves.
///
/// # Safety
/// So many are readable there.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn pair(pixels: [*const f32; 2]) -> __m512i {
    // SAFETY: vouched for by the caller; both types are 16 values of 2 bytes.
    let [first, second] = pixels.map(|pixel| unsafe {
        _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(pixel))))
    });
    _mm512_or_si512(first, _mm512_slli_epi32::<16>(second))
}

/// Pixels of `channels` values (a multiple of 16) in pairs: `[pair, channel, 2]`.
///
/// # Safety
/// Every pixel is readable, `to` writable, and [`there`] said yes. The number of pixels is even.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn pairs(pixels: &[*const f32], channels: usize, to: *mut u16) {
    for (at, two) in pixels.as_chunks::<2>().0.iter().enumerate() {
        for c in (0..channels).step_by(LANES) {
            // SAFETY: vouched for by the caller.
            unsafe { _mm512_storeu_si512(to.add((at * channels + c) * 2).cast(), pair(two.map(|pixel| pixel.add(c)))) };
        }
    }
}

/// Pixels of `channels` values (a multiple of 16) channel by channel: `[channel, pixel]`, channels `stride` values apart.
///
/// # Safety
/// Every pixel is readable, `to` writable, and [`there`] said yes. The number of pixels is a multiple of 32.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn transposed(pixels: &[*const f32], channels: usize, to: *mut u16, stride: usize) {
    let mut block = [[0u32; LANES]; LANES];
    for (at, some) in pixels.as_chunks::<{ 2 * LANES }>().0.iter().enumerate() {
        for c in (0..channels).step_by(LANES) {
            for (row, two) in block.iter_mut().zip(some.as_chunks::<2>().0) {
                // SAFETY: vouched for by the caller.
                unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), pair(two.map(|pixel| pixel.add(c)))) };
            }
            let turned: [[u32; LANES]; LANES] =
                std::array::from_fn(|channel| std::array::from_fn(|pair| block[pair][channel]));
            for (channel, line) in turned.into_iter().enumerate() {
                // SAFETY: vouched for by the caller.
                unsafe { to.add((c + channel) * stride + at * 2 * LANES).cast::<[u32; LANES]>().write_unaligned(line) };
            }
        }
    }
}
