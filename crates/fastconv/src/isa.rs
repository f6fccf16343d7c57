//! The instruction set, chosen at run time.

use pulp::{Arch, Simd, WithSimd};
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    /// The widest that the machine has: AVX-512, AVX2+FMA, NEON, or plain code.
    Widest,
    /// AVX2 and FMA, also where AVX-512 is there.
    Avx2,
    /// Plain code, one value at a time.
    Portable,
}

/// What [`use_isa`] chose.
static CHOSEN: AtomicU8 = AtomicU8::new(Isa::Widest as u8);

/// From now on all kernels of the process take `isa`; false when the machine does not have it. For tests and
/// measurements: weights prepared before must be prepared anew.
pub fn use_isa(isa: Isa) -> bool {
    let there = match isa {
        Isa::Widest | Isa::Portable => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => pulp::x86::V3::try_new().is_some(),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 => false,
    };
    if there {
        CHOSEN.store(isa as u8, Ordering::Relaxed);
    }
    there
}

/// Runs `op` compiled for the chosen instruction set.
#[inline]
pub(crate) fn run<O: WithSimd>(op: O) -> O::Output {
    let chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == Isa::Widest as u8 {
        return Arch::new().dispatch(op);
    }
    #[cfg(target_arch = "x86_64")]
    if chosen == Isa::Avx2 as u8
        && let Some(simd) = pulp::x86::V3::try_new()
    {
        return Simd::vectorize(simd, op);
    }
    op.with_simd(pulp::Scalar::new())
}

/// Vectors of output channels that a kernel works on at once, at most.
#[inline(always)]
pub(crate) const fn wide<S: Simd>() -> usize {
    if many_registers::<S>() { 4 } else { 2 }
}

/// AVX-512 and NEON have 32 vector registers, AVX2 has 16.
#[inline(always)]
pub(crate) const fn many_registers<S: Simd>() -> bool {
    S::REGISTER_COUNT >= 32
}

/// Values of a vector register, and those of a full panel of weights.
pub(crate) fn vectors() -> (usize, usize) {
    struct Vectors;
    impl WithSimd for Vectors {
        type Output = (usize, usize);
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
            (S::F32_LANES, wide::<S>() * S::F32_LANES)
        }
    }
    run(Vectors)
}
