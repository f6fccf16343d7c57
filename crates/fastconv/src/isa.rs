//! The instruction set, chosen at run time.

use pulp::{Arch, Simd, WithSimd};
use std::io::Write;
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

impl Isa {
    /// By its name in [`VARIABLE`].
    fn named(name: &str) -> Option<Self> {
        match name {
            "avx512" | "neon" => Some(Self::Widest).filter(|_| Self::Widest.name() == name),
            "avx2" => Some(Self::Avx2).filter(|isa| isa.is_there()),
            "plain" => Some(Self::Portable),
            _ => None,
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Widest | Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 => false,
        }
    }

    /// avx512, avx2, neon or plain.
    fn name(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Portable => "plain",
            #[cfg(target_arch = "x86_64")]
            Self::Widest if pulp::x86::V4::try_new().is_some() => "avx512",
            Self::Widest if Self::Avx2.is_there() => "avx2",
            Self::Widest if cfg!(target_arch = "aarch64") => "neon",
            Self::Widest => "plain",
        }
    }
}

/// The environment variable that chooses an instruction set for a whole run: avx512, avx2, neon or plain.
const VARIABLE: &str = "FASTCONV_ISA";
/// Nothing was chosen yet.
const UNREAD: u8 = u8::MAX;
/// What [`use_isa`] or the environment chose.
static CHOSEN: AtomicU8 = AtomicU8::new(UNREAD);

fn chosen() -> Isa {
    match CHOSEN.load(Ordering::Relaxed) {
        UNREAD => from_environment(),
        chosen if chosen == Isa::Avx2 as u8 => Isa::Avx2,
        chosen if chosen == Isa::Portable as u8 => Isa::Portable,
        _ => Isa::Widest,
    }
}

/// What is not there is told once, and the widest taken.
#[cold]
fn from_environment() -> Isa {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let isa = if wanted.is_empty() { Some(Isa::Widest) } else { Isa::named(&wanted) };
    let taken = isa.unwrap_or(Isa::Widest);
    CHOSEN.store(taken as u8, Ordering::Relaxed);
    if isa.is_none() {
        // Nobody has to listen.
        let _ = writeln!(
            std::io::stderr(),
            "{VARIABLE}={wanted}: this machine has no such instruction set (avx512, avx2, neon, plain); {} is taken",
            taken.name()
        );
    }
    taken
}

/// The instruction set in use: avx512, avx2, neon or plain.
pub fn isa_in_use() -> &'static str {
    chosen().name()
}

/// From now on all kernels of the process take `isa`; false when the machine does not have it. For tests and
/// measurements: weights prepared before must be prepared anew.
pub fn use_isa(isa: Isa) -> bool {
    let there = isa.is_there();
    if there {
        CHOSEN.store(isa as u8, Ordering::Relaxed);
    }
    there
}

/// Runs `op` compiled for the chosen instruction set.
#[inline]
pub(crate) fn run<O: WithSimd>(op: O) -> O::Output {
    match chosen() {
        Isa::Widest => Arch::new().dispatch(op),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => match pulp::x86::V3::try_new() {
            Some(simd) => Simd::vectorize(simd, op),
            None => op.with_simd(pulp::Scalar::new()),
        },
        _ => op.with_simd(pulp::Scalar::new()),
    }
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
