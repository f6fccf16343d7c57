//! Memory that begins at a cache line: a vector that straddles two lines costs two reads.

use crate::isa;
use aligned_vec::AVec;
use pulp::{Simd, WithSimd};

/// Values from the start of a cache line on.
pub type Buffer = AVec<f32>;

/// So many zeros.
pub fn zeros(len: usize) -> Buffer {
    let mut buffer = Buffer::with_capacity(0, len);
    buffer.resize(len, 0.0);
    buffer
}

/// Bytes as values 0 to 255.
///
/// # Panics
/// When there are fewer values than bytes.
pub fn widen(bytes: &[u8], values: &mut [f32]) {
    struct Widen<'a>(&'a [u8], &'a mut [f32]);
    impl WithSimd for Widen<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            // Plain code, but compiled for the instruction set.
            for (value, byte) in self.1.iter_mut().zip(self.0) {
                *value = f32::from(*byte);
            }
        }
    }
    isa::run(Widen(bytes, &mut values[..bytes.len()]));
}
