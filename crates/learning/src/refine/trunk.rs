//! What learns together: an encoder under one column for each task, and what else reads its features.

use super::histograms::Reader;
use crate::features::Inputs;
use crate::gradients::Standard;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{Column, Encoder, NetworkBackend, TrainBackend, pooled_features};

/// An encoder under one column for each task.
#[derive(Module, Debug)]
pub(super) struct Trunk<B: Backend> {
    pub encoder: Encoder<B>,
    pub columns: Vec<Column<B>>,
    /// Where histograms are learned, too.
    pub reader: Option<Reader<B>>,
}

/// How what the heads read is standardised while they learn.
#[derive(Debug, Clone)]
pub(super) struct Standards<B: Backend> {
    /// Of what each column's head reads.
    pub columns: Vec<Standard<B>>,
    /// Of pooled features.
    pub pooled: Standard<B>,
}

impl<B: NetworkBackend> Standards<B> {
    /// From the features of faces that stand for all.
    pub fn new(columns: &[Column<B>], features: Tensor<B, 4>) -> Self {
        let inputs = Inputs { features: features.clone(), sources: Vec::new() };
        let of = |column: &Column<B>| Standard::of_channels(inputs.at_head(column).features);
        Self { columns: columns.iter().map(of).collect(), pooled: Standard::of_channels(pooled_features(features)) }
    }

    pub fn train(self) -> Standards<TrainBackend<B>> {
        Standards { columns: self.columns.into_iter().map(Standard::train).collect(), pooled: self.pooled.train() }
    }
}

impl<B: NetworkBackend> Trunk<B> {
    /// Logits of the column at `task` for what the encoder gives.
    pub fn answer(&self, task: usize, features: Tensor<B, 4>, standards: &Standards<B>) -> Tensor<B, 2> {
        let column = &self.columns[task];
        let read = Inputs { features, sources: Vec::new() }.at_head(column).features;
        column.head(standards.columns[task].apply(read), &[])
    }

    /// Descriptors for what the encoder gives, where it has a head for them.
    pub fn describe(&self, features: Tensor<B, 4>, standards: &Standards<B>) -> Option<Tensor<B, 2>> {
        let head = self.encoder.descriptor_head()?;
        Some(head.forward(standards.pooled.apply(pooled_features(features)).flatten(1, 3)))
    }

    /// The trunk that answers the same, but whose heads read what `standards` gives them.
    pub fn reading_standardised(mut self, standards: &Standards<B>) -> Self {
        let columns = self.columns.into_iter().zip(&standards.columns);
        self.columns = columns
            .map(|(column, standard)| column.reading_standardised(standard.mean.clone(), standard.deviation.clone()))
            .collect();
        let Standard { mean, deviation } = standards.pooled.clone();
        let head = self.encoder.descriptor_head().cloned().map(|head| head.after_affine(deviation, mean));
        Self { encoder: self.encoder.with_descriptor(head), ..self }
    }

    /// The other way round.
    pub fn reading_raw(mut self, standards: &Standards<B>) -> Self {
        let columns = self.columns.into_iter().zip(&standards.columns);
        self.columns = columns
            .map(|(column, standard)| column.reading_raw(standard.mean.clone(), standard.deviation.clone()))
            .collect();
        let scale = standards.pooled.deviation.clone().recip();
        let shift = -standards.pooled.mean.clone() * scale.clone();
        let head = self.encoder.descriptor_head().cloned().map(|head| head.after_affine(scale, shift));
        Self { encoder: self.encoder.with_descriptor(head), ..self }
    }

    pub fn normalising_on(self, faces: Tensor<B, 4>, frozen: usize) -> Self {
        let features = self.encoder.forward(faces.clone());
        let columns = self.columns.into_iter().map(|column| column.normalising_on(features.clone(), &[])).collect();
        Self { encoder: self.encoder.normalising_on(faces, frozen), columns, ..self }
    }

    pub fn folded_on(self, faces: Tensor<B, 4>) -> Self {
        let encoder = self.encoder.folded_on(faces.clone());
        let features = encoder.forward(faces);
        let columns = self.columns.into_iter().map(|column| column.folded_on(features.clone(), &[])).collect();
        Self { encoder, columns, reader: self.reader }
    }
}
