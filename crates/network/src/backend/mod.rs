//! The operations that the network is made of, for each backend that answers; [`autodiff`] has their gradients.

pub(crate) mod autodiff;
mod composed;
mod recycled;

pub use recycled::{Recycling, recycle};

use burn::backend::Autodiff;
use burn::tensor::TensorData;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn_flex::{Flex, FlexTensor};
use fastconv::{ConvShape, Epilogue, Moments, Purpose, Weights};
use std::sync::atomic::{AtomicBool, Ordering};

pub use fastconv::Activation;

/// The backend that CPUs answer with.
pub type CpuBackend = Flex;
/// The backend that NVIDIA cards answer with.
#[cfg(feature = "cuda")]
pub type CudaBackend = burn::backend::Cuda;
/// Training on top of an answering backend.
pub type TrainBackend<B> = Autodiff<B>;

/// What a convolution is made of, beside its tensors.
#[derive(Debug, Clone, Copy)]
pub struct ConvSettings {
    /// 1 or 2.
    pub stride: usize,
    /// The fused nonlinearity.
    pub activation: Activation,
    /// Whether weights change at each step; see [`Purpose`].
    pub training: bool,
}

/// Tensors that the gradient needs again.
#[derive(Debug, Clone)]
pub struct Saved<T> {
    /// Input `[N, H, W, Ci]`.
    pub x: T,
    /// Weights `[K, K, Ci, Co]`.
    pub weight: T,
    /// Output `[N, OH, OW, Co]`.
    pub y: T,
}

/// Gradients of a convolution; those that nobody asked for are `None`.
#[derive(Debug)]
pub struct ConvGradients<T> {
    /// With respect to the input.
    pub x: Option<T>,
    /// With respect to the weights.
    pub weight: T,
    /// With respect to the bias.
    pub bias: T,
    /// With respect to the residual, which is also the one before the activation.
    pub residual: T,
}

/// A batch normalisation's result, and what its gradient needs again.
#[derive(Debug, Clone)]
pub struct Normalised<T> {
    /// Output, as large as the input.
    pub y: T,
    /// Mean and 1/deviation of each channel of the input, `[2, C]`.
    pub moments: T,
}

/// Gradients of a batch normalisation.
#[derive(Debug)]
pub struct NormalisedGradients<T> {
    /// With respect to the input.
    pub x: T,
    /// With respect to the gain.
    pub gain: T,
    /// With respect to the bias.
    pub bias: T,
    /// With respect to what is passed on.
    pub passed: Option<T>,
}

/// A burn backend with the network's fused convolution,
/// `activation(conv(x, weight) + bias + residual)`, kernel 3 (padding 1) or 1 (padding 0), NHWC.
///
/// What a backend does not say is composed of burn's own operations.
pub trait NetworkBackend: Backend {
    /// Whether networks answer with prepared weights on the CPU instead of through burn's modules.
    fn answers_prepared() -> bool {
        false
    }

