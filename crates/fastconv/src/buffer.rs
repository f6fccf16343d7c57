//! Memory that begins at a cache line: a vector that straddles two lines costs two reads.

use aligned_vec::AVec;

/// Values from the start of a cache line on.
pub type Buffer = AVec<f32>;

/// So many zeros.
pub fn zeros(len: usize) -> Buffer {
    let mut buffer = Buffer::with_capacity(0, len);
    buffer.resize(len, 0.0);
    buffer
}
