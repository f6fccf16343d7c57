//! Between pictures and tensors.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Side of an aligned face, pixels.
pub const FACE_SIZE: usize = 128;
/// Pixels of a face for each pixel of its features, along a side.
pub(crate) const FEATURE_STRIDE: usize = 8;
/// Pixels of an aligned face.
pub const FACE_PIXELS: usize = FACE_SIZE * FACE_SIZE;

/// Grey faces of [`FACE_PIXELS`] bytes each, row by row → `[N, 1, 128, 128]` in [−1, 1].
///
/// # Panics
/// When a face has another length; [`FACE_PIXELS`] is what alignment makes.
pub fn faces_to_tensor<B: Backend>(faces: &[&[u8]], device: &B::Device) -> Tensor<B, 4> {
    let mut values = Vec::with_capacity(faces.len() * FACE_PIXELS);
    for face in faces {
        assert_eq!(face.len(), FACE_PIXELS, "an aligned face is 128×128");
        values.extend(face.iter().map(|&pixel| f32::from(pixel) / 127.5 - 1.0));
    }
    Tensor::from_data(TensorData::new(values, [faces.len(), 1, FACE_SIZE, FACE_SIZE]), device)
}

/// The rows of a matrix, as `f32`.
pub fn rows<B: Backend>(matrix: Tensor<B, 2>) -> Vec<Vec<f32>> {
    let [_, columns] = matrix.dims();
    values(matrix).chunks(columns.max(1)).map(<[f32]>::to_vec).collect()
}

/// All values of a tensor.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
