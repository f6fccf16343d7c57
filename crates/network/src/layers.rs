//! Convolution and dense layers.

use crate::backend::{Activation, ConvSettings, NetworkBackend};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use rand::rngs::StdRng;
use rand_distr::{Distribution, Normal};

/// Second moment of ELU under a standard normal, inverted: weights of variance `ELU_GAIN / fan_in` keep the size of
/// activations from layer to layer (He et al. 2015, with ELU in place of ReLU). Two dozen layers need that.
const ELU_GAIN: f32 = 1.55;

/// Variance of the noise of a layer that begins near a pointwise one, times its fan-in.
const POINTWISE_NOISE: f32 = 0.1;
/// Share of the channels' mean variance that is added to each: a channel that is constant on the batch is not blown up.
const CHANNEL_FLOOR: f32 = 0.05;

/// What brings channels of this variance (any shape) to a standard deviation of about `deviation`.
fn scale_of<B: Backend, const D: usize>(variance: Tensor<B, D>, deviation: f32) -> Tensor<B, D> {
    let floor = variance.clone().mean() * CHANNEL_FLOOR + f32::MIN_POSITIVE;
    (variance + floor.reshape([1; D])).sqrt().recip() * deviation
}

/// Mean and variance of each channel of NHWC, `[C]`.
fn moments<B: Backend>(y: Tensor<B, 4>) -> (Tensor<B, 1>, Tensor<B, 1>) {
    let [_, _, _, c] = y.dims();
    let mean = y.clone().mean_dims(&[0, 1, 2]);
    let variance = (y - mean.clone()).square().mean_dims(&[0, 1, 2]);
    (mean.reshape([c]), variance.reshape([c]))
}

pub(crate) fn normal<B: Backend, const D: usize>(
    shape: [usize; D],
    variance: f32,
    rng: &mut StdRng,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let count = shape.iter().product();
    let values: Vec<f32> = match Normal::new(0.0, variance.sqrt()) {
        Ok(normal) => normal.sample_iter(rng).take(count).collect(),
        Err(_) => vec![0.0; count],
    };
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

/// 3×3 (padding 1) or 1×1 convolution with optional bias, residual and ELU; NHWC.
#[derive(Module, Debug)]
pub struct Conv<B: Backend> {
    /// `[K, K, Ci, Co]`.
    pub weight: Param<Tensor<B, 4>>,
    /// `[Co]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// `[Co]`, of a layer that normalises each batch before it adds its bias: in training only, see
    /// [`Self::folded_on`].
    pub gain: Option<Param<Tensor<B, 1>>>,
    /// Whether a layer with a gain adds its input to what it normalised, before the activation.
    pub passes: bool,
}

impl<B: Backend> Conv<B> {
    /// Weights drawn for ELU, biases zero.
    pub fn init(kernel: usize, channels: [usize; 2], bias: bool, rng: &mut StdRng, device: &B::Device) -> Self {
        let [ci, co] = channels;
        Self {
            weight: normal([kernel, kernel, ci, co], ELU_GAIN / (kernel * kernel * ci) as f32, rng, device),
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([co], device))),
            gain: None,
            passes: false,
        }
    }
}

impl<B: Backend> Conv<B> {
    /// A 3×3 convolution that begins near a 1×1 one: the centre tap passes each channel on, or mixes the channels where
    /// their number changes; the rest is small noise. A long chain of such layers begins as a short one (Xiao et al. 2018
    /// and Zagoruyko & Komodakis 2017 do likewise) and does not blur the picture.
    pub fn init_near_pointwise(channels: [usize; 2], rng: &mut StdRng, device: &B::Device) -> Self {
        let [ci, co] = channels;
        let noise: Param<Tensor<B, 4>> = normal([3, 3, ci, co], POINTWISE_NOISE / (9 * ci) as f32, rng, device);
        let centre = if ci == co {
            Tensor::<B, 2>::eye(ci, device)
        } else {
            normal([ci, co], ELU_GAIN / ci as f32, rng, device).into_value().detach()
        };
        let kernel = Tensor::zeros([3, 3, ci, co], device)
            .slice_assign([1..2, 1..2, 0..ci, 0..co], centre.reshape([1, 1, ci, co]));
        Self {
            weight: Param::from_tensor(noise.into_value().detach() + kernel),
            bias: Some(Param::from_tensor(Tensor::zeros([co], device))),
            gain: None,
            passes: false,
        }
    }
}

