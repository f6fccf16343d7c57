//! Decoder and generator, Table II, and BEGAN's discriminator.

use crate::backend::{Activation, NetworkBackend};
use crate::encoder::{Encoder, EncoderConfig};
use crate::layers::{Conv, Dense};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// Side of the first feature map, pixels.
const FIRST_SIDE: usize = 8;

/// Sizes of the decoder; the default is Table II.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecoderConfig {
    /// Length of the latent code.
    pub latent: usize,
    /// Channels of every convolution but the last.
    pub channels: usize,
    /// Convolutions before each doubling of the side, 8 → 16 → 32 → 64 → 128.
    pub stages: Vec<usize>,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { latent: 128, channels: 16, stages: vec![2, 2, 3, 3] }
    }
}

impl DecoderConfig {
    /// Untrained weights; the same seed gives the same weights.
    pub fn init<B: Backend>(&self, device: &B::Device, seed: u64) -> Decoder<B> {
        let mut rng = StdRng::seed_from_u64(seed);
        let c = self.channels;
        let first = Dense::init([self.latent, FIRST_SIDE * FIRST_SIDE * c], 1.0, true, &mut rng, device);
        let mut stage =
            |count: usize| Stage { convs: (0..count).map(|_| Conv::init(3, [c, c], true, &mut rng, device)).collect() };
        let stages = self.stages.iter().map(|&count| stage(count)).collect();
        Decoder { first, stages, last: Conv::init(3, [c, 1], true, &mut rng, device) }
    }
}

/// Convolutions at one resolution.
#[derive(Module, Debug)]
pub struct Stage<B: Backend> {
    convs: Vec<Conv<B>>,
}

/// From a latent code to a picture; the generator has the same shape and weights of its own.
#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    first: Dense<B>,
    stages: Vec<Stage<B>>,
    last: Conv<B>,
}

/// Nearest-neighbour doubling of `[N, H, W, C]`.
fn double<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h, 1, w, 1, c]).expand([n, h, 2, w, 2, c]).reshape([n, 2 * h, 2 * w, c])
}

impl<B: NetworkBackend> Decoder<B> {
    /// `z [N, 128]` → `[N, 1, side, side]`, unbounded but trained towards [−1, 1]. `side` is 128, or smaller by powers of
    /// two (≥ 16) while training begins on small pictures: later stages are left out.
    pub fn forward(&self, z: Tensor<B, 2>, side: usize) -> Tensor<B, 4> {
        let n = z.dims()[0];
        let first = self.first.forward(z);
        let channels = first.dims()[1] / (FIRST_SIDE * FIRST_SIDE);
        let mut x = first.reshape([n, FIRST_SIDE, FIRST_SIDE, channels]);
        for stage in &self.stages {
            if x.dims()[1] >= side {
                break;
            }
            for conv in &stage.convs {
                x = conv.elu(x);
            }
            x = double(x);
        }
        let picture = self.last.forward(x, None, 1, Activation::None);
        let [_, h, w, _] = picture.dims();
        picture.reshape([n, 1, h, w])
    }
}

/// BEGAN's discriminator: an auto-encoder. Its encoder is what the columns read.
#[derive(Module, Debug)]
pub struct Discriminator<B: Backend> {
    /// Table I without its fully connected row.
    pub encoder: Encoder<B>,
    /// FC 65536 → 128 of Table I, for pictures of `side`.
    pub code: Dense<B>,
    /// Table II.
    pub decoder: Decoder<B>,
}

impl<B: Backend> Discriminator<B> {
    /// Untrained weights for pictures of `side × side`.
    pub fn init(encoder: &EncoderConfig, decoder: &DecoderConfig, side: usize, device: &B::Device, seed: u64) -> Self {
        Self {
            encoder: encoder.init(device, seed),
            code: Self::code(encoder, side, device, seed + 1),
            decoder: decoder.init(device, seed + 2),
        }
    }

    fn code(encoder: &EncoderConfig, side: usize, device: &B::Device, seed: u64) -> Dense<B> {
        let inputs = (side / 8) * (side / 8) * encoder.features();
        Dense::init([inputs, encoder.latent], 1.0, true, &mut StdRng::seed_from_u64(seed), device)
    }

    /// Keeps all convolutions and begins a new code layer for pictures of another side.
    pub fn with_side(self, encoder: &EncoderConfig, side: usize, device: &B::Device, seed: u64) -> Self {
        Self { code: Self::code(encoder, side, device, seed), ..self }
    }
}

impl<B: NetworkBackend> Discriminator<B> {
    /// Reconstruction of pictures `[N, 1, side, side]`.
    pub fn forward(&self, pictures: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, side, _] = pictures.dims();
        let code = self.code.forward(self.encoder.forward(pictures).flatten(1, 3));
        self.decoder.forward(code, side)
    }
}
