//! A column as CPUs answer with it; see [`crate::prepared`].

use crate::backend::{Activation, NetworkBackend};
use crate::column::{Adapter, Column, HEAD_PIXELS, HEAD_SIDE, POOLED_FROM};
use crate::layers::LENGTH_FLOOR;
use crate::prepared::{Activations, PreparedConv};

/// The adapter: one 1×1 convolution a source, with the source's learned scale in its weights. Their sums follow each
/// other, so that nothing is concatenated.
#[derive(Debug)]
struct PreparedAdapter {
    reduce: Vec<PreparedConv>,
}

impl PreparedAdapter {
    fn new<B: NetworkBackend>(adapter: &Adapter<B>, side: usize) -> Self {
        let (scale, weight, bias) = adapter.values();
        let [inputs, co] = adapter.sizes();
        let ci = inputs / scale.len().max(1);
        let last = scale.len().saturating_sub(1);
        let reduce = scale
            .iter()
            .enumerate()
            .map(|(source, scale)| {
                let scaled: Vec<f32> = weight[source * ci * co..][..ci * co].iter().map(|w| w * scale).collect();
                let bias = if source == last { bias.clone() } else { None };
                PreparedConv::from_values(&scaled, bias, [1, ci, co], side, 1)
            })
            .collect();
        Self { reduce }
    }

    fn forward(&self, n: usize, sources: &[&[f32]]) -> Option<Activations> {
        let last = self.reduce.len().saturating_sub(1);
        let mut sum: Option<Activations> = None;
        for (at, (conv, source)) in self.reduce.iter().zip(sources).enumerate() {
            let activation = if at == last { Activation::Elu } else { Activation::None };
            sum = Some(conv.forward(n, source, sum.as_deref(), activation));
        }
        sum
    }
}

/// Adapter and lateral weights of one depth.
#[derive(Debug)]
struct PreparedLateral {
    adapter: PreparedAdapter,
    lateral: PreparedConv,
}

impl PreparedLateral {
    fn forward(&self, n: usize, sources: &[&[f32]]) -> Option<Activations> {
        let adapted = self.adapter.forward(n, sources)?;
        Some(self.lateral.forward(n, &adapted, None, Activation::None))
    }
}

/// Table III, ready to answer.
#[derive(Debug)]
pub(crate) struct PreparedColumn {
    /// Convolutions of each block; none in a column without blocks.
    blocks: Vec<Vec<PreparedConv>>,
    /// Into the blocks from the second on; none without sources.
    laterals: Vec<PreparedLateral>,
    /// Into the head.
    head_lateral: Option<PreparedLateral>,
    hidden: PreparedConv,
    output: PreparedConv,
    unit_hidden: bool,
    channels: usize,
    /// Side of the encoder's features, pixels.
    feature_side: usize,
}

/// Side that block `depth` works on, pixels; that of the head at depth 4. See [`crate::column::pooled`].
pub(crate) fn block_side(feature_side: usize, depth: usize) -> usize {
    (POOLED_FROM..depth).fold(feature_side, |side, _| if side > HEAD_SIDE { side / 2 } else { side })
}

impl PreparedColumn {
    /// For features of `feature_side × feature_side`.
    pub fn new<B: NetworkBackend>(column: &Column<B>, feature_side: usize) -> Self {
        let side = |depth| block_side(feature_side, depth);
        let (blocks, laterals, head) = column.parts();
        let blocks = blocks
            .enumerate()
            .map(|(depth, convs)| convs.iter().map(|conv| PreparedConv::new(conv, side(depth), 1)).collect())
            .collect();
        let laterals = laterals
            .enumerate()
            .map(|(at, (adapter, lateral))| PreparedLateral {
                // What goes into block `at + 1` has the size of that block's input.
                adapter: PreparedAdapter::new(adapter, side(at + 1)),
                lateral: PreparedConv::new(lateral, side(at + 1), 1),
            })
            .collect();
        let head_lateral = head.map(|(adapter, lateral)| PreparedLateral {
            adapter: PreparedAdapter::new(adapter, HEAD_SIDE),
            lateral: PreparedConv::dense(lateral),
        });
        let (hidden, output) = column.dense();
        Self {
            channels: column.width(),
            blocks,
            laterals,
            head_lateral,
            hidden: PreparedConv::dense(hidden),
            output: PreparedConv::dense(output),
            unit_hidden: column.unit_hidden,
            feature_side,
        }
    }

    /// Block `depth` of `n` faces; `sources` are the source columns' outputs of the block before.
    pub fn block(&self, depth: usize, n: usize, x: &[f32], sources: &[&[f32]]) -> Activations {
        let lateral = depth.checked_sub(1).and_then(|at| self.laterals.get(at)).and_then(|l| l.forward(n, sources));
        let mut layers = self.blocks.get(depth).into_iter().flatten();
        let mut y = layers.next().map(|first| first.forward(n, x, lateral.as_deref(), Activation::Elu));
        drop(lateral);
        for conv in layers {
            y = y.map(|x| conv.forward(n, &x, None, Activation::Elu));
        }
        let side = block_side(self.feature_side, depth);
        if side == block_side(self.feature_side, depth + 1) {
            return y.unwrap_or_else(|| Activations::copied(x));
        }
        let mut pooled = Activations::new(n * (side / 2) * (side / 2) * self.channels);
        fastconv::max_pool(n, side, self.channels, y.as_deref().unwrap_or(x), &mut pooled);
        pooled
    }

    /// Logits `[n, classes]` from the hidden units.
    pub fn logits(&self, n: usize, units: &[f32]) -> Activations {
        self.output.forward(n, units, None, Activation::None)
    }

    /// The hidden layer `[n, hidden]`, from the last block's output and the sources' at the same depth.
    pub fn hidden_units(&self, n: usize, x: &[f32], sources: &[&[f32]]) -> Activations {
        let lateral = self.head_lateral.as_ref().and_then(|lateral| lateral.forward(n, sources));
        if !self.unit_hidden {
            return self.hidden.forward(n, x, lateral.as_deref(), Activation::Elu);
        }
        let mut units = self.hidden.forward(n, x, lateral.as_deref(), Activation::None);
        let count = units.len() / n.max(1);
        for units in units.chunks_exact_mut(count.max(1)) {
            let length = (units.iter().map(|unit| unit * unit).sum::<f32>() + LENGTH_FLOOR).sqrt();
            units.iter_mut().for_each(|unit| *unit /= length);
        }
        units
    }

    /// Whether others get its hidden units: it has no blocks.
    pub fn gives_hidden(&self) -> bool {
        self.blocks.is_empty()
    }

    /// See [`Column::hidden_map`].
    pub fn hidden_map(&self, n: usize, units: &[f32]) -> Activations {
        let (count, room) = (units.len() / n.max(1), self.channels);
        let mut map = Activations::new(n * HEAD_PIXELS * room);
        map.fill(0.0);
        for (face, units) in map.chunks_exact_mut(HEAD_PIXELS * room).zip(units.chunks_exact(count)) {
            for pixel in face.chunks_exact_mut(room) {
                pixel[..count.min(room)].copy_from_slice(&units[..count.min(room)]);
            }
        }
        map
    }

    /// Memory of the weights, bytes.
    pub fn bytes(&self) -> usize {
        let laterals =
            self.laterals.iter().chain(&self.head_lateral).flat_map(|l| l.adapter.reduce.iter().chain([&l.lateral]));
        let convs = self.blocks.iter().flatten().chain(laterals).chain([&self.hidden, &self.output]);
        convs.map(PreparedConv::bytes).sum()
    }
}