impl<B: NetworkBackend> Conv<B> {
    /// `x [N, H, W, Ci]`, `residual [N, OH, OW, Co]` → `[N, OH, OW, Co]`, with OH = ⌈H / stride⌉. A layer with a gain
    /// normalises the sum of convolution and residual over the batch, and takes gain, bias and activation then.
    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        residual: Option<Tensor<B, 4>>,
        stride: usize,
        activation: Activation,
    ) -> Tensor<B, 4> {
        let primitive = |param: &Param<Tensor<B, 1>>| param.val().into_primitive().tensor();
        let Some((gain, bias)) = self.gain.as_ref().zip(self.bias.as_ref()) else {
            return self.convolution(x, self.bias.as_ref().map(primitive), residual, stride, activation);
        };
        let passed = self.passes.then(|| x.clone().into_primitive().tensor());
        let sum = self.convolution(x, None, residual, stride, Activation::None);
        let y = B::normalise(sum.into_primitive().tensor(), primitive(gain), primitive(bias), passed, activation).y;
        Tensor::from_primitive(TensorPrimitive::Float(y))
    }

    fn convolution(
        &self,
        x: Tensor<B, 4>,
        bias: Option<FloatTensor<B>>,
        residual: Option<Tensor<B, 4>>,
        stride: usize,
        activation: Activation,
    ) -> Tensor<B, 4> {
        let y = B::convolution(
            x.into_primitive().tensor(),
            self.weight.val().into_primitive().tensor(),
            bias,
            residual.map(|r| r.into_primitive().tensor()),
            ConvSettings { stride, activation, training: false },
        );
        Tensor::from_primitive(TensorPrimitive::Float(y))
    }

    /// Weights and bias rescaled so that on `x` every output channel has mean 0 and standard deviation `deviation`
    /// before the activation (Krähenbühl et al. 2016). Without a bias the mean stays.
    pub fn normalised_on(mut self, x: Tensor<B, 4>, deviation: f32) -> Self {
        let (mean, variance) = moments(self.forward(x, None, 1, Activation::None));
        let scale = scale_of(variance, deviation);
        self.scale(scale.clone());
        self.bias = self.bias.map(|bias| bias.map(|bias| (bias - mean) * scale));
        self
    }

    /// The layer that gives the same on the batch `x`, but normalises each batch that it gets: for training. One that keeps
    /// the number of channels also passes its input on where `passes` says so, so that a long chain of layers learns like
    /// a residual network (Ding et al. 2021); the centre taps lose what is passed.
    pub fn normalising_on(
        mut self,
        x: Tensor<B, 4>,
        residual: Option<Tensor<B, 4>>,
        stride: usize,
        passes: bool,
    ) -> Self {
        let [ci, co] = self.channels();
        self.passes = passes && ci == co && stride == 1;
        if self.passes {
            self.pass_in_weights(-1.0);
        }
        let (mean, variance) = moments(self.convolution(x, None, residual, stride, Activation::None));
        let mean = mean + self.bias.as_ref().map_or_else(|| Tensor::zeros([co], &self.weight.device()), |b| b.val());
        self.gain = Some(Param::from_tensor((variance + fastconv::VARIANCE_FLOOR).sqrt()));
        self.bias = Some(Param::from_tensor(mean));
        self
    }

    /// The layer without a gain that gives the same on the batch `x`, and what a residual has to be multiplied with
    /// from now on, `[Co]`. A layer without a gain stays as it is.
    pub fn folded_on(
        mut self,
        x: Tensor<B, 4>,
        residual: Option<Tensor<B, 4>>,
        stride: usize,
    ) -> (Self, Option<Tensor<B, 1>>) {
        let Some(gain) = self.gain.take() else { return (self, None) };
        let (mean, variance) = moments(self.convolution(x, None, residual, stride, Activation::None));
        let scale = gain.val() / (variance + fastconv::VARIANCE_FLOOR).sqrt();
        self.scale(scale.clone());
        let shift = mean * scale.clone();
        self.bias = self.bias.map(|bias| bias.map(|bias| bias - shift));
        if std::mem::take(&mut self.passes) {
            self.pass_in_weights(1.0);
        }
        (self, Some(scale))
    }

    /// Adds so much of the input to the output, through the centre taps. As many channels come out as go in.
    fn pass_in_weights(&mut self, share: f32) {
        let [kernel, _, ci, co] = self.weight.dims();
        let centre = kernel / 2..kernel / 2 + 1;
        self.weight = self.weight.clone().map(|weight| {
            let eye = Tensor::<B, 2>::eye(ci, &weight.device()).reshape([1, 1, ci, co]) * share;
            let at = [centre.clone(), centre.clone(), 0..ci, 0..co];
            let taps = weight.clone().slice(at.clone()) + eye;
            weight.slice_assign(at, taps)
        });
    }

    /// Multiplies the weights to each output channel with a factor, `[Co]`.
    pub(crate) fn scale(&mut self, factor: Tensor<B, 1>) {
        let [co] = factor.dims();
        self.weight = self.weight.clone().map(|weight| weight * factor.reshape([1, 1, 1, co]));
    }

    /// Input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        let [_, _, ci, co] = self.weight.dims();
        [ci, co]
    }

    /// Stride 1, ELU, no residual.
    pub fn elu(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(x, None, 1, Activation::Elu)
    }
}

