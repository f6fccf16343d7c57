//! What cameras send, decoded to [`BgrImage`]. Every input is taken as hostile: it is refused, it never panics.

use std::{borrow::Cow, io::Cursor};

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use opencv::{
    core::{Mat, Vec2b},
    imgproc,
};

use crate::{
    BgrImage, ImageError, MAX_SIDE,
    bayer::{self, Pattern},
    image::check_size,
};

/// How the samples of a row become pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Mono,
    Bgr,
    Rgb,
    Bgra,
    Rgba,
    Uyvy,
    Yuyv,
    Bayer(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Eight,
    Sixteen,
}

impl Colour {
    fn samples_per_pixel(self) -> u64 {
        match self {
            Self::Mono | Self::Bayer(_) => 1,
            Self::Uyvy | Self::Yuyv => 2,
            Self::Bgr | Self::Rgb => 3,
            Self::Bgra | Self::Rgba => 4,
        }
    }
}

/// The names of `sensor_msgs/image_encodings.hpp`.
fn layout(encoding: &str) -> Option<(Colour, Depth)> {
    use Depth::{Eight, Sixteen};
    Some(match encoding {
        "mono8" | "8UC1" => (Colour::Mono, Eight),
        "mono16" | "16UC1" => (Colour::Mono, Sixteen),
        "bgr8" | "8UC3" => (Colour::Bgr, Eight),
        "rgb8" => (Colour::Rgb, Eight),
        "bgra8" | "8UC4" => (Colour::Bgra, Eight),
        "rgba8" => (Colour::Rgba, Eight),
        "bgr16" | "16UC3" => (Colour::Bgr, Sixteen),
        "rgb16" => (Colour::Rgb, Sixteen),
        "bgra16" | "16UC4" => (Colour::Bgra, Sixteen),
        "rgba16" => (Colour::Rgba, Sixteen),
        "yuv422" | "uyvy" => (Colour::Uyvy, Eight),
        "yuv422_yuy2" | "yuyv" => (Colour::Yuyv, Eight),
        "bayer_rggb8" => (Colour::Bayer(Pattern::Rggb), Eight),
        "bayer_bggr8" => (Colour::Bayer(Pattern::Bggr), Eight),
        "bayer_gbrg8" => (Colour::Bayer(Pattern::Gbrg), Eight),
        "bayer_grbg8" => (Colour::Bayer(Pattern::Grbg), Eight),
        "bayer_rggb16" => (Colour::Bayer(Pattern::Rggb), Sixteen),
        "bayer_bggr16" => (Colour::Bayer(Pattern::Bggr), Sixteen),
        "bayer_gbrg16" => (Colour::Bayer(Pattern::Gbrg), Sixteen),
        "bayer_grbg16" => (Colour::Bayer(Pattern::Grbg), Sixteen),
        _ => return None,
    })
}

/// Decodes the fields of a `sensor_msgs/Image`.
///
/// Encodings: `mono8`, `mono16`, `8UC1`, `16UC1`, `bgr8`, `rgb8`, `8UC3` (as bgr8), `bgra8`, `rgba8`, `bgr16`, `rgb16`,
/// `bgra16`, `rgba16`, `8UC4`, `16UC3`, `16UC4`, `yuv422` and `uyvy`, `yuv422_yuy2` and `yuyv` (BT.601, video range),
/// `bayer_{rggb,bggr,gbrg,grbg}{8,16}`. Samples of 16 bits are scaled to 8 by their full range, 65535 to 255; alpha is
/// dropped. `step` is the bytes from one row to the next, at least a row's pixels and otherwise any number; the last row
/// may end with its pixels. `is_bigendian` matters to 16-bit samples only.
///
/// # Errors
/// [`ImageError::Size`], [`ImageError::Encoding`], [`ImageError::EncodingSize`], [`ImageError::Step`] or
/// [`ImageError::Length`] when the fields contradict each other.
pub fn decode_raw(
    width: u32,
    height: u32,
    encoding: &str,
    is_bigendian: bool,
    step: u32,
    data: &[u8],
) -> Result<BgrImage, ImageError> {
    check_size(width, height)?;
    let (colour, depth) = layout(encoding).ok_or_else(|| ImageError::Encoding(encoding.into()))?;
    let bytes_per_sample = if depth == Depth::Sixteen { 2 } else { 1 };
    let row = u64::from(width) * colour.samples_per_pixel() * bytes_per_sample;
    if u64::from(step) < row {
        return Err(ImageError::Step { step, row });
    }
    let expected = u64::from(step) * u64::from(height - 1) + row;
    if (data.len() as u64) < expected {
        return Err(ImageError::Length { width, height, expected, found: data.len() as u64 });
    }
    // Both fit: the data is in memory and at least this long.
    let (step, row, expected) = (step as usize, row as usize, expected as usize);
    let samples = match depth {
        Depth::Eight if step == row => Cow::Borrowed(&data[..expected]),
        Depth::Eight => Cow::Owned(rows(&data[..expected], step, row).flatten().copied().collect()),
        Depth::Sixteen => Cow::Owned(scale_to_8_bits(&data[..expected], step, row, is_bigendian)),
    };
    to_bgr(colour, width, height, &samples)
}

