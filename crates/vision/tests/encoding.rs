//! What cameras send, and what they should not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use vision::{
    BgrImage, ImageError,
    encoding::{decode_camera, decode_compressed, decode_raw},
};

const WIDTH: u32 = 22;
const HEIGHT: u32 = 14;

/// A smooth colour picture, so that encodings which share colours between pixels keep it.
fn known() -> BgrImage {
    let mut data = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            data.extend([40 + 6 * x as u8, 200 - 8 * y as u8, 60 + 3 * x as u8 + 4 * y as u8]);
        }
    }
    BgrImage::new(WIDTH, HEIGHT, data).unwrap()
}

fn pixels(image: &BgrImage) -> impl Iterator<Item = [u8; 3]> {
    image.data().chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]])
}

fn worst_difference(a: &BgrImage, b: &BgrImage) -> u8 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let differences = a.data().iter().zip(b.data()).map(|(x, y)| x.abs_diff(*y));
    differences.max().unwrap()
}

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

/// The samples of `image` in the order that `encoding` (without its depth) has.
fn samples(image: &BgrImage, encoding: &str) -> Vec<u8> {
    let place = |i: usize| (i % WIDTH as usize, i / WIDTH as usize);
    match encoding {
        "bgr" => image.data().to_vec(),
        "rgb" => pixels(image).flat_map(|[b, g, r]| [r, g, b]).collect(),
        "bgra" => pixels(image).flat_map(|[b, g, r]| [b, g, r, 9]).collect(),
        "rgba" => pixels(image).flat_map(|[b, g, r]| [r, g, b, 9]).collect(),
        "mono" => pixels(image).map(|[b, ..]| b).collect(),
        "uyvy" | "yuyv" => pixels(image)
            .collect::<Vec<_>>()
            .chunks_exact(2)
            .flat_map(|pair| {
                // BT.601, video range.
                let [first, second] = [pair[0], pair[1]].map(|bgr| bgr.map(f32::from));
                let luma = |[b, g, r]: [f32; 3]| 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
                let u = |[b, g, r]: [f32; 3]| 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
                let v = |[b, g, r]: [f32; 3]| 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
                let mean = |of: &dyn Fn([f32; 3]) -> f32| (of(first) + of(second)) / 2.0;
                let [y0, y1, u, v] = [luma(first), luma(second), mean(&u), mean(&v)];
                let order = if encoding == "uyvy" { [u, y0, v, y1] } else { [y0, u, y1, v] };
                order.map(|value| value.round() as u8)
            })
            .collect(),
        bayer => {
            let pattern = bayer.strip_prefix("bayer_").unwrap().as_bytes();
            let channel = |i: usize| {
                let (x, y) = place(i);
                match pattern[y % 2 * 2 + x % 2] {
                    b'b' => 0,
                    b'g' => 1,
                    _ => 2,
                }
            };
            pixels(image).enumerate().map(|(i, pixel)| pixel[channel(i)]).collect()
        }
    }
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
        png: bool,
        at in 0usize..4_000,
        value: u8,
        length in 0usize..4_000,
    ) {
        let mut bytes = if png { png_of(&known()) } else { known().encode_jpeg(90).unwrap() };
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

fn png_of(image: &BgrImage) -> Vec<u8> {
    let rgb = pixels(image).flat_map(|[b, g, r]| [r, g, b]).collect();
    let picture = image::RgbImage::from_raw(image.width(), image.height(), rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
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

/// Y of every pixel and U and V of pairs of pixels in each second row, `step` bytes a row.
fn planes(image: &BgrImage, encoding: &str, step: usize) -> Vec<u8> {
    let uyvy = samples(image, "uyvy");
    let (w, h) = (WIDTH as usize, HEIGHT as usize);
    let at = |x: usize, y: usize, part: usize| uyvy[(y * w + x / 2 * 2) * 2 + part];
    let padded = |row: Vec<u8>, step: usize| [row.clone(), vec![0xee; step - row.len()]].concat();
    let luma = (0..h).flat_map(|y| padded((0..w).map(|x| at(x, y, 1 + x % 2 * 2)).collect(), step));
    let halves = |part: usize| -> Vec<Vec<u8>> {
        (0..h).step_by(2).map(|y| (0..w).step_by(2).map(|x| at(x, y, part)).collect()).collect()
    };
    let (u, v) = (halves(0), halves(2));
    let woven = |a: &[Vec<u8>], b: &[Vec<u8>]| -> Vec<u8> {
        a.iter().zip(b).flat_map(|(a, b)| padded(a.iter().zip(b).flat_map(|(a, b)| [*a, *b]).collect(), step)).collect()
    };
    let plane = |rows: &[Vec<u8>]| -> Vec<u8> { rows.iter().flat_map(|row| padded(row.clone(), step / 2)).collect() };
    let colours = match encoding {
        "nv12" => woven(&u, &v),
        "nv21" => woven(&v, &u),
        "i420" | "yuv420" => [plane(&u), plane(&v)].concat(),
        "yv12" => [plane(&v), plane(&u)].concat(),
        _ => (0..h).flat_map(|y| padded((0..w).flat_map(|x| [at(x, y, 0), at(x, y, 2)]).collect(), 2 * step)).collect(),
    };
    luma.chain(colours).collect()
}

#[test]
fn planes_of_luma_and_colours_give_the_known_picture() {
    for encoding in ["nv12", "nv21", "nv24", "i420", "yuv420", "yv12"] {
        for padding in [0, 2, 10] {
            let step = WIDTH as usize + padding;
            let data = planes(&known(), encoding, step);
            let decode = |data: &[u8]| decode_raw(WIDTH, HEIGHT, encoding, false, step as u32, data);
            let worst = worst_difference(&decode(&data).unwrap(), &known());
            assert!(worst <= 12, "{encoding}, padding {padding}: {worst}");
            assert!(matches!(decode(&data[..data.len() - 1]), Err(ImageError::Length { .. })), "{encoding}");
        }
        let odd = decode_raw(5, 4, encoding, false, 6, &[0; 200]);
        assert!(matches!(odd, Err(ImageError::EncodingSize { .. })), "{encoding}");
    }
}

#[test]
fn grey_of_fewer_bits_than_its_samples_have_is_as_bright() {
    for bits in [10, 12, 14, 16] {
        let most = (1_u32 << bits) - 1;
        let data: Vec<u8> = [0, most / 2, most].into_iter().flat_map(|value| (value as u16).to_le_bytes()).collect();
        let image = decode_raw(3, 1, "mono16", false, 6, &data).unwrap();
        let grey: Vec<u8> = pixels(&image).map(|[b, ..]| b).collect();
        assert!(grey[0] == 0 && (127..=128).contains(&grey[1]) && grey[2] == 255, "{bits}: {grey:?}");
    }
}

/// Segments of a JPEG before its scan, and the rest.
fn taken_apart(jpeg: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut segments, mut at) = (vec![jpeg[..2].to_vec()], 2);
    while jpeg[at + 1] != 0xda {
        let length = usize::from(jpeg[at + 2]) * 256 + usize::from(jpeg[at + 3]);
        segments.push(jpeg[at..at + 2 + length].to_vec());
        at += 2 + length;
    }
    (segments, jpeg[at..].to_vec())
}

#[test]
fn a_jpeg_without_huffman_tables_is_read_with_those_of_the_standard() {
    let jpeg = known().encode_jpeg(95).unwrap();
    let (segments, scan) = taken_apart(&jpeg);
    let without: Vec<Vec<u8>> = segments.into_iter().filter(|segment| segment[1] != 0xc4).chain([scan]).collect();
    let without = without.concat();
    assert!(without.len() < jpeg.len() - 300);
    assert_eq!(decode_compressed(&without, 1_000).unwrap(), decode_compressed(&jpeg, 1_000).unwrap());
}

#[test]
fn a_jpeg_that_is_cut_off_is_refused_and_one_with_a_tail_is_not() {
    let jpeg = known().encode_jpeg(95).unwrap();
    for part in [5, 2] {
        let refused = decode_compressed(&jpeg[..jpeg.len() - jpeg.len() / part], 1_000).unwrap_err().to_string();
        assert!(refused.contains("cut off") || refused.contains("decode"), "{refused}");
    }
    let cut = decode_compressed(&jpeg[..jpeg.len() - 2], 1_000).unwrap_err().to_string();
    assert!(cut.contains("the JPEG is cut off"), "{cut}");
    assert!(decode_compressed(&[&jpeg[..], &[0; 700]].concat(), 1_000).is_ok());
}

#[test]
fn a_photograph_is_turned_as_its_exif_says_and_a_cameras_picture_is_not() {
    let jpeg = known().encode_jpeg(95).unwrap();
    // TIFF header, one entry: orientation 6, turn right by 90°.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let length = (exif.len() + 2) as u16;
    exif.splice(..0, [&[0xff, 0xe1][..], &length.to_be_bytes()].concat());
    let turned = [&jpeg[..2], &exif, &jpeg[2..]].concat();
    let photograph = decode_compressed(&turned, 1_000).unwrap();
    assert_eq!((photograph.width(), photograph.height()), (HEIGHT, WIDTH));
    let live = decode_camera(&turned, "rgb8; jpeg compressed bgr8", 1_000).unwrap();
    assert_eq!(live, decode_compressed(&jpeg, 1_000).unwrap());
}

#[test]
fn a_mosaic_that_was_compressed_as_it_is_gets_its_colours() {
    let mosaic = image::GrayImage::from_raw(WIDTH, HEIGHT, samples(&known(), "bayer_rggb")).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    mosaic.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let coloured = decode_camera(&png, "bayer_rggb8; png compressed ", 1_000).unwrap();
    assert!(worst_difference(&coloured, &known()) <= 10);
    // As it is where nothing is said of a mosaic, or of one whose colours were made before.
    for format in ["mono8; png compressed ", "png", "", "bayer_rggb8; png compressed mono8"] {
        let grey = decode_camera(&png, format, 1_000).unwrap();
        assert!(pixels(&grey).all(|[b, g, r]| b == g && g == r), "{format}");
    }
}

#[test]
fn tiff_is_read_too() {
    let rgb = pixels(&known()).flat_map(|[b, g, r]| [r, g, b]).collect();
    let picture = image::RgbImage::from_raw(WIDTH, HEIGHT, rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Tiff).unwrap();
    assert_eq!(decode_camera(&bytes.into_inner(), "rgb8; tiff compressed rgb8", 1_000).unwrap(), known());
}
