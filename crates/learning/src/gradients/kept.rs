//! Inputs of many faces, kept in half precision.
//!
//! What a column with two sources reads of one face is a megabyte; tens of thousands of faces must fit in memory.

use crate::features::Inputs;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Inputs of faces, one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// The features, then the blocks of each source.
    parts: Vec<Part>,
    /// Blocks of each source.
    depths: usize,
}

/// One tensor of all faces.
#[derive(Debug, Clone)]
struct Part {
    /// Height, width, channels.
    shape: [usize; 3],
    faces: Vec<Box<[f16]>>,
}

impl Kept {
    /// Adds the faces of a batch.
    pub fn add<B: Backend>(&mut self, inputs: Inputs<B>) {
        self.depths = inputs.sources.first().map_or(0, Vec::len);
        let tensors = std::iter::once(inputs.features).chain(inputs.sources.into_iter().flatten());
        for (at, tensor) in tensors.enumerate() {
            let [_, h, w, c] = tensor.dims();
            if self.parts.len() == at {
                self.parts.push(Part { shape: [h, w, c], faces: Vec::new() });
            }
            let data = tensor.into_data();
            let values: Vec<f32> = match data.as_slice::<f32>() {
                Ok(values) => values.to_vec(),
                Err(_) => data.iter::<f32>().collect(),
            };
            let halved = values.par_chunks((h * w * c).max(1)).map(|face| {
                let mut halves = vec![f16::ZERO; face.len()].into_boxed_slice();
                halves.convert_from_f32_slice(face);
                halves
            });
            self.parts[at].faces.par_extend(halved);
        }
    }

    /// Faces that were added.
    pub fn len(&self) -> usize {
        self.parts.first().map_or(0, |part| part.faces.len())
    }

    /// The faces at `indices`.
    pub fn select<B: Backend>(&self, indices: &[usize], device: &B::Device) -> Inputs<B> {
        let mut tensors = self.parts.iter().map(|part| part.select(indices, device));
        let features = tensors.next().unwrap_or_else(|| Tensor::zeros([0, 0, 0, 0], device));
        let blocks: Vec<_> = tensors.collect();
        Inputs { features, sources: blocks.chunks(self.depths.max(1)).map(<[_]>::to_vec).collect() }
    }
}

impl Part {
    fn select<B: Backend>(&self, indices: &[usize], device: &B::Device) -> Tensor<B, 4> {
        let [h, w, c] = self.shape;
        let mut values = vec![0.0f32; indices.len() * h * w * c];
        values.par_chunks_mut((h * w * c).max(1)).zip(indices).for_each(|(values, &face)| {
            self.faces[face].convert_to_f32_slice(values);
        });
        Tensor::from_data(TensorData::new(values, [indices.len(), h, w, c]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::CpuBackend;

    type B = CpuBackend;

    fn tensor(n: usize, [h, w, c]: [usize; 3], offset: f32) -> Tensor<B, 4> {
        let values: Vec<f32> = (0..n * h * w * c).map(|i| (i as f32 * 0.37 + offset).sin() * 8.0).collect();
        Tensor::from_data(TensorData::new(values, [n, h, w, c]), &Default::default())
    }

    fn batch(n: usize, offset: f32) -> Inputs<B> {
        let source = |at: f32| vec![tensor(n, [4, 4, 3], offset + at), tensor(n, [2, 2, 5], offset + at)];
        Inputs { features: tensor(n, [4, 4, 2], offset), sources: vec![source(1.0), source(2.0)] }
    }

    fn near(found: &Tensor<B, 4>, expected: Tensor<B, 4>) {
        assert_eq!(found.dims(), expected.dims());
        let error = (found.clone() - expected).abs().max().into_scalar();
        // Half a unit of an f16's last place at 8.
        assert!(error <= 8.0 / 2048.0, "{error}");
    }

    #[test]
    fn faces_come_back_in_any_order_with_what_belongs_to_them() {
        let mut kept = Kept::default();
        let (first, second) = (batch(3, 0.0), batch(2, 50.0));
        kept.add(first.clone());
        kept.add(second.clone());
        assert_eq!(kept.len(), 5);
        let found: Inputs<B> = kept.select(&[4, 0], &Default::default());
        let pick = |of: fn(&Inputs<B>) -> Tensor<B, 4>| {
            Tensor::cat(vec![of(&second).narrow(0, 1, 1), of(&first).narrow(0, 0, 1)], 0)
        };
        near(&found.features, pick(|inputs| inputs.features.clone()));
        assert_eq!(found.sources.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        near(&found.sources[0][1], pick(|inputs| inputs.sources[0][1].clone()));
        near(&found.sources[1][0], pick(|inputs| inputs.sources[1][0].clone()));
    }

    #[test]
    fn without_sources_there_are_none() {
        let mut kept = Kept::default();
        kept.add(Inputs { sources: vec![], ..batch(2, 0.0) });
        assert!(kept.select::<B>(&[1], &Default::default()).sources.is_empty());
    }
}
