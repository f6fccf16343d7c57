//! The fused convolution composed of burn's own operations: what cards run, and the reference on CPUs.

use super::{Activation, ConvGradients, ConvSettings, Normalised, NormalisedGradients, Saved};
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{Tensor, TensorPrimitive};

fn wrap<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn unwrap<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

fn nchw<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    unwrap(wrap::<B, 4>(x).permute([0, 3, 1, 2]))
}

fn nhwc<B: Backend>(x: FloatTensor<B>) -> Tensor<B, 4> {
    wrap::<B, 4>(x).permute([0, 2, 3, 1])
}

/// `[K, K, Ci, Co]` to burn's `[Co, Ci, K, K]`.
fn oihw<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
    unwrap(wrap::<B, 4>(weight).permute([3, 2, 0, 1]))
}

fn options(kernel: usize, stride: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [kernel / 2; 2], [1; 2], 1)
}

/// See [`NetworkBackend::convolution`](crate::NetworkBackend::convolution).
pub(crate) fn convolution<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    residual: Option<FloatTensor<B>>,
    settings: ConvSettings,
) -> FloatTensor<B> {
    let kernel = wrap::<B, 4>(weight.clone()).dims()[0];
    let y = B::conv2d(nchw::<B>(x), oihw::<B>(weight), bias, options(kernel, settings.stride));
    let mut y = nhwc::<B>(y);
    if let Some(residual) = residual {
        y = y + wrap(residual);
    }
    unwrap(activate(y, settings.activation))
}

fn activate<B: Backend>(x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    match activation {
        Activation::None => x,
        Activation::Elu => burn::tensor::activation::elu(x, 1.0),
        Activation::Relu => burn::tensor::activation::relu(x),
    }
}

/// The gradient before the activation, from the output `y` and its gradient.
fn before_activation<B: Backend>(y: Tensor<B, 4>, gradient: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    match activation {
        Activation::None => gradient,
        // f' from the output: y + 1 below zero, 1 above.
        Activation::Elu => gradient * (y.clamp_max(0.0) + 1.0),
        Activation::Relu => gradient * y.greater_elem(0.0).float(),
    }
}

/// See [`NetworkBackend::convolution_gradients`](crate::NetworkBackend::convolution_gradients).
pub(crate) fn convolution_gradients<B: Backend>(
    saved: Saved<FloatTensor<B>>,
    gradient: FloatTensor<B>,
    settings: ConvSettings,
    wants_x: bool,
) -> ConvGradients<FloatTensor<B>> {
    let before = before_activation::<B>(wrap(saved.y), wrap(gradient), settings.activation);
    let kernel = wrap::<B, 4>(saved.weight.clone()).dims()[0];
    let options = options(kernel, settings.stride);
    let (x, weight, g) = (nchw::<B>(saved.x), oihw::<B>(saved.weight), nchw::<B>(unwrap(before.clone())));
    let dw = B::conv2d_weight_backward(x.clone(), weight.clone(), g.clone(), options.clone());
    let [_, _, _, co] = before.dims();
    ConvGradients {
        x: wants_x.then(|| unwrap(nhwc::<B>(B::conv2d_x_backward(x, weight, g, options)))),
        weight: unwrap(wrap::<B, 4>(dw).permute([2, 3, 1, 0])),
        bias: unwrap(before.clone().sum_dims(&[0, 1, 2]).reshape([co])),
        residual: unwrap(before),
    }
}

/// See [`NetworkBackend::max_pool`](crate::NetworkBackend::max_pool).
pub(crate) fn max_pool<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let y =
        burn::tensor::module::max_pool2d(wrap::<B, 4>(x).permute([0, 3, 1, 2]), [3, 3], [2, 2], [1, 1], [1, 1], false);
    unwrap(y.permute([0, 2, 3, 1]))
}

/// See [`NetworkBackend::max_pool_gradient`](crate::NetworkBackend::max_pool_gradient).
pub(crate) fn max_pool_gradient<B: Backend>(x: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
    let (x, gradient) = (nchw::<B>(x), nchw::<B>(gradient));
    let pooled = B::max_pool2d_with_indices(x.clone(), [3, 3], [2, 2], [1, 1], [1, 1], false);
    let dx = B::max_pool2d_with_indices_backward(x, [3, 3], [2, 2], [1, 1], [1, 1], false, gradient, pooled.indices);
    unwrap(nhwc::<B>(dx.x_grad))
}

/// `[C]` to what can be multiplied with NHWC.
fn channels<B: Backend>(values: Tensor<B, 1>) -> Tensor<B, 4> {
    let [c] = values.dims();
    values.reshape([1, 1, 1, c])
}

/// See [`NetworkBackend::normalise`](crate::NetworkBackend::normalise).
pub(crate) fn normalise<B: Backend>(
    x: FloatTensor<B>,
    gain: FloatTensor<B>,
    bias: FloatTensor<B>,
    passed: Option<FloatTensor<B>>,
    activation: Activation,
) -> Normalised<FloatTensor<B>> {
    let x = wrap::<B, 4>(x);
    let [_, _, _, c] = x.dims();
    let mean = x.clone().mean_dims(&[0, 1, 2]);
    let centred = x - mean.clone();
    let inverse = (centred.clone().square().mean_dims(&[0, 1, 2]) + fastconv::VARIANCE_FLOOR).sqrt().recip();
    let mut y = centred * (inverse.clone() * channels::<B>(wrap(gain))) + channels::<B>(wrap(bias));
    if let Some(passed) = passed {
        y = y + wrap(passed);
    }
    let moments = Tensor::cat(vec![mean.reshape([1, c]), inverse.reshape([1, c])], 0);
    Normalised { y: unwrap(activate(y, activation)), moments: unwrap(moments) }
}

