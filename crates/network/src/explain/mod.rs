//! Where in a face a column looks (the paper's Fig. 4): guided backpropagation (Springenberg et al. 2015), Grad-CAM and
//! guided Grad-CAM (Selvaraju et al. 2017).

mod tiles;

use crate::backend::autodiff::guided;
use crate::backend::{NetworkBackend, TrainBackend};
use crate::column::{Column, last_outputs};
use crate::encoder::Encoder;
use crate::names::TaskName;
use crate::tensors::{self, FACE_PIXELS, FACE_SIZE, faces_to_tensor, rows};
use crate::{ColumnEntry, NetworkError, ProgressiveNetwork};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;

/// What made a column answer one of its labels. Maps are 128×128, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The label, by its place among the column's.
    pub class: usize,
    /// Its logit.
    pub logit: f32,
    /// Guided backpropagation: how the logit grows with each pixel's brightness, through units that speak for it alone.
    /// Signed, in logits per unit of [−1, 1].
    pub guided: Vec<f32>,
    /// Grad-CAM of the column's last 8×8 maps, or of the encoder's for a column without blocks: [0, 1], 1 at its largest.
    pub cam: Vec<f32>,
    /// Grad-CAM of the encoder's features, through the column and all that it draws from: [0, 1].
    pub encoder_cam: Vec<f32>,
}

impl Explanation {
    /// Guided Grad-CAM: [`Self::guided`] where [`Self::cam`] looks.
    pub fn guided_cam(&self) -> Vec<f32> {
        self.guided.iter().zip(&self.cam).map(|(guided, cam)| guided * cam).collect()
    }
}

type Train<B> = TrainBackend<B>;

/// Explains the answer of `task` for a face of 128×128 grey pixels: for the label at `class`, or for the likeliest one.
///
/// # Errors
/// There is no such column or label, or the network is [answering only](ProgressiveNetwork::answering_only).
pub fn explain<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    task: &TaskName,
    class: Option<usize>,
    face: &[u8],
    device: &B::Device,
) -> Result<Explanation, NetworkError> {
    let network = learnable(&network.restricted_to(std::slice::from_ref(task))?)?;
    let at = network.columns().iter().position(|entry| &entry.name == task);
    let at = at.ok_or_else(|| NetworkError::Unknown(task.clone()))?;

    let picture = Tensor::<Train<B>, 4>::from_inner(faces_to_tensor(&[face], device)).require_grad();
    let features = network.encoder()?.forward(picture.clone());
    let outputs = network.columns_forward(features.clone());
    let logits = outputs[at].logits.clone();
    let values = rows(logits.clone()).pop().unwrap_or_default();
    let likeliest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at);
    let class = class.unwrap_or(likeliest);
    let Some(&logit) = values.get(class) else {
        return Err(NetworkError::NoLabel { column: task.clone(), class, classes: values.len() });
    };
    let of_class = |logits: Tensor<Train<B>, 2>| logits.narrow(1, class, 1).sum();

    let gradients = guided(|| of_class(logits).backward());
    let guided = picture.grad(&gradients).map_or_else(|| vec![0.0; FACE_PIXELS], tensors::values);

    let maps = Tensor::from_inner(features.inner()).require_grad();
    let gradients = of_class(network.columns_forward(maps.clone())[at].logits.clone()).backward();
    let encoder_cam = cam::<B>(&maps, maps.grad(&gradients));

    let entry = &network.columns()[at];
    let column = entry.column()?;
    let cam = if column.has_blocks() {
        let last = Column::<B>::BLOCKS - 1;
        let blocks: Vec<Vec<Tensor<Train<B>, 4>>> = entry
            .sources
            .iter()
            .filter_map(|source| network.columns().iter().position(|entry| &entry.name == source))
            .map(|source| {
                outputs[source].blocks.iter().map(|block| Tensor::from_inner(block.clone().inner())).collect()
            })
            .collect();
        let maps = Tensor::from_inner(outputs[at].blocks[last - 1].clone().inner()).require_grad();
        let y = column.block(last, maps.clone(), &column.sources_at(&blocks, last));
        let gradients = of_class(column.head(y, &last_outputs(&blocks))).backward();
        cam::<B>(&maps, maps.grad(&gradients))
    } else {
        encoder_cam.clone()
    };
    Ok(Explanation { class, logit, guided, cam, encoder_cam })
}

/// The same weights for gradients to pictures and maps; none goes to the weights.
fn learnable<B: NetworkBackend>(network: &ProgressiveNetwork<B>) -> Result<ProgressiveNetwork<Train<B>>, NetworkError> {
    let encoder = Encoder::<Train<B>>::from_inner(network.encoder()?.clone()).no_grad();
    let mut out = ProgressiveNetwork::new(encoder);
    for entry in network.columns() {
        let column = Column::<Train<B>>::from_inner(entry.column()?.clone()).no_grad().without_dropout();
        out.insert(ColumnEntry::new(entry.name.clone(), entry.sources.clone(), column, entry.silent))?;
    }
    Ok(out)
}

/// Grad-CAM: maps `[1, S, S, C]` weighted by their mean gradients, without what speaks against the label, enlarged.
fn cam<B: NetworkBackend>(maps: &Tensor<Train<B>, 4>, gradient: Option<Tensor<B, 4>>) -> Vec<f32> {
    let Some(gradient) = gradient else { return vec![0.0; FACE_PIXELS] };
    let weights = gradient.mean_dims(&[1, 2]);
    let sum = (maps.clone().inner() * weights).sum_dim(3).clamp_min(0.0);
    let [_, side, _, _] = sum.dims();
    let values = tensors::values(sum);
    let top = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    enlarged(&values.iter().map(|value| value / top).collect::<Vec<_>>(), side)
}

/// A square map to 128×128, bilinear.
fn enlarged(map: &[f32], side: usize) -> Vec<f32> {
    let place = |at: usize| {
        let x = ((at as f32 + 0.5) * side as f32 / FACE_SIZE as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let low = x as usize;
        (low, (low + 1).min(side - 1), x.fract())
    };
    (0..FACE_PIXELS)
        .map(|at| {
            let ((x0, x1, fx), (y0, y1, fy)) = (place(at % FACE_SIZE), place(at / FACE_SIZE));
            let row = |y: usize| map[y * side + x0] * (1.0 - fx) + map[y * side + x1] * fx;
            row(y0) * (1.0 - fy) + row(y1) * fy
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enlarged_map_keeps_its_corners_and_its_middle() {
        let map = enlarged(&[0.0, 1.0, 1.0, 0.0], 2);
        assert_eq!((map[0], map[FACE_SIZE - 1]), (0.0, 1.0));
        assert!((map[64 * FACE_SIZE + 64] - 0.5).abs() < 0.02);
    }
}
