//! What a column reads: the frozen encoder's features and its source columns' block outputs.

use crate::data::{FaceCrop, LabelledFaces};
use crate::looks::LOOKS;
use crate::pictures::shrunk;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{Column, NetworkBackend, NetworkError, ProgressiveNetwork, TaskName, TrainBackend, rows};

/// Share of the channels' mean deviation that is added to each: one that hardly changes is not blown up.
pub(crate) const DEVIATION_FLOOR: f32 = 0.1;
/// Faces per evaluation where nothing else decides.
const EVALUATION_BATCH: usize = 16;

/// Inputs of a column for one batch.
#[derive(Debug, Clone)]
pub(crate) struct Inputs<B: Backend> {
    /// `[N, 16, 16, 256]`.
    pub features: Tensor<B, 4>,
    /// Block outputs of each source column; for a column without blocks, the last alone.
    pub sources: Vec<Vec<Tensor<B, 4>>>,
}

impl<B: Backend> Inputs<B> {
    /// What the column's head reads, in place of what its blocks read: the last outputs alone.
    pub fn at_head(&self, column: &Column<B>) -> Self
    where
        B: NetworkBackend,
    {
        let mut blocks = column.blocks(self.features.clone(), &self.sources);
        let features = blocks.pop().unwrap_or_else(|| self.features.clone());
        let last = |blocks: &Vec<Tensor<B, 4>>| blocks.last().cloned().into_iter().collect();
        Self { features, sources: self.sources.iter().map(last).collect() }
    }
}

impl<B: NetworkBackend> Inputs<TrainBackend<B>> {
    /// Without the training backend's wrapping.
    pub fn inner(self) -> Inputs<B> {
        Inputs {
            features: self.features.inner(),
            sources: self.sources.into_iter().map(|s| s.into_iter().map(Tensor::inner).collect()).collect(),
        }
    }
}

impl<B: NetworkBackend> Inputs<B> {
    /// For training; no gradient goes through them.
    pub fn train(self) -> Inputs<TrainBackend<B>> {
        Inputs {
            features: Tensor::from_inner(self.features),
            sources: self.sources.into_iter().map(|s| s.into_iter().map(Tensor::from_inner).collect()).collect(),
        }
    }
}

/// The encoder and the source columns, frozen.
pub(crate) struct Frozen<B: Backend> {
    network: ProgressiveNetwork<B>,
    /// Positions of the sources among the network's columns.
    positions: Vec<usize>,
    /// Whether the column draws from more than the sources' last blocks.
    all_blocks: bool,
}

impl<B: NetworkBackend> Frozen<B> {
    pub fn new(network: &ProgressiveNetwork<B>, sources: &[TaskName], all_blocks: bool) -> Result<Self, NetworkError> {
        let network = network.restricted_to(sources)?;
        let position = |name: &TaskName| network.columns().iter().position(|entry| &entry.name == name);
        let positions = sources
            .iter()
            .map(|name| position(name).ok_or_else(|| NetworkError::Unknown(name.clone())))
            .collect::<Result<_, _>>()?;
        Ok(Self { network, positions, all_blocks })
    }

    /// Inputs for faces, one batch.
    pub fn inputs(&self, faces: &[&[u8]], device: &B::Device) -> Inputs<B> {
        let features = self.network.features(shrunk(faces, self.network.face_side(), device));
        let blocks: Vec<Vec<Tensor<B, 4>>> = if self.positions.is_empty() {
            Vec::new()
        } else if self.all_blocks {
            self.network.columns_forward(features.clone()).into_iter().map(|output| output.blocks).collect()
        } else {
            self.network.last_blocks(features.clone()).into_iter().map(|last| vec![last]).collect()
        };
        Inputs { features, sources: self.positions.iter().map(|&at| blocks[at].clone()).collect() }
    }

    /// Logits of a column that is in no network yet, one row a face.
    pub fn answers(&self, column: &Column<B>, faces: &[FaceCrop], device: &B::Device) -> Vec<Vec<f32>> {
        let batches = faces.chunks(EVALUATION_BATCH).flat_map(|batch| {
            let batch: Vec<&[u8]> = batch.iter().map(AsRef::as_ref).collect();
            let Inputs { features, sources } = self.inputs(&batch, device);
            rows(column.forward(features, &sources).logits)
        });
        batches.collect()
    }
}

/// What [`evaluate_column`] finds, its logits averaged over [`LOOKS`] at each face: near what the node says of a still face
/// after a few seconds, which merges the probabilities of a track's looks. `progress` is told how many faces are done.
///
/// # Errors
/// There is no such column.
pub fn evaluate_looks<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    task: &TaskName,
    data: &LabelledFaces,
    device: &B::Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, NetworkError> {
    let mut means = vec![Vec::new(); data.len()];
    for (at, look) in LOOKS.iter().enumerate() {
        let mut told = |done: usize| progress((at * data.len() + done) / LOOKS.len());
        let found = evaluate_column(network, task, &data.seen(look), device, &mut told)?;
        for (mean, logits) in means.iter_mut().zip(found.logits) {
            mean.resize(logits.len(), 0.0);
            mean.iter_mut().zip(logits).for_each(|(mean, logit)| *mean += logit / LOOKS.len() as f32);
        }
    }
    Ok(Evaluation { logits: means, truth: data.classes() })
}

/// A column's logits for labelled faces.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// One row a face.
    pub logits: Vec<Vec<f32>>,
    /// The true class of each face (the largest share of a soft label).
    pub truth: Vec<usize>,
}

/// Evaluates one column of the network on faces, batch by batch; `progress` is told how many faces are done.
///
/// # Errors
/// There is no such column.
pub fn evaluate_column<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    task: &TaskName,
    data: &LabelledFaces,
    device: &B::Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, NetworkError> {
    let alone = network.restricted_to(std::slice::from_ref(task))?;
    let at = alone.columns().iter().position(|entry| &entry.name == task);
    let at = at.ok_or_else(|| NetworkError::Unknown(task.clone()))?;
    let mut logits = Vec::with_capacity(data.len());
    for batch in data.faces.chunks(EVALUATION_BATCH) {
        let outputs = alone.columns_forward(alone.features(shrunk(batch, alone.face_side(), device)));
        logits.extend(rows(outputs[at].logits.clone()));
        progress(logits.len());
    }
    Ok(Evaluation { logits, truth: data.classes() })
}
