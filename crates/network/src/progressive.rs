//! The progressive network: one encoder, and columns that draw from earlier ones.

use crate::backend::NetworkBackend;
use crate::column::{Column, ColumnEntry, ColumnOutput, NetworkError};
use crate::encoder::Encoder;
use crate::layers::Dense;
use crate::names::TaskName;
use crate::prepared::column::block_side;
use crate::prepared::columns::{self, PreparedOutput, Wanted};
use crate::prepared::{Activations, PreparedEncoder};
use crate::tensors::{FACE_SIZE, FEATURE_STRIDE};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::sync::{Arc, OnceLock};

/// The network that answers. Cloning is cheap: weights are shared.
#[derive(Debug, Clone)]
pub struct ProgressiveNetwork<B: Backend> {
    /// The weights as they are stored; none once only the prepared ones are kept.
    encoder: Option<Encoder<B>>,
    /// The encoder's; small enough to stay where only prepared weights are kept.
    descriptor_head: Option<Dense<B>>,
    columns: Vec<ColumnEntry<B>>,
    prepared: Arc<OnceLock<PreparedEncoder>>,
    answering_only: bool,
    face_side: usize,
}

impl<B: NetworkBackend> ProgressiveNetwork<B> {
    /// An encoder without columns.
    pub fn new(encoder: Encoder<B>) -> Self {
        Self {
            descriptor_head: encoder.descriptor_head().cloned(),
            encoder: Some(encoder),
            columns: Vec::new(),
            prepared: Arc::default(),
            answering_only: false,
            face_side: FACE_SIZE,
        }
    }

    /// The same encoder without columns; columns that are added are kept as this network keeps them.
    pub fn without_columns(&self) -> Self {
        Self { columns: Vec::new(), ..self.clone() }
    }

    /// The same network for faces of `side × side`, 32, 64 or 128 pixels: for experiments that save time. It answers as well
    /// as before only where it was trained on such faces.
    ///
    /// # Errors
    /// Its weights were given up; see [`Self::answering_only`].
    ///
    /// # Panics
    /// At another side.
    pub fn for_faces_of(self, side: usize) -> Result<Self, NetworkError> {
        assert!([32, 64, 128].contains(&side), "faces of {side}×{side}");
        self.encoder()?;
        for entry in &self.columns {
            entry.column()?;
        }
        let columns = self.columns.into_iter().map(|entry| entry.reading(side / FEATURE_STRIDE)).collect();
        Ok(Self { columns, prepared: Arc::default(), face_side: side, ..self })
    }

    /// Side of the faces that it reads, pixels.
    pub fn face_side(&self) -> usize {
        self.face_side
    }

    /// From here on only what the network answers with is kept of its weights: on CPUs that is a third less memory. No
    /// training can begin from one of its columns any more.
    pub fn answering_only(mut self) -> Self {
        self.answering_only = true;
        if B::answers_prepared() {
            self.prepared_encoder();
            self.encoder = None;
        }
        self.columns = self.columns.into_iter().map(ColumnEntry::answering_only).collect();
        self
    }

    fn kept(&self, entry: ColumnEntry<B>) -> ColumnEntry<B> {
        let entry = entry.reading(self.face_side / FEATURE_STRIDE);
        if self.answering_only { entry.answering_only() } else { entry }
    }

    /// The shared encoder.
    ///
    /// # Errors
    /// Its weights were given up; see [`Self::answering_only`].
    pub fn encoder(&self) -> Result<&Encoder<B>, NetworkError> {
        self.encoder.as_ref().ok_or(NetworkError::EncoderAnswersOnly)
    }

    /// What reads the face descriptor from pooled features; see [`Encoder::descriptor_head`].
    pub fn descriptor_head(&self) -> Option<&Dense<B>> {
        self.descriptor_head.as_ref()
    }

    /// All columns, sources before those that draw from them.
    pub fn columns(&self) -> &[ColumnEntry<B>] {
        &self.columns
    }

    /// A column by name.
    pub fn get(&self, name: &TaskName) -> Option<&ColumnEntry<B>> {
        self.columns.iter().find(|entry| &entry.name == name)
    }

    fn position(&self, name: &TaskName) -> Option<usize> {
        self.columns.iter().position(|entry| &entry.name == name)
    }

    fn check(&self, entry: &ColumnEntry<B>, before: usize) -> Result<(), NetworkError> {
        if entry.has_laterals == entry.sources.is_empty() {
            return Err(NetworkError::Laterals(entry.name.clone()));
        }
        for source in &entry.sources {
            if self.position(source).is_none_or(|at| at >= before) {
                return Err(NetworkError::MissingSource { column: entry.name.clone(), source_column: source.clone() });
            }
        }
        Ok(())
    }

    /// Adds a column behind the others.
    ///
    /// # Errors
    /// The name is taken, a source is missing, or sources and lateral connections do not fit.
    pub fn insert(&mut self, entry: ColumnEntry<B>) -> Result<(), NetworkError> {
        if self.position(&entry.name).is_some() {
            return Err(NetworkError::Exists(entry.name));
        }
        self.check(&entry, self.columns.len())?;
        self.columns.push(self.kept(entry));
        Ok(())
    }

