//! The picture type that all steps share.

use std::fmt;

use opencv::{
    core::{Mat, MatTraitConst, MatTraitConstManual, Size, Vec3b},
    imgproc,
};

use crate::error::{ImageError, MAX_SIDE};

/// A colour picture: 8-bit blue, green, red, rows from the top without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct BgrImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl fmt::Debug for BgrImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BgrImage({}×{})", self.width, self.height)
    }
}

impl BgrImage {
    /// Takes `width * height * 3` bytes of BGR pixels.
    ///
    /// # Errors
    /// [`ImageError::Size`] unless both sides are in 1..=[`MAX_SIDE`]; [`ImageError::Length`] when the bytes do not fill
    /// the picture exactly.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, ImageError> {
        check_size(width, height)?;
        let expected = u64::from(width) * u64::from(height) * 3;
        let found = data.len() as u64;
        if found != expected {
            return Err(ImageError::Length { width, height, expected, found });
        }
        Ok(Self { width, height, data })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, `[height, width, 3]` in the order blue, green, red.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Gives the pixels away, see [`BgrImage::data`].
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The picture at another size, not keeping its aspect: area-averaged when both sides shrink, bilinear otherwise.
    ///
    /// # Errors
    /// [`ImageError::Size`] unless both sides are in 1..=[`MAX_SIDE`].
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, ImageError> {
        check_size(width, height)?;
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let filter =
            if width <= self.width && height <= self.height { imgproc::INTER_AREA } else { imgproc::INTER_LINEAR };
        let mut small = Mat::default();
        let size = Size::new(width as i32, height as i32);
        imgproc::resize(&self.as_mat()?, &mut small, size, 0.0, 0.0, filter)?;
        Self::from_mat(&small)
    }

    /// A view of the pixels for OpenCV.
    pub(crate) fn as_mat(&self) -> Result<opencv::boxed_ref::BoxedRef<'_, Mat>, opencv::Error> {
        Mat::new_rows_cols_with_bytes::<Vec3b>(self.height as i32, self.width as i32, &self.data)
    }

    /// A view of the pixels that OpenCV may write to.
    pub(crate) fn as_mat_mut(&mut self) -> Result<opencv::boxed_ref::BoxedRefMut<'_, Mat>, opencv::Error> {
        let (rows, cols) = (self.height as i32, self.width as i32);
        Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, cols, &mut self.data)
    }

    /// Copies an 8-bit matrix of three channels.
    pub(crate) fn from_mat(mat: &Mat) -> Result<Self, ImageError> {
        let size = mat.size()?;
        let (width, height) = (size.width.max(0) as u32, size.height.max(0) as u32);
        let data =
            if mat.is_continuous() { mat.data_bytes()?.to_vec() } else { mat.try_clone()?.data_bytes()?.to_vec() };
        Self::new(width, height, data)
    }
}

/// Refuses empty pictures and sides that OpenCV cannot count.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), ImageError> {
    let sides = 1..=MAX_SIDE;
    if sides.contains(&width) && sides.contains(&height) { Ok(()) } else { Err(ImageError::Size { width, height }) }
}
