//! What a column is built of: blocks, and the lateral connections of section II-B.

use super::config::ColumnConfig;
use crate::backend::NetworkBackend;
use crate::layers::{Conv, Dense};
use crate::tensors::values;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::rngs::StdRng;

/// Three narrow and three wide convolutions.
#[derive(Module, Debug)]
pub(crate) struct Block<B: Backend> {
    pub convs: Vec<Conv<B>>,
}

/// Scales the sources' outputs, concatenates them and reduces their channels (`a` in Fig. 3).
#[derive(Module, Debug)]
pub(crate) struct Adapter<B: Backend> {
    /// One learned scalar a source, `[sources]`.
    pub scale: Param<Tensor<B, 1>>,
    pub reduce: Conv<B>,
}

impl<B: Backend> Adapter<B> {
    pub(super) fn init(config: &ColumnConfig, rng: &mut StdRng, device: &B::Device) -> Self {
        let inputs = config.channels[1] * config.sources;
        Self {
            // As in Rusu et al. 2016: small, so that a new column may find its own way first.
            scale: Param::from_tensor(Tensor::full([config.sources], 0.1, device)),
            reduce: Conv::init(1, [inputs, config.adapter_channels], true, rng, device),
        }
    }
}

impl<B: NetworkBackend> Adapter<B> {
    /// Channels of all sources together, and after the reduction.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        let [_, _, inputs, outputs] = self.reduce.weight.dims();
        [inputs, outputs]
    }

    /// Scale of each source, weights `[inputs, outputs]` and bias of the reduction.
    pub(crate) fn values(&self) -> (Vec<f32>, Vec<f32>, Option<Vec<f32>>) {
        let bias = self.reduce.bias.as_ref().map(|bias| values(bias.val()));
        (values(self.scale.val()), values(self.reduce.weight.val()), bias)
    }

    /// The scaled sources, one behind the other.
    pub fn joined(&self, sources: &[Tensor<B, 4>]) -> Tensor<B, 4> {
        let scale = self.scale.val();
        let scaled = sources
            .iter()
            .enumerate()
            .map(|(at, source)| source.clone() * scale.clone().narrow(0, at, 1).reshape([1, 1, 1, 1]))
            .collect();
        Tensor::cat(scaled, 3)
    }

    pub fn forward(&self, sources: &[Tensor<B, 4>]) -> Tensor<B, 4> {
        self.reduce.elu(self.joined(sources))
    }
}

/// Lateral connection into a block: adapter, then the lateral weights `U`.
#[derive(Module, Debug)]
pub(crate) struct Lateral<B: Backend> {
    pub adapter: Adapter<B>,
    pub lateral: Conv<B>,
}

/// Lateral connection into the head.
#[derive(Module, Debug)]
pub(crate) struct HeadLateral<B: Backend> {
    pub adapter: Adapter<B>,
    pub lateral: Dense<B>,
}
