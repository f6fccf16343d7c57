//! What a column's training reads: batches of training faces, and those held back.

use super::config::{ColumnTrainingConfig, Trainable};
use super::kept::Kept;
use super::standard::Standard;
use crate::data::{FaceCrop, LabelledFaces};
use crate::features::{Frozen, Inputs};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use network::{Column, NetworkBackend, TrainBackend, rows};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

type Train<B> = TrainBackend<B>;

/// Logits from what [`Supply`] and [`HeldBack`] give, for a column whose head reads standardised values.
pub(crate) fn answer<B: NetworkBackend>(
    column: &Column<B>,
    inputs: Inputs<B>,
    trainable: Trainable,
    standard: &Standard<B>,
) -> Tensor<B, 2> {
    let last: Vec<_> = inputs.sources.iter().filter_map(|blocks| blocks.last().cloned()).collect();
    let x = match trainable {
        Trainable::All => at_head(column, inputs),
        Trainable::Head => inputs.features,
    };
    column.head(standard.apply(x), &last)
}

/// What a column's head reads: its last block's output.
pub(crate) fn at_head<B: NetworkBackend>(column: &Column<B>, inputs: Inputs<B>) -> Tensor<B, 4> {
    inputs.at_head(column).features
}

/// Inputs of the held-back faces, computed once.
pub(crate) struct HeldBack<B: NetworkBackend> {
    batches: Vec<Inputs<B>>,
    trainable: Trainable,
    standard: Standard<B>,
}

impl<B: NetworkBackend> HeldBack<B> {
    pub fn logits(&self, column: &Column<B>) -> Vec<Vec<f32>> {
        self.batches
            .iter()
            .flat_map(|inputs| rows(answer(column, inputs.clone(), self.trainable, &self.standard)))
            .collect()
    }
}

/// Gives the training batches of each epoch: from kept features, or computed anew from changed faces.
pub(crate) struct Supply<'a, B: NetworkBackend> {
    frozen: &'a Frozen<B>,
    train: &'a LabelledFaces,
    config: &'a ColumnTrainingConfig,
    device: &'a B::Device,
    /// Features of all copies of all faces: copy `c` of face `i` is row `c · faces + i`.
    kept: Option<Kept>,
    /// Frozen blocks, when only the head learns.
    blocks: Option<Column<Train<B>>>,
}

/// Seed of copy `copy` of face `index`.
fn face_seed(seed: u64, copy: u64, index: usize) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (copy << 40) ^ index as u64
}

impl<'a, B: NetworkBackend> Supply<'a, B> {
    /// Nothing is kept yet; see [`Self::prepare`].
    pub fn new(
        frozen: &'a Frozen<B>,
        train: &'a LabelledFaces,
        config: &'a ColumnTrainingConfig,
        device: &'a B::Device,
    ) -> Self {
        Self { frozen, train, config, device, kept: None, blocks: None }
    }

    /// Inputs of the first faces in the first epoch's order, as they are.
    pub fn first(&self, count: usize) -> Inputs<B> {
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(self.config.seed));
        order.truncate(count);
        let faces: Vec<&[u8]> = order.iter().map(|&index| self.train.faces[index].as_ref()).collect();
        self.frozen.inputs(&faces, self.device)
    }

    /// Computes what is kept. When only the head learns, that is what the head of `begun` reads, batch by batch: all that
    /// its blocks read would be hundreds of megabytes. `None` when `keep_going` said no.
    pub fn prepare(&mut self, begun: &Column<B>, keep_going: &mut dyn FnMut() -> bool) -> Option<()> {
        if self.config.trainable == Trainable::Head {
            self.blocks = Some(Column::<Train<B>>::from_inner(begun.clone()).no_grad());
        }
        if self.config.cached_copies > 0 {
            let mut faces = self.train.faces.clone();
            for copy in 1..self.config.cached_copies {
                faces.extend(self.changed(&(0..self.train.len()).collect::<Vec<_>>(), copy as u64));
            }
            let mut kept = Kept::default();
            for faces in faces.chunks(self.config.batch.max(1)) {
                kept.add(self.inputs(faces));
                keep_going().then_some(())?;
            }
            self.kept = Some(kept);
        }
        Some(())
    }

    /// What the column or its head reads of one batch.
    fn inputs(&self, faces: &[FaceCrop]) -> Inputs<B> {
        let faces: Vec<&[u8]> = faces.iter().map(AsRef::as_ref).collect();
        let inputs = self.frozen.inputs(&faces, self.device);
        match &self.blocks {
            Some(blocks) => inputs.train().at_head(blocks).inner(),
            None => inputs,
        }
    }

    /// What is kept for the head of all faces; nothing when more than the head learns, or faces are changed anew each time.
    pub fn kept_at_head(&self) -> Option<Tensor<B, 4>> {
        let kept = self.kept.as_ref().filter(|_| self.config.trainable == Trainable::Head)?;
        Some(kept.select(&(0..kept.len()).collect::<Vec<_>>(), self.device).features)
    }

    /// Inputs of faces that do not change; after [`Self::prepare`].
    pub fn held_back(
        &self,
        validation: &LabelledFaces,
        standard: Standard<B>,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Option<HeldBack<B>> {
        let batches = validation.faces.chunks(self.config.batch.max(1)).map(|faces| {
            let inputs = self.inputs(faces);
            keep_going().then_some(inputs)
        });
        Some(HeldBack { batches: batches.collect::<Option<_>>()?, trainable: self.config.trainable, standard })
    }

    fn changed(&self, indices: &[usize], copy: u64) -> Vec<FaceCrop> {
        let augment = &self.config.augment;
        indices
            .par_iter()
            .map(|&index| augment.apply(&self.train.faces[index], face_seed(self.config.seed, copy, index)))
            .collect()
    }

    /// The batches of an epoch; the same for the same seed and epoch.
    pub fn epoch(&self, epoch: u32) -> impl Iterator<Item = (Inputs<Train<B>>, Vec<Vec<f32>>)> {
        let faces = self.train.len();
        let mut order: Vec<usize> = (0..faces * self.config.cached_copies.max(1)).collect();
        order.shuffle(&mut StdRng::seed_from_u64(self.config.seed ^ (u64::from(epoch) << 32)));
        order.truncate(self.config.faces_per_epoch(self.train.len()));
        let batches: Vec<Vec<usize>> = order.chunks(self.config.batch.max(1)).map(<[usize]>::to_vec).collect();
        batches.into_iter().map(move |rows| {
            let targets = rows.iter().map(|&row| self.train.targets[row % faces].clone()).collect();
            let inputs = match &self.kept {
                Some(kept) => kept.select(&rows, self.device),
                None => {
                    let changed = self.changed(&rows, u64::from(epoch) + 1);
                    self.inputs(&changed)
                }
            };
            (inputs.train(), targets)
        })
    }
}
