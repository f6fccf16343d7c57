//! The fused convolution composed of burn's own operations: what cards run, and the reference in tests.

use crate::backend::{Activation, ConvGradients, ConvSettings, Saved};
use burn::tensor::activation;
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
    unwrap(match settings.activation {
        Activation::None => y,
        Activation::Elu => activation::elu(y, 1.0),
        Activation::Relu => activation::relu(y),
    })
}

/// See [`NetworkBackend::convolution_gradients`](crate::NetworkBackend::convolution_gradients).
pub(crate) fn convolution_gradients<B: Backend>(
    saved: Saved<FloatTensor<B>>,
    gradient: FloatTensor<B>,
    settings: ConvSettings,
    wants_x: bool,
) -> ConvGradients<FloatTensor<B>> {
    let y = wrap::<B, 4>(saved.y);
    let gradient = wrap::<B, 4>(gradient);
    let before = match settings.activation {
        Activation::None => gradient,
        // f' from the output: y + 1 below zero, 1 above.
        Activation::Elu => gradient * (y.clamp_max(0.0) + 1.0),
        Activation::Relu => gradient * y.greater_elem(0.0).float(),
    };
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
