//! Colour filter mosaics of raw cameras.

use opencv::{
    core::{Mat, MatTraitConst},
    imgproc,
};

use crate::{BgrImage, ImageError};

/// The colours of the top left 2×2 pixels, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    Rggb,
    Bggr,
    Gbrg,
    Grbg,
}

impl Pattern {
    /// OpenCV names a mosaic after the second pixel of its second row.
    fn conversion(self) -> i32 {
        match self {
            Self::Rggb => imgproc::COLOR_BayerBG2BGR,
            Self::Bggr => imgproc::COLOR_BayerRG2BGR,
            Self::Gbrg => imgproc::COLOR_BayerGR2BGR,
            Self::Grbg => imgproc::COLOR_BayerGB2BGR,
        }
    }
}

/// Fills in the missing colours of `samples` (`[height, width]`) bilinearly.
pub(crate) fn demosaic(pattern: Pattern, width: u32, height: u32, samples: &[u8]) -> Result<BgrImage, ImageError> {
    if width < 3 || height < 3 {
        return Err(ImageError::EncodingSize {
            encoding: "bayer",
            width,
            height,
            reason: "the colours of a pixel come from its neighbours, at least 3×3 are needed",
        });
    }
    let mosaic = Mat::new_rows_cols_with_data(height as i32, width as i32, samples)?;
    let mut colour = Mat::default();
    imgproc::cvt_color_def(&mosaic, &mut colour, pattern.conversion())?;
    debug_assert_eq!(colour.channels(), 3);
    BgrImage::from_mat(&colour)
}
