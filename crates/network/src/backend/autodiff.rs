//! Gradients of the network's own operations under burn's autodiff.

use super::composed;
use super::{Activation, ConvGradients, ConvSettings, NetworkBackend, Normalised, NormalisedGradients, Saved};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use std::cell::Cell;

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

thread_local! {
    static GUIDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `backward` so that gradients pass activations only where both they and the activation are positive (guided
/// backpropagation, Springenberg et al. 2015).
pub(crate) fn guided<T>(backward: impl FnOnce() -> T) -> T {
    /// Puts things right also when `backward` panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            GUIDED.set(false);
        }
    }
    let _reset = Reset;
    GUIDED.set(true);
    backward()
}

/// What [`guided`] lets through.
fn guide<B: NetworkBackend>(y: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
    let wrap = |primitive| Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(primitive));
    let open = wrap(y).greater_elem(0.0).float();
    (wrap(gradient).clamp_min(0.0) * open).into_primitive().tensor()
}

/// The step that carries gradients through one convolution. Parents: x, weight, bias, residual.
#[derive(Debug)]
struct ConvolutionBackward;

impl<B: NetworkBackend> Backward<B, 4> for ConvolutionBackward {
    type State = (Saved<FloatTensor<B>>, ConvSettings);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (saved, settings) = ops.state;
        let mut gradient = grads.consume::<B>(&ops.node);
        if GUIDED.get() && settings.activation != Activation::None {
            gradient = guide::<B>(saved.y.clone(), gradient);
        }
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

/// The step that carries gradients through one normalisation. Parents: x, gain, bias, what is passed on.
#[derive(Debug)]
struct NormaliseBackward;

/// What a normalisation keeps for its gradients.
#[derive(Debug, Clone)]
struct NormaliseState<T> {
    x: T,
    gain: T,
    saved: Normalised<T>,
    activation: Activation,
}

impl<B: NetworkBackend> Backward<B, 4> for NormaliseBackward {
    type State = NormaliseState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let NormaliseState { x, gain, saved, activation } = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let wants_passed = ops.parents[3].is_some();
        let found = B::normalise_gradients(x, gain, saved, gradient, activation, wants_passed);
        let found = [Some(found.x), Some(found.gain), Some(found.bias), found.passed];
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(node.id, gradient);
            }
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

    fn normalise(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        passed: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> Normalised<FloatTensor<Self>> {
        let leaf = || <Self as AutodiffBackend>::from_inner(bias.primitive.clone());
        let passed_node = passed.as_ref().map_or_else(|| leaf().node, |passed| passed.node.clone());
        let nodes = [x.node.clone(), gain.node.clone(), bias.node.clone(), passed_node];
        let passed = passed.map(|passed| passed.primitive);
        let saved =
            B::normalise(x.primitive.clone(), gain.primitive.clone(), bias.primitive.clone(), passed, activation);
        let moments = <Self as AutodiffBackend>::from_inner(saved.moments.clone());
        let y = match NormaliseBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = saved.y.clone();
                prep.finish(NormaliseState { x: x.primitive, gain: gain.primitive, saved, activation }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(saved.y),
        };
        Normalised { y, moments }
    }

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
