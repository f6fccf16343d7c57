//! A task's column, Table III, with the lateral connections of section II-B.

mod config;
mod entry;
mod identity;
mod lateral;
mod linear;
mod scales;

pub use config::ColumnConfig;
pub use entry::{ColumnEntry, NetworkError};
pub use identity::{PeopleHead, Person};
pub(crate) use lateral::{Adapter, Block, HeadLateral, Lateral};
pub use linear::LinearHead;

use crate::backend::{Activation, NetworkBackend};
use crate::layers::{Conv, Dense, elu, unit_length};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Blocks of a column.
pub(crate) const BLOCKS: usize = 4;
/// Pixels of what the head reads.
pub(crate) const HEAD_PIXELS: usize = HEAD_SIDE * HEAD_SIDE;
/// Side of what the head reads, pixels.
pub(crate) const HEAD_SIDE: usize = 4;
/// The first block whose output is max-pooled.
pub(crate) const POOLED_FROM: Depth = 2;

impl ColumnConfig {
    /// Untrained weights; the same seed gives the same weights. Convolutions begin near
    /// pointwise ones: two dozen random plain layers map all faces to nearly the same point.
    pub fn init<B: Backend>(&self, device: &B::Device, seed: u64) -> Column<B> {
        let mut rng = StdRng::seed_from_u64(seed);
        let [narrow, wide] = self.channels;
        let blocks = (0..if self.own_blocks { BLOCKS } else { 0 })
            .map(|at| {
                let input = if at == 0 { self.features } else { wide };
                let sizes =
                    [(input, narrow), (narrow, narrow), (narrow, narrow), (narrow, wide), (wide, wide), (wide, wide)];
                let mut conv = |(input, output)| Conv::init_near_pointwise([input, output], &mut rng, device);
                Block { convs: sizes.map(&mut conv).into() }
            })
            .collect();
        let flat = self.width() * HEAD_PIXELS;
        let laterals = if self.sources == 0 || !self.own_blocks {
            Vec::new()
        } else {
            (1..BLOCKS)
                .map(|_| Lateral {
                    adapter: Adapter::init(self, &mut rng, device),
                    lateral: Conv::init(3, [self.adapter_channels, narrow], false, &mut rng, device),
                })
                .collect()
        };
        let head_lateral = (self.sources > 0).then(|| HeadLateral {
            adapter: Adapter::init(self, &mut rng, device),
            lateral: Dense::init_elu([self.adapter_channels * HEAD_PIXELS, self.hidden], false, &mut rng, device),
        });
        Column {
            blocks,
            laterals,
            head_lateral,
            hidden: Dense::init_elu([flat, self.hidden], true, &mut rng, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            // Small, so that training begins near even odds instead of unlearning chance confidence.
            output: Dense::init([self.hidden, self.classes], 0.01, true, &mut rng, device),
            unit_hidden: self.unit_hidden,
        }
    }
}

/// One task's column.
#[derive(Module, Debug)]
pub struct Column<B: Backend> {
    pub(crate) blocks: Vec<Block<B>>,
    pub(crate) laterals: Vec<Lateral<B>>,
    pub(crate) head_lateral: Option<HeadLateral<B>>,
    pub(crate) hidden: Dense<B>,
    pub(crate) dropout: Dropout,
    pub(crate) output: Dense<B>,
    pub(crate) unit_hidden: bool,
}

/// What a column gives.
#[derive(Debug, Clone)]
pub struct ColumnOutput<B: Backend> {
    /// `[N, classes]`, before the softmax.
    pub logits: Tensor<B, 2>,
    /// What columns that draw from it get, NHWC: outputs of the four blocks, `[N,16,16,256]`, `[N,16,16,256]`, `[N,8,8,256]`,
    /// `[N,4,4,256]`. A column without blocks has the encoder's features, pooled as theirs, in place of the first three, and
    /// of the last its hidden units: the same at each of the 4×4 pixels.
    pub blocks: Vec<Tensor<B, 4>>,
}

/// Depths at which a column takes lateral input: blocks 1 to 3 (counted from 0), then the head.
pub type Depth = usize;

/// Max-pooling, which follows the last two blocks. Features of smaller faces than those of 128×128 pixels, which training
/// may begin with, are pooled no further than the head reads.
pub(crate) fn pooled<B: NetworkBackend>(depth: Depth, x: Tensor<B, 4>) -> Tensor<B, 4> {
    if depth < POOLED_FROM || x.dims()[1] <= HEAD_SIDE {
        return x;
    }
    Tensor::from_primitive(TensorPrimitive::Float(B::max_pool(x.into_primitive().tensor())))
}

/// Features `[N, 16, 16, C]` as the head of a column without blocks reads them: `[N, 4, 4, C]`.
pub fn pooled_features<B: NetworkBackend>(features: Tensor<B, 4>) -> Tensor<B, 4> {
    (0..BLOCKS).fold(features, |x, depth| pooled(depth, x))
}

impl<B: Backend> Column<B> {
    /// Whether the column takes lateral input.
    pub fn has_sources(&self) -> bool {
        self.head_lateral.is_some()
    }

