//! Faces as pictures of any size.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use network::FACE_SIZE;
use rayon::prelude::*;

/// Faces averaged down to `side`, a divisor of 128: `[N, 1, side, side]` in [−1, 1].
pub(crate) fn shrunk<B: Backend>(faces: &[impl AsRef<[u8]> + Sync], side: usize, device: &B::Device) -> Tensor<B, 4> {
    let step = FACE_SIZE / side;
    let mut values = vec![0.0f32; faces.len() * side * side];
    values.par_chunks_mut(side * side).zip(faces).for_each(|(values, face)| {
        for (at, value) in values.iter_mut().enumerate() {
            let (y, x) = (at / side * step, at % side * step);
            let rows = (y..y + step).map(|y| &face.as_ref()[y * FACE_SIZE + x..y * FACE_SIZE + x + step]);
            let sum: u32 = rows.flatten().map(|&pixel| u32::from(pixel)).sum();
            *value = sum as f32 / (step * step) as f32 / 127.5 - 1.0;
        }
    });
    Tensor::from_data(TensorData::new(values, [faces.len(), 1, side, side]), device)
}
