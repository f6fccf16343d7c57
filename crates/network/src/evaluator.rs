//! How a network is evaluated: through burn's modules (on cards, and as the reference on CPUs), or with prepared weights (CPUs).

use crate::backend::NetworkBackend;
use crate::column::{BLOCKS, Column, ColumnOutput};
use crate::encoder::Encoder;
use crate::prepared::column::{PreparedColumn, block_side};
use crate::prepared::columns::{self, Wanted};
use crate::prepared::{Activations, PreparedEncoder};
use crate::tensors::FEATURE_STRIDE;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::cell::LazyCell;

/// An encoder with its columns, sources before those that draw from them.
pub(crate) trait Evaluator<B: NetworkBackend> {
    /// Faces `[N, 1, S, S]` in [−1, 1] → features `[N, S/8, S/8, C]`.
    fn features(&self, faces: Tensor<B, 4>) -> Tensor<B, 4>;

    /// Features → logits and blocks' outputs of every column. Prepared weights give no more blocks than are wanted, modules give all.
    fn outputs(&self, features: Tensor<B, 4>, wanted: Wanted) -> Vec<ColumnOutput<B>>;

    /// Faces → logits `[N, K]` of every column.
    fn logits(&self, faces: Tensor<B, 4>) -> Vec<Tensor<B, 2>> {
        let outputs = self.outputs(self.features(faces), Wanted::Logits);
        outputs.into_iter().map(|output| output.logits).collect()
    }
}

/// Through burn's modules.
pub(crate) struct Modules<'a, B: Backend> {
    pub encoder: &'a Encoder<B>,
    pub columns: Vec<&'a Column<B>>,
    /// For each column the positions of its sources.
    pub sources: Vec<Vec<usize>>,
}

impl<B: NetworkBackend> Evaluator<B> for Modules<'_, B> {
    fn features(&self, faces: Tensor<B, 4>) -> Tensor<B, 4> {
        self.encoder.forward(faces)
    }

    fn outputs(&self, features: Tensor<B, 4>, _wanted: Wanted) -> Vec<ColumnOutput<B>> {
        through_modules(&self.columns, &self.sources, features)
    }
}

/// All columns through burn's modules, depth by depth; `sources`: for each column the positions of its sources.
pub(crate) fn through_modules<B: NetworkBackend>(
    columns: &[&Column<B>],
    sources: &[Vec<usize>],
    features: Tensor<B, 4>,
) -> Vec<ColumnOutput<B>> {
    let mut blocks: Vec<Vec<Tensor<B, 4>>> = vec![Vec::new(); columns.len()];
    let lateral = |blocks: &[Vec<Tensor<B, 4>>], column: usize, depth: usize| -> Vec<Tensor<B, 4>> {
        sources[column].iter().map(|&source| blocks[source][depth].clone()).collect()
    };
    for depth in 0..BLOCKS {
        for (at, column) in columns.iter().enumerate() {
            let x = blocks[at].last().cloned().unwrap_or_else(|| features.clone());
            let from = if depth > 0 { lateral(&blocks, at, depth - 1) } else { Vec::new() };
            let y = column.block(depth, x, &from);
            blocks[at].push(y);
        }
    }
    let mut outputs: Vec<ColumnOutput<B>> = Vec::with_capacity(columns.len());
    for (at, (column, blocks)) in columns.iter().zip(blocks).enumerate() {
        let drawn: Vec<_> = sources[at].iter().filter_map(|&source| outputs[source].blocks.last().cloned()).collect();
        outputs.push(column.answer(blocks, &drawn));
    }
    outputs
}

/// What is made when it is first needed: preparing weights takes time and memory.
pub(crate) type Lazy<'a, T> = LazyCell<T, Box<dyn FnOnce() -> T + 'a>>;

/// With prepared weights.
pub(crate) struct Prepared<'a> {
    pub encoder: Lazy<'a, &'a PreparedEncoder>,
    pub columns: Lazy<'a, Vec<&'a PreparedColumn>>,
    /// For each column the positions of its sources.
    pub sources: Vec<Vec<usize>>,
}

impl Prepared<'_> {
    fn activations<B: NetworkBackend>(&self, faces: Tensor<B, 4>) -> Activations {
        let [n, _, h, _] = faces.dims();
        assert_eq!(h, self.encoder.side(), "the side of a face");
        self.encoder.forward(n, &Activations::of(faces))
    }
}

impl<B: NetworkBackend> Evaluator<B> for Prepared<'_> {
    fn features(&self, faces: Tensor<B, 4>) -> Tensor<B, 4> {
        let (device, [n, _, h, w]) = (faces.device(), faces.dims());
        let features = self.activations(faces);
        let (h, w) = (h / FEATURE_STRIDE, w / FEATURE_STRIDE);
        tensor(&features, [n, h, w, features.len() / (n * h * w).max(1)], &device)
    }

    fn outputs(&self, features: Tensor<B, 4>, wanted: Wanted) -> Vec<ColumnOutput<B>> {
        let (device, [n, side, _, _]) = (features.device(), features.dims());
        let outputs = columns::forward(&self.columns, &self.sources, n, &Activations::of(features), wanted);
        let of = |output: columns::PreparedOutput| {
            // The last ones where not all are wanted.
            let depths = BLOCKS + 1 - output.blocks.len()..=BLOCKS;
            let block = |(depth, block): (usize, &Activations)| {
                let side = block_side(side, depth);
                tensor(block, [n, side, side, block.len() / (n * side * side).max(1)], &device)
            };
            ColumnOutput {
                logits: logits(&output.logits, n, &device),
                blocks: depths.zip(&output.blocks).map(block).collect(),
            }
        };
        outputs.into_iter().map(of).collect()
    }

    fn logits(&self, faces: Tensor<B, 4>) -> Vec<Tensor<B, 2>> {
        let (device, n) = (faces.device(), faces.dims()[0]);
        let features = self.activations(faces);
        let outputs = columns::forward(&self.columns, &self.sources, n, &features, Wanted::Logits);
        outputs.into_iter().map(|output| logits(&output.logits, n, &device)).collect()
    }
}

/// Logits of `n` faces, row by row.
fn logits<B: Backend>(values: &[f32], n: usize, device: &B::Device) -> Tensor<B, 2> {
    tensor(values, [n, values.len() / n.max(1)], device)
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D], device: &B::Device) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