    /// The column that drops nothing, also where gradients are wanted.
    pub(crate) fn without_dropout(self) -> Self {
        Self { dropout: DropoutConfig::new(0.0).init(), ..self }
    }

    /// Whether the column has the four blocks of Table III.
    pub fn has_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }
}

impl<B: NetworkBackend> Column<B> {
    /// With the blocks and the hidden layer of a column of the same sizes (else nothing) in place of its own, and the output layer too
    /// where both have as many classes; lateral connections stay.
    pub fn starting_from(mut self, other: &Self) -> Self {
        if self.blocks.len() != other.blocks.len() {
            return self;
        }
        self.blocks.clone_from(&other.blocks);
        self.hidden.clone_from(&other.hidden);
        if self.output.weight.dims() == other.output.weight.dims() {
            self.output.clone_from(&other.output);
        }
        self
    }

    /// Convolutions of the blocks; adapters and lateral weights into the blocks, and into the head.
    #[expect(clippy::type_complexity, reason = "three lists of parts that only preparation reads")]
    pub(crate) fn parts(
        &self,
    ) -> (
        impl Iterator<Item = &[Conv<B>]>,
        impl Iterator<Item = (&Adapter<B>, &Conv<B>)>,
        Option<(&Adapter<B>, &Dense<B>)>,
    ) {
        (
            self.blocks.iter().map(|block| block.convs.as_slice()),
            self.laterals.iter().map(|l| (&l.adapter, &l.lateral)),
            self.head_lateral.as_ref().map(|l| (&l.adapter, &l.lateral)),
        )
    }

    /// The hidden and the output layer.
    pub(crate) fn dense(&self) -> (&Dense<B>, &Dense<B>) {
        (&self.hidden, &self.output)
    }

    /// Channels of a block's output.
    pub(crate) fn width(&self) -> usize {
        self.hidden.weight.dims()[0] / HEAD_PIXELS
    }

    /// The fully connected layers and their lateral connection alone; only [`Self::head`] can be asked.
    pub fn without_blocks(self) -> Self {
        Self { blocks: Vec::new(), laterals: Vec::new(), ..self }
    }

    /// These blocks under another column's fully connected layers.
    pub fn with_head_of(self, other: Self) -> Self {
        Self { blocks: self.blocks, laterals: self.laterals, ..other }
    }

    /// Number of blocks; [`Self::head`] comes at this depth.
    pub const BLOCKS: Depth = BLOCKS;

    /// Block `depth` (0 to 3). `sources` are the source columns' outputs of the block before (empty at depth 0 and
    /// for a column without sources).
    pub fn block(&self, depth: Depth, x: Tensor<B, 4>, sources: &[Tensor<B, 4>]) -> Tensor<B, 4> {
        let residual = self.residual(depth, sources);
        let mut convs = self.blocks.get(depth).into_iter().flat_map(|block| &block.convs);
        let mut x = x;
        if let Some(first) = convs.next() {
            x = first.forward(x, residual, 1, Activation::Elu);
        }
        for conv in convs {
            x = conv.elu(x);
        }
        pooled(depth, x)
    }

    /// What the source columns add before the first nonlinearity of a block.
    pub(crate) fn residual(&self, depth: Depth, sources: &[Tensor<B, 4>]) -> Option<Tensor<B, 4>> {
        let lateral = self.laterals.get(depth.checked_sub(1)?)?;
        let adapted = lateral.adapter.forward(sources);
        Some(lateral.lateral.forward(adapted, None, 1, Activation::None))
    }

    /// The fully connected layers, from the last block's output and the sources' at the same depth: `[N, classes]`.
    pub fn head(&self, x: Tensor<B, 4>, sources: &[Tensor<B, 4>]) -> Tensor<B, 2> {
        self.logits(self.hidden_units(x, sources))
    }

    fn logits(&self, units: Tensor<B, 2>) -> Tensor<B, 2> {
        self.output.forward(self.dropout.forward(units))
    }

