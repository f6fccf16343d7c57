//! A face as the network sees it.

use crate::tensors::FACE_PIXELS;
use std::ops::Deref;
use std::sync::Arc;

/// An aligned face: [`FACE_SIZE`](crate::FACE_SIZE)² grey values, row by row. It has that size wherever it is, and copies share their
/// pixels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceCrop(Arc<[u8; FACE_PIXELS]>);

/// Pixels that are not a face crop's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {FACE_PIXELS} grey pixels, found {found}")]
pub struct FaceCropError {
    /// How many there were.
    pub found: usize,
}

impl FaceCrop {
    /// Made pixel by pixel: `grey(at)` with `at = row · 128 + column`.
    pub fn from_fn(grey: impl FnMut(usize) -> u8) -> Self {
        Self(Arc::new(std::array::from_fn(grey)))
    }

    /// How many share these pixels, itself among them.
    pub fn copies(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The pixels to change; a copy of them where others share them.
    pub fn pixels_mut(&mut self) -> &mut [u8; FACE_PIXELS] {
        Arc::make_mut(&mut self.0)
    }
}

impl TryFrom<Vec<u8>> for FaceCrop {
    type Error = FaceCropError;

    fn try_from(pixels: Vec<u8>) -> Result<Self, FaceCropError> {
        let found = pixels.len();
        let pixels: Box<[u8; FACE_PIXELS]> = pixels.try_into().map_err(|_| FaceCropError { found })?;
        Ok(pixels.into())
    }
}

impl From<Box<[u8; FACE_PIXELS]>> for FaceCrop {
    fn from(pixels: Box<[u8; FACE_PIXELS]>) -> Self {
        Self(pixels.into())
    }
}

impl Deref for FaceCrop {
    type Target = [u8; FACE_PIXELS];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl AsRef<[u8]> for FaceCrop {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sizes_are_no_face() {
        assert_eq!(FaceCrop::try_from(vec![0; 100]).unwrap_err().to_string(), "expected 16384 grey pixels, found 100");
        let face = FaceCrop::try_from(vec![7; FACE_PIXELS]).unwrap();
        assert_eq!(face, FaceCrop::from_fn(|_| 7));
    }

    #[test]
    fn a_copy_keeps_its_pixels() {
        let face = FaceCrop::from_fn(|at| at as u8);
        let mut changed = face.clone();
        changed.pixels_mut()[3] = 99;
        assert_eq!((face[3], changed[3]), (3, 99));
    }
}