    /// `x [N, H, W, Ci]`, `weight [K, K, Ci, Co]`, `bias [Co]`, `residual [N, OH, OW, Co]` → `[N, OH, OW, Co]`.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        residual: Option<FloatTensor<Self>>,
        settings: ConvSettings,
    ) -> FloatTensor<Self> {
        composed::convolution::<Self>(x, weight, bias, residual, settings)
    }

    /// Gradients from `gradient [N, OH, OW, Co]`, that of the output.
    fn convolution_gradients(
        saved: Saved<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FloatTensor<Self>> {
        composed::convolution_gradients::<Self>(saved, gradient, settings, wants_x)
    }

    /// Max-pooling 3×3 at stride 2 with a padding of 1: `[N, S, S, C]` → `[N, S/2, S/2, C]`.
    fn max_pool(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::max_pool::<Self>(x)
    }

    /// Gradient to the input `x` from that of its output.
    fn max_pool_gradient(
        x: FloatTensor<Self>,
        _y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::max_pool_gradient::<Self>(x, gradient)
    }

    /// `activation((x − mean) / deviation · gain + bias + passed)` with the moments of each channel of the batch
    /// `x [N, H, W, C]` itself; `gain`, `bias` `[C]`, `passed` as large as `x`.
    fn normalise(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        passed: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> Normalised<FloatTensor<Self>> {
        composed::normalise::<Self>(x, gain, bias, passed, activation)
    }

    /// Gradients from `gradient`, that of the output in `saved`.
    fn normalise_gradients(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        saved: Normalised<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        activation: Activation,
        wants_passed: bool,
    ) -> NormalisedGradients<FloatTensor<Self>> {
        composed::normalise_gradients::<Self>(x, gain, saved, gradient, activation, wants_passed)
    }
}

/// See [`compute_with_burn`].
static REFERENCE: AtomicBool = AtomicBool::new(false);

/// From now on CPUs compute with burn's own operations and not with [`fastconv`]: slower, to compare with.
pub(crate) fn compute_with_burn() {
    REFERENCE.store(true, Ordering::Relaxed);
}

fn reference() -> bool {
    REFERENCE.load(Ordering::Relaxed)
}

fn dims(tensor: &impl TensorMetadata) -> [usize; 4] {
    tensor.shape().dims()
}

fn conv_shape(x: &FlexTensor, weight: &FlexTensor, stride: usize) -> ConvShape {
    let [n, h, w, ci] = dims(x);
    let [kernel, _, _, co] = dims(weight);
    ConvShape { n, h, w, ci, co, kernel, stride }
}

/// The values of a tensor that was made contiguous.
fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| unreachable!("the tensor was made contiguous just before"))
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

impl NetworkBackend for Flex {
    fn answers_prepared() -> bool {
        !reference()
    }

    fn convolution(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        residual: Option<FlexTensor>,
        settings: ConvSettings,
    ) -> FlexTensor {
        if reference() {
            return composed::convolution::<Self>(x, weight, bias, residual, settings);
        }
        let shape = conv_shape(&x, &weight, settings.stride);
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let (bias, residual) = (bias.map(|b| b.to_contiguous()), residual.map(|r| r.to_contiguous()));
        let mut y = recycled::uncleared(shape.output_len());
        let purpose = if settings.training { Purpose::Training } else { Purpose::Answering };
        let epilogue = Epilogue {
            bias: bias.as_ref().map(floats),
            residual: residual.as_ref().map(floats),
            activation: settings.activation,
        };
        // Wrong shapes are a mistake in a layer, like in burn's own operations.
        Weights::new(&shape, shape.algorithm(purpose), floats(&weight))
            .and_then(|weights| fastconv::forward(&shape, &weights, floats(&x), epilogue, &mut y))
            .unwrap_or_else(|error| panic!("convolution {shape:?}: {error}"));
        y.into_tensor([shape.n, shape.oh(), shape.ow(), shape.co])
    }