    /// What the output layer reads of features `[N, 16, 16, 256]`: `[N, hidden]`. `sources` as for [`Self::forward`].
    pub fn units(&self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> Tensor<B, 2> {
        let last = self.blocks(features.clone(), sources).pop().unwrap_or(features);
        self.hidden_units(last, &last_outputs(sources))
    }

    /// The column whose logits are all higher by `weights · units + bias`, whatever the label: the softmax stays, the free energy
    /// changes. `weights [hidden]`.
    pub fn with_shift(mut self, weights: &[f32], bias: f32) -> Self {
        let [hidden, classes] = self.output.weight.dims();
        let device = self.output.weight.device();
        let shift = Tensor::<B, 1>::from_data(weights, &device).reshape([hidden, 1]).expand([hidden, classes]);
        self.output.weight = self.output.weight.map(|weight| weight + shift);
        self.output.bias = self.output.bias.map(|values| values.map(|values| values + bias));
        self
    }

    /// The column whose logits have a mean of 0 over the labels, for any face: the softmax stays. What all labels have in common was
    /// never asked for by any loss, so the free energy of a trained column holds whatever was left there by chance; centred,
    /// it says how far apart the labels are.
    pub fn centred(mut self) -> Self {
        self.output.weight = self.output.weight.map(|weight| weight.clone() - weight.mean_dim(1));
        self.output.bias = self.output.bias.map(|values| values.map(|values| values.clone() - values.mean()));
        self
    }

    /// The hidden layer of the head: `[N, hidden]`.
    fn hidden_units(&self, x: Tensor<B, 4>, sources: &[Tensor<B, 4>]) -> Tensor<B, 2> {
        let mut hidden = self.hidden.forward(x.flatten(1, 3));
        if let Some(lateral) = &self.head_lateral {
            hidden = hidden + lateral.lateral.forward(lateral.adapter.forward(sources).flatten(1, 3));
        }
        if self.unit_hidden { unit_length(hidden) } else { elu(hidden) }
    }

    /// What a column without blocks gives where others give their last block's output: its hidden units, the same at each of
    /// the 4×4 pixels, and zeros in the channels behind them. Everybody reads the features that its head reads; what it has learned of
    /// them is in these units.
    pub(crate) fn hidden_map(&self, units: Tensor<B, 2>) -> Tensor<B, 4> {
        let width = self.width();
        let [n, count] = units.dims();
        let room = Tensor::zeros([n, width.saturating_sub(count)], &units.device());
        let channels = if count < width { Tensor::cat(vec![units, room], 1) } else { units.narrow(1, 0, width) };
        channels.reshape([n, 1, 1, width]).expand([n, HEAD_SIDE, HEAD_SIDE, width])
    }

    /// Logits, and `blocks` (outputs of the four blocks) as others get them.
    pub(crate) fn answer(&self, mut blocks: Vec<Tensor<B, 4>>, sources: &[Tensor<B, 4>]) -> ColumnOutput<B> {
        let units = self.hidden_units(blocks[BLOCKS - 1].clone(), sources);
        if !self.has_blocks() {
            blocks[BLOCKS - 1] = self.hidden_map(units.clone());
        }
        ColumnOutput { logits: self.logits(units), blocks }
    }

    /// Outputs of the four blocks from features `[N,16,16,256]` and, for each source column, its four block outputs.
    pub fn blocks(&self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> Vec<Tensor<B, 4>> {
        let mut blocks: Vec<Tensor<B, 4>> = Vec::with_capacity(BLOCKS);
        for depth in 0..BLOCKS {
            let x = blocks.last().cloned().unwrap_or_else(|| features.clone());
            blocks.push(self.block(depth, x, &self.sources_at(sources, depth)));
        }
        blocks
    }

    /// What block `depth` takes from the sources' block outputs; nothing where it has no lateral connection.
    pub(crate) fn sources_at(&self, sources: &[Vec<Tensor<B, 4>>], depth: Depth) -> Vec<Tensor<B, 4>> {
        let Some(before) = depth.checked_sub(1).filter(|&at| at < self.laterals.len()) else { return Vec::new() };
        sources.iter().map(|blocks| blocks[before].clone()).collect()
    }

    /// Features `[N,16,16,256]` and, for each source column, its four block outputs; of a column without blocks, the last
    /// outputs alone will do.
    pub fn forward(&self, features: Tensor<B, 4>, sources: &[Vec<Tensor<B, 4>>]) -> ColumnOutput<B> {
        self.answer(self.blocks(features, sources), &last_outputs(sources))
    }
}

/// The source columns' outputs of their last blocks.
pub(crate) fn last_outputs<B: Backend>(sources: &[Vec<Tensor<B, 4>>]) -> Vec<Tensor<B, 4>> {
    sources.iter().filter_map(|blocks| blocks.last().cloned()).collect()
}
