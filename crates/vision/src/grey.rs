//! A grey window of a picture, sampled between its pixels.

use crate::{BgrImage, similarity::Similarity};

/// Grey values of a part of a picture, shrunk by a whole factor.
pub(crate) struct Plane {
    width: usize,
    height: usize,
    data: Vec<f32>,
    /// Where the middle of the plane's first pixel lies in the picture.
    origin: (f64, f64),
    /// Pixels of the picture to one of the plane.
    pitch: f64,
}

/// Pixels `left..right`, `top..bottom` of a picture; neither is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) right: usize,
    pub(crate) bottom: usize,
}

impl Plane {
    /// Averages blocks of `factor` × `factor` pixels of `window`; blocks that reach out of it repeat its border.
    pub(crate) fn new(image: &BgrImage, window: Window, factor: usize) -> Self {
        let row_length = image.width() as usize * 3;
        let grey_row = |y: usize| {
            let row = &image.data()[y * row_length..][..row_length];
            row[window.left * 3..window.right * 3].chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]]))
        };
        let (width, height) = (window.right - window.left, window.bottom - window.top);
        let mut plane = Self {
            width: width.div_ceil(factor),
            height: height.div_ceil(factor),
            data: Vec::new(),
            origin: (window.left as f64 + (factor as f64 - 1.0) / 2.0, window.top as f64 + (factor as f64 - 1.0) / 2.0),
            pitch: factor as f64,
        };
        if factor == 1 {
            plane.data = (window.top..window.bottom).flat_map(grey_row).map(f32::from).collect();
            return plane;
        }
        plane.data.reserve(plane.width * plane.height);
        let mut sums = vec![0_u64; plane.width];
        for block in 0..plane.height {
            sums.fill(0);
            for y in block * factor..(block + 1) * factor {
                let y = window.top + y.min(height - 1);
                let mut last = 0;
                for (x, grey) in grey_row(y).enumerate() {
                    sums[x / factor] += u64::from(grey);
                    last = grey;
                }
                let missing = plane.width * factor - width;
                sums[plane.width - 1] += u64::from(last) * missing as u64;
            }
            let count = (factor * factor) as f32;
            plane.data.extend(sums.iter().map(|&sum| sum as f32 / count));
        }
        plane
    }

    /// Fills `pixels`, rows of `side`; each is the mean of `samples` × `samples` bilinear samples spread evenly over it.
    ///
    /// `to_picture` takes a pixel of the result to the picture. The border is replicated.
    pub(crate) fn warp(&self, to_picture: &Similarity, side: usize, samples: usize, pixels: &mut [u8]) {
        // One map from the result to the plane, relative to it, so that single precision is enough.
        let a = (to_picture.a / self.pitch) as f32;
        let b = (to_picture.b / self.pitch) as f32;
        let x0 = ((to_picture.tx - self.origin.0) / self.pitch) as f32;
        let y0 = ((to_picture.ty - self.origin.1) / self.pitch) as f32;
        let offsets: Vec<f32> = (0..samples).map(|i| (i as f32 + 0.5) / samples as f32 - 0.5).collect();
        let weight = 1.0 / (samples * samples) as f32;
        for (row, pixels) in pixels.chunks_exact_mut(side).enumerate() {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                let mut sum = 0.0;
                for dv in &offsets {
                    let v = row as f32 + dv;
                    for du in &offsets {
                        let u = column as f32 + du;
                        sum += self.sample(a * u - b * v + x0, b * u + a * v + y0);
                    }
                }
                *pixel = (sum * weight + 0.5) as u8;
            }
        }
    }

    fn sample(&self, x: f32, y: f32) -> f32 {
        // `max` then `min` also turns NaN into a place inside.
        let x = x.max(0.0).min((self.width - 1) as f32);
        let y = y.max(0.0).min((self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let right = (left + 1).min(self.width - 1);
        let bottom = (top + 1).min(self.height - 1);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = |column: usize, row: usize| self.data[row * self.width + column];
        let upper = at(left, top) + (at(right, top) - at(left, top)) * fx;
        let lower = at(left, bottom) + (at(right, bottom) - at(left, bottom)) * fx;
        upper + (lower - upper) * fy
    }
}

/// Grey by the weights of OpenCV's BGR2GRAY: 0.114 B + 0.587 G + 0.299 R in fixed point of 15 bits, rounded.
fn luma([blue, green, red]: [u8; 3]) -> u8 {
    let sum = 3_735 * u32::from(blue) + 19_235 * u32::from(green) + 9_798 * u32::from(red);
    ((sum + (1 << 14)) >> 15) as u8
}

#[cfg(test)]
mod tests {
    use opencv::{core::Mat, core::MatTraitConstManual, imgproc};

    use super::*;

    #[test]
    fn grey_is_the_grey_of_opencv() {
        let data: Vec<u8> = (0..64_u32 * 64 * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let image = BgrImage::new(64, 64, data).unwrap();
        let mut expected = Mat::default();
        let code = imgproc::COLOR_BGR2GRAY;
        imgproc::cvt_color_def(&image.as_mat().unwrap(), &mut expected, code).unwrap();
        let grey: Vec<u8> = image.data().chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect();
        assert_eq!(grey, expected.data_bytes().unwrap());
    }

    #[test]
    fn blocks_are_averaged_and_the_border_repeated() {
        let grey = [0, 10, 20, 30, 40, 50, 60, 70, 80];
        let data = grey.iter().flat_map(|&value| [value; 3]).collect();
        let image = BgrImage::new(3, 3, data).unwrap();
        let window = Window { left: 0, top: 0, right: 3, bottom: 3 };
        let plane = Plane::new(&image, window, 2);
        assert_eq!(plane.data, [20.0, 35.0, 65.0, 80.0]);
    }
}
