//! Pictures in a file format.

use std::io::Cursor;

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::guard::guarded;
use super::{jpeg, mosaic};
use crate::{BgrImage, ImageError, MAX_SIDE, bayer, image::check_size};

/// What the bytes may be.
const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Tiff];

/// Decodes the bytes of a JPEG, PNG or TIFF; EXIF orientation is applied, alpha dropped, 16 bits scaled to 8.
///
/// The size in the header is held against `max_pixels` before any pixel is decoded, and the same decoder then allocates
/// no more than that size needs.
///
/// # Errors
/// [`ImageError::Format`], [`ImageError::Size`], [`ImageError::TooLarge`] or [`ImageError::Decode`].
pub fn decode_compressed(bytes: &[u8], max_pixels: u64) -> Result<BgrImage, ImageError> {
    let (mut picture, orientation) = guarded(|| decode(bytes, max_pixels))?;
    picture.apply_orientation(orientation);
    to_bgr(picture)
}

/// Decodes a camera's `sensor_msgs/CompressedImage`: as [`decode_compressed`], but a picture stays as its sensor saw it, so that
/// boxes lie in it as others see it. `format` matters where it names a Bayer mosaic that was compressed as it is, as
/// image_transport does (`bayer_rggb8; png compressed `).
///
/// # Errors
/// As [`decode_compressed`].
pub fn decode_camera(bytes: &[u8], format: &str, max_pixels: u64) -> Result<BgrImage, ImageError> {
    let (picture, _) = guarded(|| decode(bytes, max_pixels))?;
    let (raw, file) = format.split_once(';').unwrap_or_default();
    // With colours it names them: `bayer_rggb8; jpeg compressed bgr8`.
    let as_it_is = file.trim().ends_with("compressed") && !picture.color().has_color();
    match mosaic(raw.trim()).filter(|_| as_it_is) {
        Some(pattern) => bayer::demosaic(pattern, picture.width(), picture.height(), &picture.into_luma8()),
        None => to_bgr(picture),
    }
}

fn decode(bytes: &[u8], max_pixels: u64) -> Result<(DynamicImage, ::image::metadata::Orientation), ImageError> {
    let refused = |error: ::image::ImageError| ImageError::Decode(error.to_string());
    let format =
        ::image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format)).ok_or(ImageError::Format)?;
    let bytes = if format == ImageFormat::Jpeg { jpeg::completed(bytes)? } else { bytes.into() };
    let mut reader = ImageReader::with_format(Cursor::new(&*bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    // 16-bit RGBA, and what a decoder needs beside the pixels.
    limits.max_alloc = Some(max_pixels.saturating_mul(8).saturating_add(16 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(ImageError::TooLarge { width, height, max_pixels });
    }
    let orientation = decoder.orientation().map_err(refused)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(refused)?, orientation))
}

fn to_bgr(picture: DynamicImage) -> Result<BgrImage, ImageError> {
    let picture = picture.into_rgb8();
    let (width, height) = picture.dimensions();
    let mut data = picture.into_raw();
    for pixel in data.chunks_exact_mut(3) {
        pixel.swap(0, 2);
    }
    BgrImage::new(width, height, data)
}