    fn convolution_gradients(
        saved: Saved<FlexTensor>,
        gradient: FlexTensor,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FlexTensor> {
        if reference() {
            return composed::convolution_gradients::<Self>(saved, gradient, settings, wants_x);
        }
        let shape = conv_shape(&saved.x, &saved.weight, settings.stride);
        let (x, weight) = (saved.x.to_contiguous(), saved.weight.to_contiguous());
        let gradient = gradient.to_contiguous();
        let before = if settings.activation == Activation::None {
            gradient
        } else {
            let mut before = recycled::uncleared(shape.output_len());
            let y = saved.y.to_contiguous();
            fastconv::gradient_before_activation(settings.activation, floats(&y), floats(&gradient), &mut before);
            before.into_tensor([shape.n, shape.oh(), shape.ow(), shape.co])
        };
        let (mut dw, mut db) = (vec![0.0; shape.weight_len()], vec![0.0; shape.co]);
        let fits = |result: Result<(), fastconv::ShapeError>| {
            result.unwrap_or_else(|error| panic!("gradient of convolution {shape:?}: {error}"));
        };
        fits(fastconv::backward_weight(&shape, floats(&x), floats(&before), &mut dw));
        fastconv::backward_bias(floats(&before), &mut db);
        let dx = wants_x.then(|| {
            let mut dx = recycled::uncleared(shape.input_len());
            fits(fastconv::backward_input(&shape, floats(&before), floats(&weight), &mut dx));
            dx.into_tensor([shape.n, shape.h, shape.w, shape.ci])
        });
        ConvGradients {
            x: dx,
            weight: tensor(dw, [shape.kernel, shape.kernel, shape.ci, shape.co]),
            bias: tensor(db, [shape.co]),
            residual: before,
        }
    }

    fn max_pool(x: FlexTensor) -> FlexTensor {
        if reference() {
            return composed::max_pool::<Self>(x);
        }
        let ([n, side, _, c], x) = (dims(&x), x.to_contiguous());
        let out = side.div_ceil(2);
        let mut y = recycled::uncleared(n * out * out * c);
        fastconv::max_pool(n, side, c, floats(&x), &mut y);
        y.into_tensor([n, out, out, c])
    }

    fn max_pool_gradient(x: FlexTensor, y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        if reference() {
            return composed::max_pool_gradient::<Self>(x, gradient);
        }
        let shape @ [n, side, _, c] = dims(&x);
        let (x, y, gradient) = (x.to_contiguous(), y.to_contiguous(), gradient.to_contiguous());
        let mut dx = recycled::uncleared(n * side * side * c);
        fastconv::max_pool_backward(n, side, c, floats(&x), floats(&y), floats(&gradient), &mut dx);
        dx.into_tensor(shape)
    }

    fn normalise(
        x: FlexTensor,
        gain: FlexTensor,
        bias: FlexTensor,
        passed: Option<FlexTensor>,
        activation: Activation,
    ) -> Normalised<FlexTensor> {
        if reference() {
            return composed::normalise::<Self>(x, gain, bias, passed, activation);
        }
        let shape = dims(&x);
        let (x, gain, bias) = (x.to_contiguous(), gain.to_contiguous(), bias.to_contiguous());
        let passed = passed.map(|passed| passed.to_contiguous());
        let mut y = recycled::uncleared(floats(&x).len());
        let passed = passed.as_ref().map(floats);
        let moments = fastconv::normalise(floats(&x), floats(&gain), floats(&bias), passed, activation, &mut y);
        let moments = [moments.mean, moments.inverse_deviation].concat();
        Normalised { y: y.into_tensor(shape), moments: tensor(moments, [2, shape[3]]) }
    }

    fn normalise_gradients(
        x: FlexTensor,
        gain: FlexTensor,
        saved: Normalised<FlexTensor>,
        gradient: FlexTensor,
        activation: Activation,
        wants_passed: bool,
    ) -> NormalisedGradients<FlexTensor> {
        if reference() {
            return composed::normalise_gradients::<Self>(x, gain, saved, gradient, activation, wants_passed);
        }
        let shape @ [_, _, _, channels] = dims(&x);
        let (x, gain, gradient) = (x.to_contiguous(), gain.to_contiguous(), gradient.to_contiguous());
        let (y, moments) = (saved.y.to_contiguous(), saved.moments.to_contiguous());
        let (mean, inverse_deviation) = floats(&moments).split_at(channels);
        let moments = Moments { mean: mean.to_vec(), inverse_deviation: inverse_deviation.to_vec() };
        let mut dx = recycled::uncleared(floats(&x).len());
        fastconv::gradient_before_activation(activation, floats(&y), floats(&gradient), &mut dx);
        let passed = wants_passed.then(|| {
            let mut passed = recycled::uncleared(dx.len());
            passed.copy_from_slice(&dx);
            passed.into_tensor(shape)
        });
        let [to_gain, to_bias] = fastconv::normalise_backward(floats(&x), floats(&gain), &moments, &mut dx);
        NormalisedGradients {
            x: dx.into_tensor(shape),
            passed,
            gain: tensor(to_gain, [channels]),
            bias: tensor(to_bias, [channels]),
        }
    }
}

#[cfg(feature = "cuda")]
impl NetworkBackend for CudaBackend {}
