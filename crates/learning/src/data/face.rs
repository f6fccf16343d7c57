//! One aligned face.

use network::FACE_SIZE;
use std::sync::Arc;

/// An aligned face: 128×128 grey values, row by row.
pub type Face = Arc<[u8]>;

/// A face as a mirror shows it.
pub fn mirrored(face: &[u8]) -> Face {
    let mut pixels = face.to_vec();
    pixels.chunks_mut(FACE_SIZE).for_each(<[u8]>::reverse);
    pixels.into()
}
