//! What cameras send beside plain pictures: planes, few bits, mosaics, and JPEGs that leave something out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod known;

use known::{HEIGHT, WIDTH, known, pixels, samples, worst_difference};
use vision::{
    BgrImage, ImageError,
    encoding::{decode_camera, decode_compressed, decode_raw},
};

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
fn tiff_is_read_too_and_a_bomb_is_refused() {
    let rgb = pixels(&known()).flat_map(|[b, g, r]| [r, g, b]).collect();
    let picture = image::RgbImage::from_raw(WIDTH, HEIGHT, rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Tiff).unwrap();
    let mut bytes = bytes.into_inner();
    assert_eq!(decode_camera(&bytes, "rgb8; tiff compressed rgb8", 1_000).unwrap(), known());
    // Width and height (tags 256 and 257) of the first directory; values stand in the entry's last four bytes.
    let entries = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize + 2;
    for entry in (0..2).map(|number| entries + 12 * number) {
        assert!([0x00, 0x01].contains(&bytes[entry]) && bytes[entry + 1] == 1, "not width and height");
        bytes[entry + 8..entry + 10].copy_from_slice(&30_000_u16.to_le_bytes());
    }
    // The decoder itself may see first that the strips do not hold so much.
    assert!(decode_camera(&bytes, "", 1_000_000).is_err());
}