/// See [`NetworkBackend::normalise_gradients`](crate::NetworkBackend::normalise_gradients).
pub(crate) fn normalise_gradients<B: Backend>(
    x: FloatTensor<B>,
    gain: FloatTensor<B>,
    saved: Normalised<FloatTensor<B>>,
    gradient: FloatTensor<B>,
    activation: Activation,
    wants_passed: bool,
) -> NormalisedGradients<FloatTensor<B>> {
    let x = wrap::<B, 4>(x);
    let [n, h, w, c] = x.dims();
    let moments = wrap::<B, 2>(saved.moments);
    let row = |at: usize| moments.clone().narrow(0, at, 1).reshape([1, 1, 1, c]);
    let normalised = (x - row(0)) * row(1);
    let g = before_activation::<B>(wrap(saved.y), wrap(gradient), activation);
    let to_bias = g.clone().sum_dims(&[0, 1, 2]);
    let to_gain = (g.clone() * normalised.clone()).sum_dims(&[0, 1, 2]);
    let rows = (n * h * w) as f64;
    let passed = wants_passed.then(|| unwrap(g.clone()));
    let dx =
        (g - to_bias.clone() / rows - normalised * (to_gain.clone() / rows)) * (row(1) * channels::<B>(wrap(gain)));
    NormalisedGradients {
        x: unwrap(dx),
        gain: unwrap(to_gain.reshape([c])),
        bias: unwrap(to_bias.reshape([c])),
        passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::NetworkBackend;
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    fn random<const D: usize>(shape: [usize; D]) -> FloatTensor<Flex> {
        unwrap(Tensor::<Flex, D>::random(shape, Distribution::Uniform(-1.0, 1.0), &Default::default()))
    }

    fn error<const D: usize>(a: FloatTensor<Flex>, b: FloatTensor<Flex>) -> f32 {
        let (a, b) = (wrap::<Flex, D>(a), wrap::<Flex, D>(b));
        let scale = b.clone().abs().max().into_scalar().max(1e-3);
        (a - b).abs().max().into_scalar() / scale
    }

    #[test]
    fn cards_and_cpus_pool_alike() {
        let (x, gradient) = (random([2, 8, 8, 5]), random([2, 4, 4, 5]));
        let y = Flex::max_pool(x.clone());
        assert_eq!(error::<4>(max_pool::<Flex>(x.clone()), y.clone()), 0.0);
        let composed = max_pool_gradient::<Flex>(x.clone(), gradient.clone());
        assert!(error::<4>(Flex::max_pool_gradient(x, y, gradient), composed) < 1e-6);
    }

    #[test]
    fn cards_and_cpus_normalise_alike() {
        let (x, gain, bias, gradient) = (random([2, 8, 8, 21]), random([21]), random([21]), random([2, 8, 8, 21]));
        for (activation, passed) in [
            (Activation::Elu, Some(random([2, 8, 8, 21]))),
            (Activation::Relu, None),
            (Activation::None, Some(random([2, 8, 8, 21]))),
        ] {
            let composed = normalise::<Flex>(x.clone(), gain.clone(), bias.clone(), passed.clone(), activation);
            let fused = Flex::normalise(x.clone(), gain.clone(), bias.clone(), passed, activation);
            assert!(error::<4>(composed.y.clone(), fused.y) < 1e-4);
            assert!(error::<2>(composed.moments.clone(), fused.moments) < 1e-4);
            let ours = normalise_gradients::<Flex>(
                x.clone(),
                gain.clone(),
                composed.clone(),
                gradient.clone(),
                activation,
                true,
            );
            let theirs =
                Flex::normalise_gradients(x.clone(), gain.clone(), composed, gradient.clone(), activation, true);
            assert!(error::<4>(ours.x, theirs.x) < 1e-3);
            assert!(error::<1>(ours.gain, theirs.gain) < 1e-3);
            assert!(error::<1>(ours.bias, theirs.bias) < 1e-3);
            assert!(ours.passed.zip(theirs.passed).is_some_and(|(a, b)| error::<4>(a, b) < 1e-3));
        }
    }

    #[test]
    fn what_cards_compute_is_what_cpus_compute() {
        for (kernel, stride, activation) in
            [(3, 1, Activation::Elu), (3, 2, Activation::Relu), (1, 1, Activation::None)]
        {
            let settings = ConvSettings { stride, activation, training: true };
            let side = 8 / stride;
            let (x, weight, bias) = (random([2, 8, 8, 16]), random([kernel, kernel, 16, 32]), random([32]));
            let (residual, gradient) = (random([2, side, side, 32]), random([2, side, side, 32]));
            let arguments = || (x.clone(), weight.clone(), Some(bias.clone()), Some(residual.clone()), settings);
            let (a, b, c, d, e) = arguments();
            let composed = convolution::<Flex>(a, b, c, d, e);
            let (a, b, c, d, e) = arguments();
            let fused = Flex::convolution(a, b, c, d, e);
            assert!(error::<4>(composed.clone(), fused) < 1e-4);

            let saved = Saved { x: x.clone(), weight: weight.clone(), y: composed };
            let ours = convolution_gradients::<Flex>(saved.clone(), gradient.clone(), settings, true);
            let theirs = Flex::convolution_gradients(saved, gradient, settings, true);
            assert!(ours.x.zip(theirs.x).is_some_and(|(a, b)| error::<4>(a, b) < 1e-3));
            assert!(error::<4>(ours.weight, theirs.weight) < 1e-3);
            assert!(error::<1>(ours.bias, theirs.bias) < 1e-3);
            assert!(error::<4>(ours.residual, theirs.residual) < 1e-3);
        }
    }
}
