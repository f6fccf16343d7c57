//! The fields of a `sensor_msgs/Image`, which need not fit each other.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};

const ENCODINGS: [&str; 24] = [
    "mono8", "mono16", "8UC1", "16UC1", "bgr8", "rgb8", "8UC3", "bgra8", "rgba8", "bgr16", "rgb16", "bgra16", "rgba16",
    "8UC4", "16UC3", "16UC4", "yuv422", "yuyv", "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8",
    "bayer_rggb16", "nonsense",
];

#[derive(Debug, Arbitrary)]
struct Picture {
    /// Small ones can be filled; others are refused.
    width: u32,
    height: u32,
    small: bool,
    encoding: u8,
    is_bigendian: bool,
    step: u32,
    padding: u8,
    data: Vec<u8>,
}

libfuzzer_sys::fuzz_target!(|picture: Picture| {
    let Picture { width, height, small, encoding, is_bigendian, step, padding, data } = picture;
    let (width, height) = if small { (width % 20, height % 20) } else { (width, height) };
    let step = if small { width * 8 + u32::from(padding) } else { step };
    let encoding = ENCODINGS[usize::from(encoding) % ENCODINGS.len()];
    if let Ok(image) = vision::encoding::decode_raw(width, height, encoding, is_bigendian, step, &data) {
        assert_eq!(image.data().len() as u64, u64::from(width) * u64::from(height) * 3);
    }
});
