//! Columns that recognise people: their hidden units are the face descriptor.

use crate::column::{Column, ColumnConfig};
use crate::layers::Dense;
use burn::module::Param;
use burn::nn::DropoutConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// A linear function of the face descriptor.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleHead {
    /// For each person what the descriptor's values are multiplied with, `[people][128]`.
    pub weights: Vec<Vec<f32>>,
}

impl PeopleHead {
    /// The logits of a descriptor of length 1.
    pub fn logits(&self, descriptor: &[f32]) -> Vec<f32> {
        let of = |weights: &Vec<f32>| weights.iter().zip(descriptor).map(|(weight, value)| weight * value).sum();
        self.weights.iter().map(of).collect()
    }
}

impl<B: Backend> Column<B> {
    /// The column without blocks and sources that answers as `head` does, and its sizes; `descriptor` is the encoder's head
    /// ([`crate::Encoder::descriptor_head`]), of which the column keeps a copy, and `like` gives the other sizes.
    pub fn identity(
        like: &ColumnConfig,
        descriptor: &Dense<B>,
        head: &PeopleHead,
        device: &B::Device,
    ) -> (Self, ColumnConfig) {
        let [_, values] = descriptor.weight.dims();
        let people = head.weights.len();
        let config = ColumnConfig {
            classes: people,
            sources: 0,
            own_blocks: false,
            hidden: values,
            unit_hidden: true,
            ..like.clone()
        };
        let of = |value: usize| head.weights.iter().map(move |weights| weights[value]);
        let weights: Vec<f32> = (0..values).flat_map(of).collect();
        let output = Dense {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weights, [values, people]), device)),
            bias: Some(Param::from_tensor(Tensor::zeros([people], device))),
        };
        let column = Self {
            blocks: Vec::new(),
            laterals: Vec::new(),
            head_lateral: None,
            hidden: descriptor.clone(),
            dropout: DropoutConfig::new(config.dropout).init(),
            output,
            unit_hidden: true,
        };
        (column, config)
    }

    /// What [`Self::identity`] was made from, of a column that recognises people.
    pub fn people_head(&self) -> Option<PeopleHead> {
        self.unit_hidden.then(|| {
            let [_, people] = self.output.weight.dims();
            let values: Vec<f32> = self.output.weight.val().into_data().iter::<f32>().collect();
            let of = |person: usize| values.iter().skip(person).step_by(people).copied().collect();
            PeopleHead { weights: (0..people).map(of).collect() }
        })
    }
}
