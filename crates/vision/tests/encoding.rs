//! What cameras send, and what they should not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod known;

use known::{HEIGHT, WIDTH, known, pixels, samples, worst_difference};
use proptest::prelude::*;
use vision::{
    BgrImage, ImageError,
    encoding::{decode_compressed, decode_raw},
};

/// Samples as `row_samples` a row, of 8 bits or of 16 in either order, each row followed by `padding` bytes of 0xEE.
fn packed(samples: &[u8], row_samples: usize, bits: u8, big_endian: bool, padding: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for row in samples.chunks_exact(row_samples) {
        for &sample in row {
            let wide = u16::from(sample) * 257;
            match (bits, big_endian) {
                (8, _) => data.push(sample),
                (_, true) => data.extend(wide.to_be_bytes()),
                (_, false) => data.extend(wide.to_le_bytes()),
            }
        }
        data.extend(std::iter::repeat_n(0xEE, padding));
    }
    data
}

/// Every encoding with its samples' order, the samples of a pixel, its bits, and how far a smooth picture may differ.
const ENCODINGS: [(&str, &str, usize, u8, u8); 28] = [
    ("mono8", "mono", 1, 8, 0),
    ("8UC1", "mono", 1, 8, 0),
    ("mono16", "mono", 1, 16, 0),
    ("16UC1", "mono", 1, 16, 0),
    ("bgr8", "bgr", 3, 8, 0),
    ("8UC3", "bgr", 3, 8, 0),
    ("rgb8", "rgb", 3, 8, 0),
    ("bgra8", "bgra", 4, 8, 0),
    ("8UC4", "bgra", 4, 8, 0),
    ("rgba8", "rgba", 4, 8, 0),
    ("bgr16", "bgr", 3, 16, 0),
    ("16UC3", "bgr", 3, 16, 0),
    ("rgb16", "rgb", 3, 16, 0),
    ("bgra16", "bgra", 4, 16, 0),
    ("16UC4", "bgra", 4, 16, 0),
    ("rgba16", "rgba", 4, 16, 0),
    ("yuv422", "uyvy", 2, 8, 8),
    ("uyvy", "uyvy", 2, 8, 8),
    ("yuv422_yuy2", "yuyv", 2, 8, 8),
    ("yuyv", "yuyv", 2, 8, 8),
    ("bayer_rggb8", "bayer_rggb", 1, 8, 10),
    ("bayer_bggr8", "bayer_bggr", 1, 8, 10),
    ("bayer_gbrg8", "bayer_gbrg", 1, 8, 10),
    ("bayer_grbg8", "bayer_grbg", 1, 8, 10),
    ("bayer_rggb16", "bayer_rggb", 1, 16, 10),
    ("bayer_bggr16", "bayer_bggr", 1, 16, 10),
    ("bayer_gbrg16", "bayer_gbrg", 1, 16, 10),
    ("bayer_grbg16", "bayer_grbg", 1, 16, 10),
];

#[test]
fn every_encoding_gives_the_known_picture_with_any_step_and_byte_order() {
    let picture = known();
    for (encoding, order, channels, bits, tolerance) in ENCODINGS {
        let expected = if order == "mono" {
            let grey = pixels(&picture).flat_map(|[b, ..]| [b; 3]).collect();
            BgrImage::new(WIDTH, HEIGHT, grey).unwrap()
        } else {
            picture.clone()
        };
        let samples = samples(&picture, order);
        let row_samples = WIDTH as usize * channels;
        for big_endian in [false, true] {
            for padding in [0, 1, 7, 32] {
                let data = packed(&samples, row_samples, bits, big_endian, padding);
                let step = (row_samples * usize::from(bits) / 8 + padding) as u32;
                // The last row need not be padded.
                let needed = &data[..data.len() - padding];
                let decoded = decode_raw(WIDTH, HEIGHT, encoding, big_endian, step, needed);
                let worst = worst_difference(&decoded.unwrap(), &expected);
                assert!(worst <= tolerance, "{encoding}, padding {padding}: {worst}");
                let missing = &needed[..needed.len() - 1];
                let short = decode_raw(WIDTH, HEIGHT, encoding, big_endian, step, missing);
                assert!(matches!(short, Err(ImageError::Length { .. })), "{encoding}");
            }
        }
    }
}

#[test]
fn sixteen_bits_are_scaled_by_their_full_range() {
    let data: Vec<u8> = [0_u16, 128, 129, 32_768, 65_535, 4_095].into_iter().flat_map(u16::to_le_bytes).collect();
    let image = decode_raw(6, 1, "mono16", false, 12, &data).unwrap();
    let grey: Vec<u8> = pixels(&image).map(|[b, ..]| b).collect();
    assert_eq!(grey, [0, 0, 1, 128, 255, 16]);
}

