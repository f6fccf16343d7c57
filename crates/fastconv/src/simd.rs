//! Functions compiled for several instruction sets, the widest that the machine has chosen at run time.

/// Defines a function whose body is compiled for AVX-512, AVX2+FMA and the portable baseline (on aarch64 the baseline is
/// NEON). The body is auto-vectorised: it works on slices and fixed arrays, without closures.
macro_rules! dispatch {
    (fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn avx512($($arg: $ty),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) { body($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the machine has the features, as just asked.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the machine has the features, as just asked.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Values that travel together through a transform; one AVX-512 register.
pub(crate) const LANES: usize = 16;
/// [`LANES`] neighbouring channels.
pub(crate) type Lanes = [f32; LANES];

#[inline(always)]
pub(crate) fn load(from: &[f32]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&from[..LANES]);
    lanes
}

/// `Σ factor · value`, lane by lane; factors are constants, so zeros and ones fold away.
#[inline(always)]
pub(crate) fn combine<const K: usize>(factors: [f32; K], values: &[Lanes; K]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (factor, value) in factors.iter().zip(values) {
        if *factor != 0.0 {
            for lane in 0..LANES {
                sum[lane] = factor.mul_add(value[lane], sum[lane]);
            }
        }
    }
    sum
}
