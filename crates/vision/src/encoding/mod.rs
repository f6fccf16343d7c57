//! What cameras send, decoded to [`BgrImage`]. Every input is taken as hostile: it is refused, it never panics.

mod compressed;
mod guard;
mod jpeg;
mod yuv;

use std::borrow::Cow;

use crate::{
    BgrImage, ImageError,
    bayer::{self, Pattern},
    image::check_size,
};

pub use compressed::{decode_camera, decode_compressed};
use yuv::{Planes, Yuv422};

/// How the samples of a row become pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Mono,
    Bgr,
    Rgb,
    Bgra,
    Rgba,
    Yuv422(Yuv422),
    /// Luma in a plane of its own, colours after it.
    Planes(Planes),
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
            // Of the first plane.
            Self::Mono | Self::Bayer(_) | Self::Planes(_) => 1,
            Self::Yuv422(_) => 2,
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
        "yuv422" | "uyvy" => (Colour::Yuv422(Yuv422::Uyvy), Eight),
        "yuv422_yuy2" | "yuyv" => (Colour::Yuv422(Yuv422::Yuyv), Eight),
        "nv12" => (Colour::Planes(Planes::Nv12), Eight),
        "nv21" => (Colour::Planes(Planes::Nv21), Eight),
        "nv24" => (Colour::Planes(Planes::Nv24), Eight),
        "i420" | "yuv420" => (Colour::Planes(Planes::I420), Eight),
        "yv12" => (Colour::Planes(Planes::Yv12), Eight),
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
/// `bgra16`, `rgba16`, `8UC4`, `16UC3`, `16UC4`, `yuv422` and `uyvy`, `yuv422_yuy2` and `yuyv`, `nv12`, `nv21`, `nv24`, `i420`
/// and `yuv420`, `yv12` (BT.601, video range), `bayer_{rggb,bggr,gbrg,grbg}{8,16}`. Samples of 16 bits are scaled to 8 by their full
/// range, 65535 to 255; those of `mono16` and `16UC1` by the range of 10, 12, 14 or 16 bits that holds the picture. Alpha is dropped. `step` is the bytes from one row to the next, at least a row's pixels and otherwise any number; the last row
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
    let expected = match colour {
        Colour::Planes(planes) => planes.bytes(width, height, step)?,
        _ => u64::from(step) * u64::from(height - 1) + row,
    };
    if (data.len() as u64) < expected {
        return Err(ImageError::Length { width, height, expected, found: data.len() as u64 });
    }
    // Both fit: the data is in memory and at least this long.
    let (step, row, expected) = (step as usize, row as usize, expected as usize);
    if let Colour::Planes(planes) = colour {
        return planes.to_bgr(width, height, step, &data[..expected]);
    }
    let samples = match depth {
        Depth::Eight if step == row => Cow::Borrowed(&data[..expected]),
        Depth::Eight => Cow::Owned(rows(&data[..expected], step, row).flatten().copied().collect()),
        Depth::Sixteen => {
            let wide: Vec<u16> = samples_of_16_bits(&data[..expected], step, row, is_bigendian).collect();
            let most = if colour == Colour::Mono { range(&wide) } else { u16::MAX };
            Cow::Owned(wide.into_iter().map(|value| scaled(value, most)).collect())
        }
    };
    to_bgr(colour, width, height, &samples)
}

/// The pixels' bytes of each row, without its padding.
fn rows(data: &[u8], step: usize, row: usize) -> impl Iterator<Item = &[u8]> {
    data.chunks(step).map(move |bytes| &bytes[..row])
}

fn samples_of_16_bits(data: &[u8], step: usize, row: usize, is_bigendian: bool) -> impl Iterator<Item = u16> {
    rows(data, step, row).flat_map(move |bytes| {
        bytes.chunks_exact(2).map(move |pair| {
            let pair = [pair[0], pair[1]];
            if is_bigendian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        })
    })
}

/// The largest value of the bits that a camera uses, as far as the picture tells: many put 10 or 12 of them into 16.
fn range(samples: &[u16]) -> u16 {
    let most = samples.iter().copied().max().unwrap_or_default();
    [10, 12, 14].map(|bits| (1 << bits) - 1).into_iter().find(|range| most <= *range).unwrap_or(u16::MAX)
}

fn scaled(value: u16, most: u16) -> u8 {
    let most = u32::from(most);
    ((u32::from(value) * 255 + most / 2) / most) as u8
}

fn to_bgr(colour: Colour, width: u32, height: u32, samples: &[u8]) -> Result<BgrImage, ImageError> {
    let data = match colour {
        Colour::Mono => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Colour::Bgr => samples.to_vec(),
        Colour::Rgb => picked(samples, 3, [2, 1, 0]),
        Colour::Bgra => picked(samples, 4, [0, 1, 2]),
        Colour::Rgba => picked(samples, 4, [2, 1, 0]),
        Colour::Yuv422(order) => return order.to_bgr(width, height, samples),
        Colour::Planes(planes) => return planes.to_bgr(width, height, width as usize, samples),
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

/// The mosaic that an encoding names.
fn mosaic(encoding: &str) -> Option<Pattern> {
    match layout(encoding) {
        Some((Colour::Bayer(pattern), _)) => Some(pattern),
        _ => None,
    }
}
