//! Strangers that an identity column is measured against.

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Face descriptors of people whom nobody taught: how alike strangers look to a person who was taught says from when on a
/// likeness means something (a cohort, as in speaker recognition; Auckenthaler et al. 2000). They ship with the model, without
/// pictures and names.
#[derive(Module, Debug)]
pub struct Cohort<B: Backend> {
    /// Of length 1, `[strangers, 128]`.
    descriptors: Param<Tensor<B, 2>>,
}

impl<B: Backend> Cohort<B> {
    /// From rows of equal length.
    pub fn new(descriptors: &[Vec<f32>], device: &B::Device) -> Self {
        let shape = [descriptors.len(), descriptors.first().map_or(0, Vec::len)];
        let values = TensorData::new(descriptors.concat(), shape);
        Self { descriptors: Param::from_tensor(Tensor::from_data(values, device)) }
    }

    /// Room for so many strangers and values, to be read from a file.
    pub fn empty(size: [usize; 2], device: &B::Device) -> Self {
        Self { descriptors: Param::from_tensor(Tensor::zeros(size, device)) }
    }

    /// `[strangers][128]`.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        crate::rows(self.descriptors.val())
    }
}
