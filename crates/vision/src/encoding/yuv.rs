//! Luma with colours of fewer pixels, BT.601 in video range.

use opencv::{
    core::{CV_8UC1, Mat, Vec2b},
    imgproc,
};

use crate::{BgrImage, ImageError};

/// Two pixels in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Yuv422 {
    Uyvy,
    Yuyv,
}

impl Yuv422 {
    /// Rows of `samples` are not padded.
    pub(super) fn to_bgr(self, width: u32, height: u32, samples: &[u8]) -> Result<BgrImage, ImageError> {
        if !width.is_multiple_of(2) {
            return Err(ImageError::EncodingSize {
                encoding: "yuv422",
                width,
                height,
                reason: "two pixels share their colour, the width must be even",
            });
        }
        let conversion = match self {
            Self::Uyvy => imgproc::COLOR_YUV2BGR_UYVY,
            Self::Yuyv => imgproc::COLOR_YUV2BGR_YUY2,
        };
        let yuv = Mat::new_rows_cols_with_bytes::<Vec2b>(height as i32, width as i32, samples)?;
        let mut colour = Mat::default();
        imgproc::cvt_color_def(&yuv, &mut colour, conversion)?;
        BgrImage::from_mat(&colour)
    }
}

/// A plane of luma, and the colours after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planes {
    /// Four pixels share U and V, which alternate.
    Nv12,
    /// The same with V first.
    Nv21,
    /// Each pixel has its U and V, which alternate.
    Nv24,
    /// Four pixels share U and V; a plane each.
    I420,
    /// The same with V first.
    Yv12,
}

impl Planes {
    const fn name(self) -> &'static str {
        match self {
            Self::Nv12 => "nv12",
            Self::Nv21 => "nv21",
            Self::Nv24 => "nv24",
            Self::I420 => "i420",
            Self::Yv12 => "yv12",
        }
    }

    /// Bytes of a picture whose luma has `step` bytes a row; rows of colours have as many for as many samples.
    ///
    /// # Errors
    /// A size that the encoding cannot have.
    pub(super) fn bytes(self, width: u32, height: u32, step: u32) -> Result<u64, ImageError> {
        let even = |sides: &[u32]| sides.iter().all(|side| side.is_multiple_of(2));
        let (fits, reason) = match self {
            Self::Nv24 => (even(&[width]), "the width must be even"),
            Self::Nv12 | Self::Nv21 => {
                (even(&[width, height]), "four pixels share their colour, both sides must be even")
            }
            Self::I420 | Self::Yv12 => {
                (even(&[width, height, step]), "four pixels share their colour, both sides must be even")
            }
        };
        if !fits {
            return Err(ImageError::EncodingSize { encoding: self.name(), width, height, reason });
        }
        let luma = u64::from(step) * u64::from(height);
        Ok(if self == Self::Nv24 { 3 * luma } else { luma + luma / 2 })
    }

    /// `data` is as long as [`Self::bytes`] says.
    pub(super) fn to_bgr(self, width: u32, height: u32, step: usize, data: &[u8]) -> Result<BgrImage, ImageError> {
        let (w, h) = (width as usize, height as usize);
        let (luma, colours) = data.split_at(step * h);
        let conversion = match self {
            Self::Nv12 => imgproc::COLOR_YUV2BGR_NV12,
            Self::Nv21 => imgproc::COLOR_YUV2BGR_NV21,
            Self::I420 => imgproc::COLOR_YUV2BGR_I420,
            Self::Yv12 => imgproc::COLOR_YUV2BGR_YV12,
            Self::Nv24 => return Yuv422::Uyvy.to_bgr(width, height, &shared_by_two(luma, colours, w, step)),
        };
        let rows = |plane: &[u8], step: usize, row: usize| -> Vec<u8> {
            plane.chunks(step).flat_map(|bytes| &bytes[..row]).copied().collect()
        };
        let mut packed = rows(luma, step, w);
        packed.extend(match self {
            Self::I420 | Self::Yv12 => rows(colours, step / 2, w / 2),
            _ => rows(colours, step, w),
        });
        let yuv = Mat::new_rows_cols_with_data((h + h / 2) as i32, w as i32, &packed)?;
        debug_assert_eq!(opencv::core::MatTraitConst::typ(&yuv), CV_8UC1);
        let mut colour = Mat::default();
        imgproc::cvt_color_def(&yuv, &mut colour, conversion)?;
        BgrImage::from_mat(&colour)
    }
}

/// UYVY of luma and colours for each pixel: two neighbours get the mean of their colours, as most cameras send them.
fn shared_by_two(luma: &[u8], colours: &[u8], width: usize, step: usize) -> Vec<u8> {
    let mean = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
    luma.chunks(step)
        .zip(colours.chunks(2 * step))
        .flat_map(|(luma, colours)| {
            let pairs = luma[..width].chunks_exact(2).zip(colours[..2 * width].chunks_exact(4));
            pairs.flat_map(move |(y, c)| [mean(c[0], c[2]), y[0], mean(c[1], c[3]), y[1]])
        })
        .collect()
}