/// Decodes the bytes of a JPEG or PNG; EXIF orientation is applied, alpha dropped, 16 bits scaled to 8.
///
/// The size in the header is held against `max_pixels` before any pixel is decoded, and the same decoder then allocates
/// no more than that size needs.
///
/// # Errors
/// [`ImageError::Format`], [`ImageError::Size`], [`ImageError::TooLarge`] or [`ImageError::Decode`].
pub fn decode_compressed(bytes: &[u8], max_pixels: u64) -> Result<BgrImage, ImageError> {
    let decode = |error: ::image::ImageError| ImageError::Decode(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| ImageError::Decode(error.to_string()))?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(ImageError::Format);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    // 16-bit RGBA, and what a decoder needs beside the pixels.
    limits.max_alloc = Some(max_pixels.saturating_mul(8).saturating_add(16 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(decode)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(ImageError::TooLarge { width, height, max_pixels });
    }
    let orientation = decoder.orientation().map_err(decode)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgb8();
    let (width, height) = picture.dimensions();
    let mut data = picture.into_raw();
    for pixel in data.chunks_exact_mut(3) {
        pixel.swap(0, 2);
    }
    BgrImage::new(width, height, data)
}

/// The pixels' bytes of each row, without its padding.
fn rows(data: &[u8], step: usize, row: usize) -> impl Iterator<Item = &[u8]> {
    data.chunks(step).map(move |bytes| &bytes[..row])
}

fn scale_to_8_bits(data: &[u8], step: usize, row: usize, is_bigendian: bool) -> Vec<u8> {
    let mut samples = Vec::with_capacity(data.len() / 2);
    for bytes in rows(data, step, row) {
        samples.extend(bytes.chunks_exact(2).map(|pair| {
            let pair = [pair[0], pair[1]];
            let value = if is_bigendian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            ((u32::from(value) * 255 + 32_767) / 65_535) as u8
        }));
    }
    samples
}

fn to_bgr(colour: Colour, width: u32, height: u32, samples: &[u8]) -> Result<BgrImage, ImageError> {
    let data = match colour {
        Colour::Mono => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Colour::Bgr => samples.to_vec(),
        Colour::Rgb => picked(samples, 3, [2, 1, 0]),
        Colour::Bgra => picked(samples, 4, [0, 1, 2]),
        Colour::Rgba => picked(samples, 4, [2, 1, 0]),
        Colour::Uyvy => return yuv422(imgproc::COLOR_YUV2BGR_UYVY, width, height, samples),
        Colour::Yuyv => return yuv422(imgproc::COLOR_YUV2BGR_YUY2, width, height, samples),
        Colour::Bayer(pattern) => return bayer::demosaic(pattern, width, height, samples),
    };
    BgrImage::new(width, height, data)
}

fn picked(samples: &[u8], channels: usize, order: [usize; 3]) -> Vec<u8> {
    let mut data = vec![0; samples.len() / channels * 3];
    for (to, from) in data.chunks_exact_mut(3).zip(samples.chunks_exact(channels)) {
        to[0] = from[order[0]];
        to[1] = from[order[1]];
        to[2] = from[order[2]];
    }
    data
}

fn yuv422(conversion: i32, width: u32, height: u32, samples: &[u8]) -> Result<BgrImage, ImageError> {
    if !width.is_multiple_of(2) {
        return Err(ImageError::EncodingSize {
            encoding: "yuv422",
            width,
            height,
            reason: "two pixels share their colour, the width must be even",
        });
    }
    let yuv = Mat::new_rows_cols_with_bytes::<Vec2b>(height as i32, width as i32, samples)?;
    let mut colour = Mat::default();
    imgproc::cvt_color_def(&yuv, &mut colour, conversion)?;
    BgrImage::from_mat(&colour)
}