    /// Puts a newly trained column in the place of the one with its name.
    ///
    /// # Errors
    /// There is no such column, another draws from it (its answers would change), or sources do not fit.
    pub fn replace(&mut self, entry: ColumnEntry<B>) -> Result<(), NetworkError> {
        let at = self.position(&entry.name).ok_or_else(|| NetworkError::Unknown(entry.name.clone()))?;
        self.check_unused(&entry.name)?;
        self.check(&entry, at)?;
        self.columns[at] = self.kept(entry);
        Ok(())
    }

    /// Columns that draw from `name` directly.
    pub fn dependants(&self, name: &TaskName) -> Vec<TaskName> {
        self.columns.iter().filter(|entry| entry.sources.contains(name)).map(|entry| entry.name.clone()).collect()
    }

    fn check_unused(&self, name: &TaskName) -> Result<(), NetworkError> {
        let dependants = self.dependants(name);
        if dependants.is_empty() { Ok(()) } else { Err(NetworkError::InUse { column: name.clone(), dependants }) }
    }

    /// Takes a column out.
    ///
    /// # Errors
    /// There is no such column, or others draw from it.
    pub fn remove(&mut self, name: &TaskName) -> Result<ColumnEntry<B>, NetworkError> {
        let at = self.position(name).ok_or_else(|| NetworkError::Unknown(name.clone()))?;
        self.check_unused(name)?;
        Ok(self.columns.remove(at))
    }

    /// Makes a column silent, or lets it answer again.
    ///
    /// # Errors
    /// There is no such column.
    pub fn set_silent(&mut self, name: &TaskName, silent: bool) -> Result<(), NetworkError> {
        let at = self.position(name).ok_or_else(|| NetworkError::Unknown(name.clone()))?;
        self.columns[at].silent = silent;
        Ok(())
    }

    /// Faces `[N, 1, 128, 128]` in [−1, 1] → logits `[N, K]` of every column that is not silent.
    pub fn forward(&self, faces: Tensor<B, 4>) -> Vec<(TaskName, Tensor<B, 2>)> {
        let device = faces.device();
        let outputs: Vec<Tensor<B, 2>> = if B::answers_prepared() {
            let n = faces.dims()[0];
            let features = self.prepared_features(faces);
            let outputs = self.prepared_columns(n, &features, Wanted::Logits);
            outputs.into_iter().map(|output| tensor(&output.logits, [n, output.logits.len() / n], &device)).collect()
        } else {
            let outputs = self.through_modules(&self.card_columns(), self.encoder_module().forward(faces));
            outputs.into_iter().map(|output| output.logits).collect()
        };
        self.columns
            .iter()
            .zip(outputs)
            .filter(|(entry, _)| !entry.silent)
            .map(|(entry, logits)| (entry.name.clone(), logits))
            .collect()
    }

    /// Faces `[N, 1, 128, 128]` in [−1, 1] → features `[N, 16, 16, 256]`, as columns read them.
    pub fn features(&self, faces: Tensor<B, 4>) -> Tensor<B, 4> {
        if !B::answers_prepared() {
            return self.encoder_module().forward(faces);
        }
        let (device, [n, _, h, w]) = (faces.device(), faces.dims());
        let features = self.prepared_features(faces);
        let (h, w) = (h / FEATURE_STRIDE, w / FEATURE_STRIDE);
        tensor(&features, [n, h, w, features.len() / (n * h * w).max(1)], &device)
    }

    /// Features `[N,16,16,256]` → the output of every column, silent ones too, depth by depth.
    pub fn columns_forward(&self, features: Tensor<B, 4>) -> Vec<ColumnOutput<B>> {
        if !B::answers_prepared() {
            return self.through_modules(&self.card_columns(), features);
        }
        let (device, [n, side, _, _]) = (features.device(), features.dims());
        let outputs = self.prepared_columns(n, &Activations::of(features), Wanted::AllBlocks);
        let sides: Vec<usize> = (1..=Column::<B>::BLOCKS).map(|depth| block_side(side, depth)).collect();
        outputs
            .into_iter()
            .map(|output| ColumnOutput {
                logits: tensor(&output.logits, [n, output.logits.len() / n.max(1)], &device),
                blocks: sides
                    .iter()
                    .zip(&output.blocks)
                    .map(|(&side, block)| {
                        tensor(block, [n, side, side, block.len() / (n * side * side).max(1)], &device)
                    })
                    .collect(),
            })
            .collect()
    }

