//! The fused convolution that the network is made of, for each backend.

use crate::composed;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorData;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn_flex::{Flex, FlexTensor};
use fastconv::{ConvShape, Epilogue, Purpose, Weights};

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

/// A burn backend with the network's fused convolution,
/// `activation(conv(x, weight) + bias + residual)`, kernel 3 (padding 1) or 1 (padding 0), NHWC.
pub trait NetworkBackend: Backend {
    /// Whether networks answer with prepared weights on the CPU instead of through burn's modules.
    const ANSWERS_PREPARED: bool = false;

    /// `x [N, H, W, Ci]`, `weight [K, K, Ci, Co]`, `bias [Co]`, `residual [N, OH, OW, Co]` → `[N, OH, OW, Co]`.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        residual: Option<FloatTensor<Self>>,
        settings: ConvSettings,
    ) -> FloatTensor<Self>;

    /// Gradients from `gradient [N, OH, OW, Co]`, that of the output.
    fn convolution_gradients(
        saved: Saved<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FloatTensor<Self>>;

    /// Max-pooling 3×3 at stride 2 with a padding of 1: `[N, S, S, C]` → `[N, S/2, S/2, C]`.
    fn max_pool(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient to the input `x` from that of the output `y`.
    fn max_pool_gradient(x: FloatTensor<Self>, y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
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
    const ANSWERS_PREPARED: bool = true;

    fn convolution(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        residual: Option<FlexTensor>,
        settings: ConvSettings,
    ) -> FlexTensor {
        let shape = conv_shape(&x, &weight, settings.stride);
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let (bias, residual) = (bias.map(|b| b.to_contiguous()), residual.map(|r| r.to_contiguous()));
        let mut y = vec![0.0; shape.output_len()];
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
        tensor(y, [shape.n, shape.oh(), shape.ow(), shape.co])
    }

    fn convolution_gradients(
        saved: Saved<FlexTensor>,
        gradient: FlexTensor,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FlexTensor> {
        let shape = conv_shape(&saved.x, &saved.weight, settings.stride);
        let (x, weight) = (saved.x.to_contiguous(), saved.weight.to_contiguous());
        let (y, gradient) = (saved.y.to_contiguous(), gradient.to_contiguous());
        let mut before = vec![0.0; shape.output_len()];
        fastconv::gradient_before_activation(settings.activation, floats(&y), floats(&gradient), &mut before);
        let (mut dw, mut db) = (vec![0.0; shape.weight_len()], vec![0.0; shape.co]);
        let fits = |result: Result<(), fastconv::ShapeError>| {
            result.unwrap_or_else(|error| panic!("gradient of convolution {shape:?}: {error}"));
        };
        fits(fastconv::backward_weight(&shape, floats(&x), &before, &mut dw));
        fastconv::backward_bias(&before, &mut db);
        let dx = wants_x.then(|| {
            let mut dx = vec![0.0; shape.input_len()];
            fits(fastconv::backward_input(&shape, &before, floats(&weight), &mut dx));
            tensor(dx, [shape.n, shape.h, shape.w, shape.ci])
        });
        ConvGradients {
            x: dx,
            weight: tensor(dw, [shape.kernel, shape.kernel, shape.ci, shape.co]),
            bias: tensor(db, [shape.co]),
            residual: tensor(before, [shape.n, shape.oh(), shape.ow(), shape.co]),
        }
    }

    fn max_pool(x: FlexTensor) -> FlexTensor {
        let ([n, side, _, c], x) = (dims(&x), x.to_contiguous());
        let out = side.div_ceil(2);
        let mut y = vec![0.0; n * out * out * c];
        fastconv::max_pool(n, side, c, floats(&x), &mut y);
        tensor(y, [n, out, out, c])
    }

    fn max_pool_gradient(x: FlexTensor, y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let shape @ [n, side, _, c] = dims(&x);
        let (x, y, gradient) = (x.to_contiguous(), y.to_contiguous(), gradient.to_contiguous());
        let mut dx = vec![0.0; n * side * side * c];
        fastconv::max_pool_backward(n, side, c, floats(&x), floats(&y), floats(&gradient), &mut dx);
        tensor(dx, shape)
    }
}

#[cfg(feature = "cuda")]
impl NetworkBackend for CudaBackend {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        residual: Option<FloatTensor<Self>>,
        settings: ConvSettings,
    ) -> FloatTensor<Self> {
        composed::convolution::<Self>(x, weight, bias, residual, settings)
    }

    fn convolution_gradients(
        saved: Saved<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FloatTensor<Self>> {
        composed::convolution_gradients::<Self>(saved, gradient, settings, wants_x)
    }

    fn max_pool(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::max_pool::<Self>(x)
    }

    fn max_pool_gradient(
        x: FloatTensor<Self>,
        _y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::max_pool_gradient::<Self>(x, gradient)
    }
}

/// The step that carries gradients through one pooling.
#[derive(Debug)]
struct MaxPoolBackward;

impl<B: NetworkBackend> Backward<B, 1> for MaxPoolBackward {
    /// Input and output.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, y) = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            grads.register::<B>(node.id, B::max_pool_gradient(x, y, gradient));
        }
    }
}

/// The step that carries gradients through one convolution. Parents: x, weight, bias, residual.
#[derive(Debug)]
struct ConvolutionBackward;

impl<B: NetworkBackend> Backward<B, 4> for ConvolutionBackward {
    type State = (Saved<FloatTensor<B>>, ConvSettings);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (saved, settings) = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let [x, weight, bias, residual] = ops.parents;
        let found = B::convolution_gradients(saved, gradient, settings, x.is_some());
        if let (Some(node), Some(dx)) = (x, found.x) {
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = weight {
            grads.register::<B>(node.id, found.weight);
        }
        if let Some(node) = bias {
            grads.register::<B>(node.id, found.bias);
        }
        if let Some(node) = residual {
            grads.register::<B>(node.id, found.residual);
        }
    }
}

impl<B: NetworkBackend, C: CheckpointStrategy> NetworkBackend for Autodiff<B, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        residual: Option<FloatTensor<Self>>,
        settings: ConvSettings,
    ) -> FloatTensor<Self> {
        let settings = ConvSettings { training: true, ..settings };
        // A missing bias or residual takes its place among the parents as an untracked leaf.
        let leaf = || <Self as AutodiffBackend>::from_inner(x.primitive.clone());
        let bias_node = bias.as_ref().map_or_else(|| leaf().node, |b| b.node.clone());
        let residual_node = residual.as_ref().map_or_else(|| leaf().node, |r| r.node.clone());
        let prepared = ConvolutionBackward
            .prepare::<C>([x.node.clone(), weight.node.clone(), bias_node, residual_node])
            .compute_bound()
            .stateful();
        let y = B::convolution(
            x.primitive.clone(),
            weight.primitive.clone(),
            bias.map(|b| b.primitive),
            residual.map(|r| r.primitive),
            settings,
        );
        match prepared {
            OpsKind::Tracked(prep) => {
                let saved = Saved { x: x.primitive, weight: weight.primitive, y: y.clone() };
                prep.finish((saved, settings), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn convolution_gradients(
        saved: Saved<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        settings: ConvSettings,
        wants_x: bool,
    ) -> ConvGradients<FloatTensor<Self>> {
        // Second derivatives go through burn's own operations.
        composed::convolution_gradients::<Self>(saved, gradient, settings, wants_x)
    }

    fn max_pool(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = B::max_pool(x.primitive.clone());
        match MaxPoolBackward.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x.primitive, y.clone()), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn max_pool_gradient(
        x: FloatTensor<Self>,
        _y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::max_pool_gradient::<Self>(x, gradient)
    }
}
