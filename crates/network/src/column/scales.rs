//! Changes of a column's scales: before training, while it normalises batches, and back to a column that answers.

use crate::backend::{Activation, NetworkBackend};
use crate::column::{Adapter, BLOCKS, Column, Lateral, last_outputs, pooled};
use crate::layers::Conv;
use burn::tensor::Tensor;

/// Standard deviation that lateral input begins with beside a block's own of 1.
const LATERAL_DEVIATION: f32 = 0.2;

impl<B: NetworkBackend> Adapter<B> {
    fn normalised_on(mut self, sources: &[Tensor<B, 4>]) -> Self {
        let joined = self.joined(sources);
        self.reduce = self.reduce.normalised_on(joined, 1.0);
        self
    }
}

impl<B: NetworkBackend> Lateral<B> {
    fn normalised_on(mut self, sources: &[Tensor<B, 4>]) -> Self {
        self.adapter = self.adapter.normalised_on(sources);
        let adapted = self.adapter.forward(sources);
        self.lateral = self.lateral.normalised_on(adapted, LATERAL_DEVIATION);
        self
    }
}

/// What becomes of a convolution on its input and residual; the factor, `[Co]`, is what the residual needs from then on.
type Change<'a, B> = &'a dyn Fn(Conv<B>, Tensor<B, 4>, Option<Tensor<B, 4>>) -> (Conv<B>, Option<Tensor<B, 1>>);

impl<B: NetworkBackend> Column<B> {
    /// Weights and biases of an untrained column rescaled where the number of channels changes, so that on these inputs
    /// every channel has mean 0 and deviation 1 before its activation. Two dozen plain layers otherwise map all faces to nearly the same point,
    /// and the first hundreds of steps go into leaving it. Arguments as in [`Self::forward`].
    pub fn normalised_on(mut self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> Self {
        let drawn: Vec<_> = (1..BLOCKS).map(|depth| self.sources_at(sources, depth)).collect();
        let laterals = self.laterals.drain(..).zip(&drawn);
        self.laterals = laterals.map(|(lateral, drawn)| lateral.normalised_on(drawn)).collect();
        let (mut column, x) = self.rebuilt(features, sources, &|conv, x, _| {
            let [ci, co] = conv.channels();
            (if ci == co { conv } else { conv.normalised_on(x, 1.0) }, None)
        });
        if let Some(mut head) = column.head_lateral.take() {
            let lateral = last_outputs(sources);
            head.adapter = head.adapter.normalised_on(&lateral);
            let adapted = head.adapter.forward(&lateral).flatten(1, 3);
            head.lateral = head.lateral.normalised_on(adapted, LATERAL_DEVIATION);
            column.head_lateral = Some(head);
        }
        column.hidden = column.hidden.normalised_on(x.flatten(1, 3), 1.0);
        column
    }

    /// The column that answers the same on these inputs, but whose blocks normalise each batch before their activations:
    /// for training (Ioffe & Szegedy 2015). Arguments as in [`Self::forward`].
    pub fn normalising_on(self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> Self {
        self.rebuilt(features, sources, &|conv, x, residual| (conv.normalising_on(x, residual, 1, true), None)).0
    }

    /// The plain column of Table III that answers the same on these inputs as this one, which normalises.
    pub fn folded_on(self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> Self {
        self.rebuilt(features, sources, &|conv, x, residual| conv.folded_on(x, residual, 1)).0
    }

    /// Changes the convolutions of the blocks, each on what the changed ones before it give; also what the last block
    /// gives then.
    fn rebuilt(
        mut self,
        features: Tensor<B, 4>,
        sources: &[Vec<Tensor<B, 4>>],
        change: Change<'_, B>,
    ) -> (Self, Tensor<B, 4>) {
        let mut x = features;
        for depth in 0..BLOCKS {
            let lateral = self.sources_at(sources, depth);
            let mut residual = self.residual(depth, &lateral);
            let convs = self.blocks.get_mut(depth).map(|block| std::mem::take(&mut block.convs)).unwrap_or_default();
            let mut changed = Vec::with_capacity(convs.len());
            for conv in convs {
                let (conv, factor) = change(conv, x.clone(), residual.clone());
                if let (Some(factor), Some(_)) = (factor, residual.as_ref()) {
                    self.laterals[depth - 1].lateral.scale(factor);
                    residual = self.residual(depth, &lateral);
                }
                x = conv.forward(x, residual.take(), 1, Activation::Elu);
                changed.push(conv);
            }
            if let Some(block) = self.blocks.get_mut(depth) {
                block.convs = changed;
            }
            x = pooled(depth, x);
        }
        (self, x)
    }

    /// The column that reads `(x − mean) / deviation` where this one reads `x` (element by element of the last block's
    /// output, `[4096]`) and answers the same; [`Self::reading_raw`] turns it back.
    pub fn reading_standardised(mut self, mean: Tensor<B, 1>, deviation: Tensor<B, 1>) -> Self {
        self.hidden = self.hidden.after_affine(deviation, mean);
        self
    }

    /// See [`Self::reading_standardised`].
    pub fn reading_raw(mut self, mean: Tensor<B, 1>, deviation: Tensor<B, 1>) -> Self {
        let scale = deviation.recip();
        self.hidden = self.hidden.after_affine(scale.clone(), -mean * scale);
        self
    }
}
