//! A picture whose pixels are known, in the encodings that cameras send.

#![allow(dead_code, reason = "each test program takes what it needs")]

use vision::BgrImage;

pub const WIDTH: u32 = 22;
pub const HEIGHT: u32 = 14;

/// A smooth colour picture, so that encodings which share colours between pixels keep it.
pub fn known() -> BgrImage {
    let mut data = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            data.extend([40 + 6 * x as u8, 200 - 8 * y as u8, 60 + 3 * x as u8 + 4 * y as u8]);
        }
    }
    BgrImage::new(WIDTH, HEIGHT, data).unwrap()
}

pub fn pixels(image: &BgrImage) -> impl Iterator<Item = [u8; 3]> {
    image.data().chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]])
}

pub fn worst_difference(a: &BgrImage, b: &BgrImage) -> u8 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let differences = a.data().iter().zip(b.data()).map(|(x, y)| x.abs_diff(*y));
    differences.max().unwrap()
}

/// The samples of `image` in the order that `encoding` (without its depth) has.
pub fn samples(image: &BgrImage, encoding: &str) -> Vec<u8> {
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
