//! Processors that never have tiles of bfloat16.

use crate::epilogue::Epilogue;
use crate::plan::Plan;
use crate::shape::ConvShape;

/// From now on training convolutions of this process multiply in bfloat16, or in `f32` again (the default). False, and
/// nothing changes, when the machine has no matrix unit for it.
pub fn use_bfloat16(on: bool) -> bool {
    !on
}

pub(crate) fn in_use() -> bool {
    false
}

pub(crate) fn fits(_: &Plan) -> bool {
    false
}

pub(crate) fn fits_gradient(_: &ConvShape) -> bool {
    false
}

/// There are none.
#[derive(Debug, Clone)]
pub(crate) enum Halves {}

impl Halves {
    pub fn pack(_: &[f32], _: usize, _: usize) -> Self {
        unreachable!("nothing fits")
    }

    pub fn bytes(&self) -> usize {
        match *self {}
    }
}

pub(crate) fn convolve(_: &Plan, _: &[f32], weight: &Halves, _: Epilogue<'_>, _: &mut [f32]) {
    match *weight {}
}

pub(crate) fn backward_weight(_: &ConvShape, _: &[f32], _: &[f32], _: &mut [f32]) {
    unreachable!("nothing fits")
}