#[test]
fn fields_that_contradict_each_other_are_refused_by_name() {
    let data = [0; 300];
    let refusal =
        |width, height, encoding: &str, step| decode_raw(width, height, encoding, false, step, &data).unwrap_err();
    assert!(matches!(refusal(0, 10, "bgr8", 30), ImageError::Size { .. }));
    assert!(matches!(refusal(10, 0, "bgr8", 30), ImageError::Size { .. }));
    assert!(matches!(refusal(u32::MAX, 2, "bgr8", u32::MAX), ImageError::Size { .. }));
    assert!(matches!(refusal(10, 10, "bgr8", 29), ImageError::Step { row: 30, .. }));
    assert!(matches!(refusal(10, 10, "bgr8", 0), ImageError::Step { .. }));
    assert!(matches!(refusal(10, 11, "bgr8", 30), ImageError::Length { .. }));
    assert!(matches!(refusal(10, 10, "bgr8", u32::MAX), ImageError::Length { .. }));
    assert!(matches!(refusal(5, 5, "yuyv", 10), ImageError::EncodingSize { .. }));
    assert!(matches!(refusal(2, 9, "bayer_rggb8", 2), ImageError::EncodingSize { .. }));
    assert!(refusal(10, 10, "h264", 30).to_string().contains("h264"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn hostile_headers_are_refused_or_decoded_but_never_panic(
        size in (number(), number()),
        step in number(),
        encoding in prop_oneof![
            9 => (0..ENCODINGS.len()).prop_map(|i| ENCODINGS[i].0.to_owned()),
            1 => ".{0,12}",
        ],
        big_endian: bool,
        data in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        if let Ok(image) = decode_raw(size.0, size.1, &encoding, big_endian, step, &data) {
            prop_assert_eq!((image.width(), image.height()), size);
            prop_assert_eq!(image.data().len() as u64, u64::from(size.0) * u64::from(size.1) * 3);
        }
    }

    #[test]
    fn damaged_files_are_refused_or_decoded_but_never_panic(
        kind in 0..3,
        at in 0usize..4_000,
        value: u8,
        length in 0usize..4_000,
    ) {
        let mut bytes = match kind {
            0 => file_of(&known(), image::ImageFormat::Png),
            1 => file_of(&known(), image::ImageFormat::Tiff),
            _ => known().encode_jpeg(90).unwrap(),
        };
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(length.max(at));
        if let Ok(image) = decode_compressed(&bytes, 10_000) {
            prop_assert!(image.width() * image.height() <= 10_000);
        }
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0u32..40, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => Just(1 << 31)]
}

fn file_of(image: &BgrImage, format: image::ImageFormat) -> Vec<u8> {
    let rgb = pixels(image).flat_map(|[b, g, r]| [r, g, b]).collect();
    let picture = image::RgbImage::from_raw(image.width(), image.height(), rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png_of(image: &BgrImage) -> Vec<u8> {
    file_of(image, image::ImageFormat::Png)
}

#[test]
fn png_keeps_every_pixel_and_jpeg_nearly() {
    let picture = known();
    assert_eq!(decode_compressed(&png_of(&picture), 1_000).unwrap(), picture);
    let jpeg = decode_compressed(&picture.encode_jpeg(98).unwrap(), 1_000).unwrap();
    assert!(worst_difference(&jpeg, &picture) <= 12);
    assert!(matches!(picture.encode_jpeg(0), Err(ImageError::Quality(0))));
}

#[test]
fn a_picture_larger_than_allowed_is_refused_from_its_header_alone() {
    let limit = u64::from(WIDTH * HEIGHT);
    let png = png_of(&known());
    assert!(decode_compressed(&png, limit).is_ok());
    let refused = decode_compressed(&png, limit - 1).unwrap_err();
    assert!(matches!(refused, ImageError::TooLarge { width: WIDTH, height: HEIGHT, .. }));

    // The head of a PNG of 30,000 × 30,000 pixels and of such a JPEG; there are no pixels behind them.
    let mut head = png[..33].to_vec();
    head[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let sum = crc32(&head[12..29]);
    head[29..33].copy_from_slice(&sum.to_be_bytes());
    head.extend(&png[33..]);
    let refused = decode_compressed(&head, 1_000_000).unwrap_err();
    assert!(matches!(refused, ImageError::TooLarge { width: 30_000, .. }), "{refused}");

    let mut jpeg = known().encode_jpeg(90).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let refused = decode_compressed(&jpeg, 1_000_000).unwrap_err();
    assert!(matches!(refused, ImageError::TooLarge { height: 30_000, .. }), "{refused}");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))))
}

#[test]
fn what_is_neither_jpeg_nor_png_is_refused() {
    for bytes in [&b""[..], b"GIF89a\x01\x00\x01\x00", b"<svg/>", b"\xFF\xD8"] {
        assert!(decode_compressed(bytes, 1_000).is_err());
    }
}

#[test]
fn pictures_are_written_and_read_again_and_resized() {
    let folder = std::env::temp_dir().join(format!("vision-pictures-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("picture.png");
    known().write(&path).unwrap();
    assert_eq!(BgrImage::read(&path, 1_000).unwrap(), known());
    let refused = BgrImage::read(&path, 10).unwrap_err().to_string();
    assert!(refused.contains("picture.png") && refused.contains("limit of 10"), "{refused}");
    assert!(known().write(&folder.join("picture.tiff")).is_err());
    assert!(matches!(BgrImage::read(&folder.join("none.png"), 10), Err(ImageError::Io { .. })));
    std::fs::remove_dir_all(&folder).unwrap();

    let half = known().resized(WIDTH / 2, HEIGHT / 2).unwrap();
    assert_eq!((half.width(), half.height()), (11, 7));
    let back = half.resized(WIDTH, HEIGHT).unwrap();
    assert!(worst_difference(&back, &known()) < 12);
    assert!(known().resized(0, 5).is_err());
}

/// What `cargo fuzz` found, made from the seeds in `fuzz/src`: a decoder that we use panicked.
#[test]
fn what_a_decoder_panics_at_is_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken");
    let mut found = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let refused = decode_compressed(&std::fs::read(&path).unwrap(), 1 << 20);
        assert!(matches!(refused, Err(ImageError::Decode(_))), "{}", path.display());
        found += 1;
    }
    assert!(found > 0);
}
