//! Columns that recognise people: their hidden units are the face descriptor.

use crate::column::{Column, ColumnConfig};
use crate::layers::Dense;
use crate::tensors::values;
use burn::module::Param;
use burn::nn::DropoutConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// What a column knows of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// What the descriptor's values are multiplied with, `[values]`: as many as the encoder's descriptor has.
    pub weights: Vec<f32>,
    /// What is added to their sum.
    pub bias: f32,
}

impl Person {
    /// The logit of a descriptor of length 1.
    pub fn logit(&self, descriptor: &[f32]) -> f32 {
        self.bias + self.weights.iter().zip(descriptor).map(|(weight, value)| weight * value).sum::<f32>()
    }
}

/// Linear functions of the face descriptor.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleHead {
    /// One for each label.
    pub people: Vec<Person>,
}

impl PeopleHead {
    /// The logits of a descriptor of length 1.
    pub fn logits(&self, descriptor: &[f32]) -> Vec<f32> {
        self.people.iter().map(|person| person.logit(descriptor)).collect()
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
        let people = head.people.len();
        let config = ColumnConfig {
            classes: people,
            sources: 0,
            own_blocks: false,
            hidden: values,
            unit_hidden: true,
            ..like.clone()
        };
        let of = |value: usize| head.people.iter().map(move |person| person.weights[value]);
        let weights: Vec<f32> = (0..values).flat_map(of).collect();
        let biases: Vec<f32> = head.people.iter().map(|person| person.bias).collect();
        let output = Dense {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weights, [values, people]), device)),
            bias: Some(Param::from_tensor(Tensor::from_data(TensorData::new(biases, [people]), device))),
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
        let biases = self.output.bias.as_ref().filter(|_| self.unit_hidden)?;
        let (weights, biases) = (values(self.output.weight.val()), values(biases.val()));
        let weights_of = |person: usize| weights.iter().skip(person).step_by(biases.len()).copied().collect();
        let person = |(at, &bias)| Person { weights: weights_of(at), bias };
        Some(PeopleHead { people: biases.iter().enumerate().map(person).collect() })
    }
}
