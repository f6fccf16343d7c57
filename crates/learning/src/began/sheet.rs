//! Pictures of a training: faces, their reconstructions, and faces from nothing.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use image::{GrayImage, Luma};

/// Rows of pictures of one size.
#[derive(Debug, Clone)]
pub struct Sheet {
    rows: Vec<Vec<Vec<u8>>>,
    side: usize,
}

impl Sheet {
    /// Each tensor is a row of pictures `[N, 1, side, side]` in [−1, 1].
    pub fn new<B: Backend>(rows: Vec<Tensor<B, 4>>) -> Self {
        let side = rows.first().map_or(0, |row| row.dims()[3]);
        let rows = rows
            .into_iter()
            .map(|row| {
                let values: Vec<f32> = row.into_data().iter::<f32>().collect();
                values
                    .chunks(side * side)
                    .map(|picture| picture.iter().map(|v| ((v + 1.0) * 127.5).clamp(0.0, 255.0) as u8).collect())
                    .collect()
            })
            .collect();
        Self { rows, side }
    }

    /// The sheet as one grey picture.
    pub fn to_image(&self) -> GrayImage {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let (width, height) = (columns * self.side, self.rows.len() * self.side);
        let mut sheet = GrayImage::new(width as u32, height as u32);
        for (y, row) in self.rows.iter().enumerate() {
            for (x, picture) in row.iter().enumerate() {
                for (at, &value) in picture.iter().enumerate() {
                    let (px, py) = (x * self.side + at % self.side, y * self.side + at / self.side);
                    sheet.put_pixel(px as u32, py as u32, Luma([value]));
                }
            }
        }
        sheet
    }
}
