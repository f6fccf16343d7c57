//! The facial encoder, Table I.

use crate::backend::{Activation, NetworkBackend};
use crate::column::HEAD_PIXELS;
use crate::layers::{Conv, Dense};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// Sizes of the encoder; the default is Table I.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderConfig {
    /// Channels of the four stages.
    pub channels: [usize; 4],
    /// Length of the latent code (training only).
    pub latent: usize,
    /// Values of the face descriptor, which tells people apart; 0: the encoder has none.
    #[serde(skip_serializing_if = "is_zero")]
    pub descriptor: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { channels: [64, 128, 128, 256], latent: 128, descriptor: 0 }
    }
}

/// A layer of the encoder: input and output channels, stride.
pub(crate) type Layer = (usize, usize, usize);

impl EncoderConfig {
    /// The 13 convolutions of Table I. A strided convolution keeps its stage's channels.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let [a, b, c, d] = self.channels;
        vec![
            (1, a, 1),
            (a, a, 1),
            (a, a, 2),
            (a, b, 1),
            (b, b, 1),
            (b, b, 2),
            (b, c, 1),
            (c, c, 1),
            (c, c, 1),
            (c, c, 2),
            (c, d, 1),
            (d, d, 1),
            (d, d, 1),
        ]
    }

    /// Channels of the features that columns read.
    pub fn features(&self) -> usize {
        self.channels[3]
    }

    /// An untrained encoder; the same seed gives the same weights.
    pub fn init<B: Backend>(&self, device: &B::Device, seed: u64) -> Encoder<B> {
        let mut rng = StdRng::seed_from_u64(seed);
        let convs = self.layers().iter().map(|&(i, o, _)| Conv::init(3, [i, o], true, &mut rng, device)).collect();
        let descriptor = (self.descriptor > 0).then(|| self.descriptor_head(device, seed));
        Encoder { convs, descriptor }
    }

    /// An untrained head for the face descriptor; see [`Encoder::descriptor_head`].
    pub fn descriptor_head<B: Backend>(&self, device: &B::Device, seed: u64) -> Dense<B> {
        let sizes = [self.features() * HEAD_PIXELS, self.descriptor];
        Dense::init(sizes, 1.0, true, &mut StdRng::seed_from_u64(seed), device)
    }
}

/// The convolutional part of BEGAN's discriminator, shared by all tasks and frozen while they train.
#[derive(Module, Debug)]
pub struct Encoder<B: Backend> {
    convs: Vec<Conv<B>>,
    /// Reads the face descriptor from pooled features; see [`Self::descriptor`].
    descriptor: Option<Dense<B>>,
}

/// Indices of the strided convolutions of Table I.
const STRIDED: [usize; 3] = [2, 5, 9];

fn stride_at(layer: usize) -> usize {
    if STRIDED.contains(&layer) { 2 } else { 1 }
}

impl<B: Backend> Encoder<B> {
    /// From here on no gradient goes to the first `count` layers, nor through them.
    pub fn freeze(mut self, count: usize) -> Self {
        let (frozen, learning): (Vec<_>, Vec<_>) = self.convs.into_iter().enumerate().partition(|(at, _)| *at < count);
        self.convs = frozen.into_iter().map(|(_, conv)| conv.no_grad()).collect();
        self.convs.extend(learning.into_iter().map(|(_, conv)| conv));
        self
    }
}

impl<B: NetworkBackend> Encoder<B> {
    /// With another head for the face descriptor, or none.
    pub fn with_descriptor(self, descriptor: Option<Dense<B>>) -> Self {
        Self { descriptor, ..self }
    }

    /// The linear map from features, pooled to 4×4 pixels, to the face descriptor before it is brought to length 1. How
    /// alike two descriptors are says how alike two people look. `None` where the encoder has no such head.
    pub fn descriptor_head(&self) -> Option<&Dense<B>> {
        self.descriptor.as_ref()
    }

    /// Faces `[N, 1, H, W]` in [−1, 1] → features `[N, H/8, W/8, 256]` (NHWC). H and W are multiples of 8; the network
    /// is made for 128.
    pub fn forward(&self, faces: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = faces.dims();
        // One channel: NCHW and NHWC are the same memory.
        let mut x = faces.reshape([n, h, w, c]);
        for (conv, stride) in self.layers() {
            x = conv.forward(x, None, stride, Activation::Elu);
        }
        x
    }

    /// The encoder that answers the same on these faces, but whose layers normalise each batch before their activations:
    /// for training. See [`Conv::normalising_on`]. The first `frozen` layers stay as they are.
    pub fn normalising_on(self, faces: Tensor<B, 4>, frozen: usize) -> Self {
        self.rebuilt(
            faces,
            |at, conv, x, stride| {
                if at < frozen { conv } else { conv.normalising_on(x, None, stride, false) }
            },
        )
    }

    /// The plain encoder of Table I that answers the same on these faces as this one, which normalises.
    pub fn folded_on(self, faces: Tensor<B, 4>) -> Self {
        self.rebuilt(faces, |_, conv, x, stride| conv.folded_on(x, None, stride).0)
    }

    /// Changes the convolutions, each on what the changed ones before it give.
    fn rebuilt(self, faces: Tensor<B, 4>, change: impl Fn(usize, Conv<B>, Tensor<B, 4>, usize) -> Conv<B>) -> Self {
        let [n, c, h, w] = faces.dims();
        let mut x = faces.reshape([n, h, w, c]);
        let mut convs = Vec::with_capacity(self.convs.len());
        for (at, conv) in self.convs.into_iter().enumerate() {
            let stride = stride_at(at);
            let conv = change(at, conv, x.clone(), stride);
            x = conv.forward(x, None, stride, Activation::Elu);
            convs.push(conv);
        }
        Self { convs, descriptor: self.descriptor }
    }

    /// Convolutions and their strides, in order.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&Conv<B>, usize)> {
        self.convs.iter().enumerate().map(|(at, conv)| (conv, stride_at(at)))
    }

    /// The output of every layer, NHWC, for pictures and tests.
    pub fn trace(&self, faces: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let [n, c, h, w] = faces.dims();
        let mut outputs: Vec<Tensor<B, 4>> = Vec::with_capacity(self.convs.len());
        for (conv, stride) in self.layers() {
            let x = outputs.last().cloned().unwrap_or_else(|| faces.clone().reshape([n, h, w, c]));
            outputs.push(conv.forward(x, None, stride, Activation::Elu));
        }
        outputs
    }
}
