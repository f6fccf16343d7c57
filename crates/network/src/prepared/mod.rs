//! The network as CPUs answer with it: weights transformed once and kept, activations in buffers that are used again.
//!
//! The modules of burn hold the same weights for training; here they are in the order that [`fastconv`] reads them.

pub(crate) mod column;
pub(crate) mod columns;

use crate::backend::{Activation, NetworkBackend};
use crate::encoder::Encoder;
use crate::layers::{Conv, Dense};
use crate::tensors::values;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use fastconv::{Buffer, ConvShape, Epilogue, Purpose, Weights};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses at the moment, of all networks of the process.
static FREE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
/// Pixels from which a layer is evaluated face by face.
const LARGE: usize = 32 * 32;
/// Buffers kept at most; a frame needs fewer.
const KEPT: usize = 64;

/// Activations, in a buffer that goes back when they are dropped.
#[derive(Debug)]
pub(crate) struct Activations {
    buffer: Buffer,
    len: usize,
}

impl Activations {
    /// So many values of any content, in the smallest free buffer that holds them and is not twice as large: a small layer
    /// that took a large layer's buffer would make that take another.
    pub fn new(len: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |at: &usize| free[*at].len();
        let best = (0..free.len()).filter(|at| (len..=2 * len).contains(&size(at))).min_by_key(size);
        let buffer = best.map(|at| free.swap_remove(at));
        drop(free);
        Self { buffer: buffer.unwrap_or_else(|| fastconv::zeros(len)), len }
    }

    /// The same values in a buffer of their own.
    pub fn copied(values: &[f32]) -> Self {
        let mut copy = Self::new(values.len());
        copy.copy_from_slice(values);
        copy
    }

    /// The values of a tensor.
    pub fn of<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Self {
        let data = tensor.into_data();
        match data.as_slice::<f32>() {
            Ok(values) => Self::copied(values),
            Err(_) => Self::copied(&data.iter::<f32>().collect::<Vec<_>>()),
        }
    }
}

impl Deref for Activations {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Activations {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(std::mem::replace(&mut self.buffer, fastconv::zeros(0)));
        }
    }
}

/// A convolution with its sizes for one face.
#[derive(Debug)]
pub(crate) struct PreparedConv {
    shape: ConvShape,
    weights: Weights,
    bias: Option<Vec<f32>>,
}

impl PreparedConv {
    /// For pictures of `side × side`.
    pub fn new<B: NetworkBackend>(conv: &Conv<B>, side: usize, stride: usize) -> Self {
        let [kernel, _, ci, co] = conv.weight.dims();
        let bias = conv.bias.as_ref().map(|bias| values(bias.val()));
        Self::from_values(&values(conv.weight.val()), bias, [kernel, ci, co], side, stride)
    }

    /// A fully connected layer is a 1×1 convolution of one pixel.
    pub fn dense<B: NetworkBackend>(dense: &Dense<B>) -> Self {
        let [ci, co] = dense.weight.dims();
        let bias = dense.bias.as_ref().map(|bias| values(bias.val()));
        Self::from_values(&values(dense.weight.val()), bias, [1, ci, co], 1, 1)
    }

    /// From `weight [kernel, kernel, ci, co]`.
    pub fn from_values(
        weight: &[f32],
        bias: Option<Vec<f32>>,
        [kernel, ci, co]: [usize; 3],
        side: usize,
        stride: usize,
    ) -> Self {
        let shape = ConvShape { n: 1, h: side, w: side, ci, co, kernel, stride };
        // Wrong shapes are a mistake in a layer, like in burn's own operations.
        let weights = Weights::new(&shape, shape.algorithm(Purpose::Answering), weight)
            .unwrap_or_else(|error| panic!("convolution {shape:?}: {error}"));
        Self { shape, weights, bias }
    }

    /// `x [n, h, w, ci]`, `residual [n, oh, ow, co]` → `[n, oh, ow, co]`.
    pub fn forward(&self, n: usize, x: &[f32], residual: Option<&[f32]>, activation: Activation) -> Activations {
        let shape = ConvShape { n, ..self.shape };
        let mut y = Activations::new(shape.output_len());
        let epilogue = Epilogue { bias: self.bias.as_deref(), residual, activation };
        fastconv::forward(&shape, &self.weights, x, epilogue, &mut y)
            .unwrap_or_else(|error| panic!("convolution {shape:?}: {error}"));
        y
    }

    /// Whether one face has work enough for all threads.
    fn is_large(&self) -> bool {
        self.shape.h * self.shape.w >= LARGE
    }

    /// Memory of the weights, bytes.
    pub fn bytes(&self) -> usize {
        self.weights.bytes()
    }
}

/// Table I, ready to answer.
#[derive(Debug)]
pub(crate) struct PreparedEncoder {
    convs: Vec<PreparedConv>,
    side: usize,
}

impl PreparedEncoder {
    /// For faces of `side × side`.
    pub fn new<B: NetworkBackend>(encoder: &Encoder<B>, side: usize) -> Self {
        let mut at = side;
        let convs = encoder
            .layers()
            .map(|(conv, stride)| {
                let conv = PreparedConv::new(conv, at, stride);
                at = at.div_ceil(stride);
                conv
            })
            .collect();
        Self { convs, side }
    }

    /// Side of the faces that it is made for.
    pub fn side(&self) -> usize {
        self.side
    }

    /// `n` faces → features `[n, side/8, side/8, 256]`. Large layers are evaluated face by face: one face has work enough
    /// for all threads there, and its activations stay in the cache.
    pub fn forward(&self, n: usize, faces: &[f32]) -> Activations {
        let (large, small) = self.convs.split_at(self.convs.iter().take_while(|conv| conv.is_large()).count());
        let len = large.last().map_or(self.side * self.side, |conv| conv.shape.output_len());
        let mut x = Activations::new(n * len);
        for (face, out) in faces.chunks_exact(self.side * self.side).zip(x.chunks_exact_mut(len)) {
            let mut y: Option<Activations> = None;
            for conv in large {
                y = Some(conv.forward(1, y.as_deref().unwrap_or(face), None, Activation::Elu));
            }
            out.copy_from_slice(y.as_deref().unwrap_or(face));
        }
        for conv in small {
            x = conv.forward(n, &x, None, Activation::Elu);
        }
        x
    }

    /// Memory of the weights, bytes.
    pub fn bytes(&self) -> usize {
        self.convs.iter().map(PreparedConv::bytes).sum()
    }
}
