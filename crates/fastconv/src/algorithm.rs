//! Which algorithm computes a convolution, and for which shapes each can.

use crate::amx;
use crate::plan::Plan;
use crate::shape::{ConvShape, ShapeError};

/// How a forward convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Sums over all taps and channels.
    Direct,
    /// Winograd F(2×2, 3×3).
    Winograd2,
    /// Winograd F(4×4, 3×3).
    Winograd4,
    /// Direct, products of bfloat16 on the processor's matrix unit. Only after [`use_bfloat16`](crate::use_bfloat16) said yes,
    /// and for training.
    Bfloat16,
}

/// What a convolution is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Weights are transformed once and kept; often one face at a time.
    Answering,
    /// Weights change at each step; batches.
    Training,
}

/// Channels are a multiple of the widest vector's values for Winograd.
const VECTOR: usize = 16;
/// Below, transforms cost more than they save.
const MIN_CHANNELS: usize = 32;
/// Pixels of a picture from which F(4×4) pays at one face.
const LARGE: usize = 32 * 32;
/// Pixels of a picture from which F(2×2) pays at one face.
const MIDDLE: usize = 16 * 16;

impl ConvShape {
    /// The algorithm for this layer. It depends on the layer's shape alone, never on the batch or the number of threads,
    /// so that a face gets the same bits in any company.
    ///
    /// | layer | training | answering |
    /// |---|---|---|
    /// | 3×3, stride 1, ≥ 32 channels in whole vectors, sides multiples of 4 | F(4×4) | F(4×4) from 32×32 pixels on |
    /// | the same, sides multiples of 2 | F(2×2) | F(2×2) from 16×16 pixels on |
    /// | all others | direct | direct |
    /// | whole tiles, after [`use_bfloat16`](crate::use_bfloat16) | bfloat16 | as above |
    ///
    /// Kept weights take 4 times their size with F(4×4) and 1.8 times with F(2×2). On small pictures a face's few tiles do
    /// not pay for reading the larger ones: at one face a layer of 16×16 pixels is bound by memory, and one of 8×8 takes as
    /// long either way.
    pub fn algorithm(&self, purpose: Purpose) -> Algorithm {
        if purpose == Purpose::Training && self.takes_tiles() {
            return Algorithm::Bfloat16;
        }
        self.algorithm_in_floats(purpose)
    }

    /// Whether the layer's tiles are whole, and the process multiplies in bfloat16.
    fn takes_tiles(&self) -> bool {
        // Without a 1×1 layer's flattened rows, whose length is the batch's.
        amx::in_use() && self.kernel == 3 && amx::fits(&Plan::forward(self))
    }

    /// [`Self::algorithm`] without the matrix unit.
    pub(crate) fn algorithm_in_floats(&self, purpose: Purpose) -> Algorithm {
        let whole = |value: usize, by: usize| value > 0 && value.is_multiple_of(by);
        let wide = |channels: usize| channels >= MIN_CHANNELS && whole(channels, VECTOR);
        if self.kernel != 3 || self.stride != 1 || !wide(self.ci) || !wide(self.co) {
            return Algorithm::Direct;
        }
        let from = |pixels: usize| purpose == Purpose::Training || self.h * self.w >= pixels;
        if whole(self.h, 4) && whole(self.w, 4) && from(LARGE) {
            Algorithm::Winograd4
        } else if whole(self.h, 2) && whole(self.w, 2) && from(MIDDLE) {
            Algorithm::Winograd2
        } else {
            Algorithm::Direct
        }
    }

    /// Whether the algorithm is one for this layer's kernel, stride and channels.
    pub(crate) fn check_kernel(&self, algorithm: Algorithm) -> Result<(), ShapeError> {
        ShapeError::expect("kernel", if self.kernel == 1 { 1 } else { 3 }, self.kernel)?;
        if algorithm == Algorithm::Bfloat16 {
            return ShapeError::expect("layers of whole tiles", 1, usize::from(self.takes_tiles()));
        }
        if algorithm != Algorithm::Direct {
            ShapeError::expect("kernel of a Winograd layer", 3, self.kernel)?;
            ShapeError::expect("stride of a Winograd layer", 1, self.stride)?;
            ShapeError::expect("input channels beyond whole vectors", 0, self.ci % VECTOR)?;
            ShapeError::expect("output channels beyond whole vectors", 0, self.co % VECTOR)?;
        }
        Ok(())
    }

    /// Whether the pictures are made of whole tiles.
    pub(crate) fn check_tiles(&self, algorithm: Algorithm) -> Result<(), ShapeError> {
        self.check_kernel(algorithm)?;
        let side = match algorithm {
            Algorithm::Direct | Algorithm::Bfloat16 => 1,
            Algorithm::Winograd2 => 2,
            Algorithm::Winograd4 => 4,
        };
        ShapeError::expect("rows beyond whole tiles", 0, self.h % side)?;
        ShapeError::expect("columns beyond whole tiles", 0, self.w % side)
    }
}