    /// Features `[N,16,16,256]` → what every column gives to heads that draw from it, `[N,4,4,C]`: the last of
    /// [`ColumnOutput::blocks`].
    pub fn last_blocks(&self, features: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        if !B::answers_prepared() {
            let outputs = self.through_modules(&self.card_columns(), features);
            return outputs.into_iter().filter_map(|mut output| output.blocks.pop()).collect();
        }
        let (device, [n, side, _, _]) = (features.device(), features.dims());
        let outputs = self.prepared_columns(n, &Activations::of(features), Wanted::LastBlocks);
        let side = block_side(side, Column::<B>::BLOCKS);
        let last = outputs.iter().filter_map(|output| output.blocks.last());
        last.map(|block| tensor(block, [n, side, side, block.len() / (n * side * side).max(1)], &device)).collect()
    }

    /// Memory of the weights that CPUs answer with, bytes: encoder, then each column. Prepares what is not yet.
    pub fn prepared_bytes(&self) -> (usize, Vec<usize>) {
        (self.prepared_encoder().bytes(), self.columns.iter().map(|entry| entry.prepared().bytes()).collect())
    }

    fn encoder_module(&self) -> &Encoder<B> {
        match &self.encoder {
            Some(encoder) => encoder,
            None => unreachable!("weights are given up only when the prepared ones are there"),
        }
    }

    fn prepared_encoder(&self) -> &PreparedEncoder {
        self.prepared.get_or_init(|| PreparedEncoder::new(self.encoder_module(), self.face_side))
    }

    fn prepared_features(&self, faces: Tensor<B, 4>) -> Activations {
        let [n, _, h, _] = faces.dims();
        let encoder = self.prepared_encoder();
        assert_eq!(h, encoder.side(), "the side of a face");
        encoder.forward(n, &Activations::of(faces))
    }

    fn prepared_columns(&self, n: usize, features: &Activations, wanted: Wanted) -> Vec<PreparedOutput> {
        // One after the other: preparing works in parallel itself, and a thread that waits there would take up the next
        // column's preparation in the middle of this one's.
        let columns: Vec<_> = self.columns.iter().map(ColumnEntry::prepared).collect();
        columns::forward(&columns, &self.source_positions(), n, features, wanted)
    }

    /// For each column the positions of its sources.
    fn source_positions(&self) -> Vec<Vec<usize>> {
        self.columns
            .iter()
            .map(|entry| entry.sources.iter().filter_map(|source| self.position(source)).collect())
            .collect()
    }

    /// [`Self::columns_forward`] through burn's modules: on cards, and as the reference on CPUs.
    ///
    /// # Errors
    /// The network is [answering only](Self::answering_only) on a CPU.
    pub fn modules_forward(&self, features: Tensor<B, 4>) -> Result<Vec<ColumnOutput<B>>, NetworkError> {
        let columns = self.columns.iter().map(ColumnEntry::column).collect::<Result<Vec<_>, _>>()?;
        Ok(self.through_modules(&columns, features))
    }

    /// The weights of all columns on a card, where they are never given up.
    fn card_columns(&self) -> Vec<&Column<B>> {
        self.columns.iter().filter_map(|entry| entry.column.as_ref()).collect()
    }

    fn through_modules(&self, columns: &[&Column<B>], features: Tensor<B, 4>) -> Vec<ColumnOutput<B>> {
        let sources = self.source_positions();
        let mut blocks: Vec<Vec<Tensor<B, 4>>> = vec![Vec::new(); self.columns.len()];
        let lateral = |blocks: &[Vec<Tensor<B, 4>>], column: usize, depth: usize| -> Vec<Tensor<B, 4>> {
            sources[column].iter().map(|&source| blocks[source][depth].clone()).collect()
        };
        for depth in 0..Column::<B>::BLOCKS {
            for (at, column) in columns.iter().enumerate() {
                let x = blocks[at].last().cloned().unwrap_or_else(|| features.clone());
                let from = if depth > 0 { lateral(&blocks, at, depth - 1) } else { Vec::new() };
                let y = column.block(depth, x, &from);
                blocks[at].push(y);
            }
        }
        let mut outputs: Vec<ColumnOutput<B>> = Vec::with_capacity(columns.len());
        for (at, (column, blocks)) in columns.iter().zip(blocks).enumerate() {
            let drawn: Vec<_> =
                sources[at].iter().filter_map(|&source| outputs[source].blocks.last().cloned()).collect();
            outputs.push(column.answer(blocks, &drawn));
        }
        outputs
    }

    /// Only the named columns and what they draw from, in this network's order; for training on top of them.
    ///
    /// # Errors
    /// One of them does not exist.
    pub fn restricted_to(&self, names: &[TaskName]) -> Result<Self, NetworkError> {
        let mut wanted = Vec::new();
        let mut open: Vec<TaskName> = names.to_vec();
        while let Some(name) = open.pop() {
            let entry = self.get(&name).ok_or_else(|| NetworkError::Unknown(name.clone()))?;
            open.extend(entry.sources.iter().filter(|source| !wanted.contains(*source)).cloned());
            wanted.push(name);
        }
        let columns = self.columns.iter().filter(|entry| wanted.contains(&entry.name)).cloned().collect();
        Ok(Self { columns, ..self.without_columns() })
    }
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D], device: &B::Device) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