/// Fully connected layer, `y = x · weight + bias`.
#[derive(Module, Debug)]
pub struct Dense<B: Backend> {
    /// `[In, Out]`.
    pub weight: Param<Tensor<B, 2>>,
    /// `[Out]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> Dense<B> {
    /// Weights of variance `gain / In`, biases zero.
    pub fn init(size: [usize; 2], gain: f32, bias: bool, rng: &mut StdRng, device: &B::Device) -> Self {
        Self {
            weight: normal(size, gain / size[0] as f32, rng, device),
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([size[1]], device))),
        }
    }

    /// For a layer that is followed by ELU.
    pub fn init_elu(size: [usize; 2], bias: bool, rng: &mut StdRng, device: &B::Device) -> Self {
        Self::init(size, ELU_GAIN, bias, rng, device)
    }
}

impl<B: NetworkBackend> Dense<B> {
    /// As [`Conv::normalised_on`], for `x [N, In]`.
    pub fn normalised_on(mut self, x: Tensor<B, 2>, deviation: f32) -> Self {
        let y = self.forward(x);
        let units = y.dims()[1];
        let mean = y.clone().mean_dim(0);
        let variance = (y - mean.clone()).square().mean_dim(0);
        let scale = scale_of(variance, deviation);
        self.weight = self.weight.map(|weight| weight * scale.clone());
        let (mean, scale) = (mean.reshape([units]), scale.reshape([units]));
        self.bias = self.bias.map(|bias| bias.map(|bias| (bias - mean) * scale));
        self
    }

    /// The layer that gives for `x` what this one gives for `scale · x + shift` (both `[In]`).
    pub fn after_affine(mut self, scale: Tensor<B, 1>, shift: Tensor<B, 1>) -> Self {
        let [input, output] = self.weight.dims();
        let weight = self.weight.val();
        let moved = (weight * shift.reshape([input, 1])).sum_dim(0).reshape([output]);
        self.bias = self.bias.map(|bias| bias.map(|bias| bias + moved));
        self.weight = self.weight.map(|weight| weight * scale.reshape([input, 1]));
        self
    }

    /// `[N, In]` → `[N, Out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [n, input] = x.dims();
        let [_, output] = self.weight.dims();
        let y = B::convolution(
            x.reshape([n, 1, 1, input]).into_primitive().tensor(),
            self.weight.val().reshape([1, 1, input, output]).into_primitive().tensor(),
            self.bias.as_ref().map(|b| b.val().into_primitive().tensor()),
            None,
            ConvSettings { stride: 1, activation: Activation::None, training: false },
        );
        Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(y)).reshape([n, output])
    }
}

/// Added to the square of a length: a vector of nothing stays one.
pub(crate) const LENGTH_FLOOR: f32 = 1e-12;

/// Each row divided by its length.
pub fn unit_length<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let square = x.clone().square().sum_dim(1) + LENGTH_FLOOR;
    x / square.sqrt()
}

/// ELU with α = 1. burn's own takes exp of positive values too, and its gradient is 0 · ∞ where that overflows.
pub fn elu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.clone().clamp_min(0.0) + (x.clamp_max(0.0).exp() - 1.0)
}
