//! What a step of a refinement reads.

use super::union::Union;
use super::{RefinePhase, RefineTask};
use crate::data::{FaceCrop, enlarged};
use crate::pictures::shrunk;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Faces as a phase sees them, otherwise unchanged.
pub(super) fn seen<B: Backend>(faces: &[FaceCrop], phase: RefinePhase, device: &B::Device) -> Tensor<B, 4> {
    shrunk(&enlarged(faces, phase.zoom), phase.side, device)
}

/// A matrix, row by row.
pub(super) type Rows = Vec<Vec<f32>>;

/// Targets and weights of a batch for one task; faces that it has no label for weigh nothing. Nothing when it has no label
/// for any.
pub(super) fn labels(
    union: &Union,
    drawn: &[usize],
    task: usize,
    data: &RefineTask,
    weights: &[f32],
) -> Option<[Rows; 2]> {
    let (mut targets, mut row_weights) = (Rows::new(), Rows::new());
    for &index in drawn {
        let target = union.rows[index][task].map(|row| &data.train.targets[row]);
        let weight = target.map_or(0.0, |target| target.iter().zip(weights).map(|(t, w)| t * w).sum());
        targets.push(target.cloned().unwrap_or_else(|| vec![0.0; weights.len()]));
        row_weights.push(vec![weight]);
    }
    row_weights.iter().any(|weight| weight[0] > 0.0).then_some([targets, row_weights])
}
