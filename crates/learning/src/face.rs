//! What is done to one aligned face.

use network::{FACE_SIZE, FaceCrop};

/// A face as a mirror shows it.
pub fn mirrored(face: &FaceCrop) -> FaceCrop {
    let mut mirrored = face.clone();
    mirrored.pixels_mut().chunks_mut(FACE_SIZE).for_each(<[u8]>::reverse);
    mirrored
}
