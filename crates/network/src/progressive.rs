//! The progressive network: one encoder, and columns that draw from earlier ones.

use crate::backend::NetworkBackend;
use crate::column::{ColumnEntry, ColumnOutput, NetworkError};
use crate::encoder::Encoder;
use crate::evaluator::{Evaluator, Lazy, Modules, Prepared, through_modules};
use crate::layers::Dense;
use crate::names::TaskName;
use crate::prepared::PreparedEncoder;
use crate::prepared::columns::Wanted;
use crate::tensors::{FACE_SIZE, FEATURE_STRIDE};
use crate::weights_kept::WeightsKept;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The network that answers. Cloning is cheap: weights are shared.
#[derive(Debug, Clone)]
pub struct ProgressiveNetwork<B: Backend> {
    encoder: WeightsKept<Encoder<B>, PreparedEncoder>,
    /// The encoder's; small enough to stay where only prepared weights are kept.
    descriptor_head: Option<Dense<B>>,
    columns: Vec<ColumnEntry<B>>,
    face_side: usize,
}

impl<B: NetworkBackend> ProgressiveNetwork<B> {
    /// An encoder without columns.
    pub fn new(encoder: Encoder<B>) -> Self {
        Self {
            descriptor_head: encoder.descriptor_head().cloned(),
            encoder: WeightsKept::trainable(encoder),
            columns: Vec::new(),
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
        let columns = self.columns.into_iter().map(|entry| entry.reading(side / FEATURE_STRIDE));
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { columns, encoder: self.encoder.unprepared(), face_side: side, ..self })
    }

    /// Side of the faces that it reads, pixels.
    pub fn face_side(&self) -> usize {
        self.face_side
    }

    /// From here on only what the network answers with is kept of its weights: on CPUs that is a third less memory. No
    /// training can begin from one of its columns any more.
    pub fn answering_only(self) -> Self {
        if !B::answers_prepared() {
            return self;
        }
        let side = self.face_side;
        Self {
            encoder: self.encoder.answering(|encoder| PreparedEncoder::new(encoder, side)),
            columns: self.columns.into_iter().map(ColumnEntry::answering_only).collect(),
            ..self
        }
    }

    /// A column as this network keeps its weights.
    fn kept(&self, entry: ColumnEntry<B>) -> Result<ColumnEntry<B>, NetworkError> {
        let entry = entry.reading(self.face_side / FEATURE_STRIDE)?;
        Ok(match self.encoder {
            WeightsKept::Answering(_) => entry.answering_only(),
            WeightsKept::Trainable(..) => entry,
        })
    }

    /// The shared encoder.
    ///
    /// # Errors
    /// Its weights were given up; see [`Self::answering_only`].
    pub fn encoder(&self) -> Result<&Encoder<B>, NetworkError> {
        self.encoder.module().ok_or_else(|| NetworkError::AnswersOnly("the encoder".to_owned()))
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
    /// The name is taken, a source is missing, sources and lateral connections do not fit, or the column only answers faces of
    /// another size.
    pub fn insert(&mut self, entry: ColumnEntry<B>) -> Result<(), NetworkError> {
        if self.position(&entry.name).is_some() {
            return Err(NetworkError::Exists(entry.name));
        }
        self.check(&entry, self.columns.len())?;
        let entry = self.kept(entry)?;
        self.columns.push(entry);
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
        self.columns[at] = self.kept(entry)?;
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

    /// Faces `[N, 1, 128, 128]` in [−1, 1] → logits `[N, K]` of every column that is not silent.
    pub fn forward(&self, faces: Tensor<B, 4>) -> Vec<(TaskName, Tensor<B, 2>)> {
        let logits = self.evaluator().logits(faces);
        let answering = self.columns.iter().zip(logits).filter(|(entry, _)| !entry.silent);
        answering.map(|(entry, logits)| (entry.name.clone(), logits)).collect()
    }

    /// Faces `[N, 1, 128, 128]` in [−1, 1] → features `[N, 16, 16, 256]`, as columns read them.
    pub fn features(&self, faces: Tensor<B, 4>) -> Tensor<B, 4> {
        self.evaluator().features(faces)
    }

    /// Features `[N,16,16,256]` → the output of every column, silent ones too, depth by depth.
    pub fn columns_forward(&self, features: Tensor<B, 4>) -> Vec<ColumnOutput<B>> {
        self.evaluator().outputs(features, Wanted::AllBlocks)
    }

    /// Features `[N,16,16,256]` → what every column gives to heads that draw from it, `[N,4,4,C]`: the last of
    /// [`ColumnOutput::blocks`].
    pub fn last_blocks(&self, features: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let outputs = self.evaluator().outputs(features, Wanted::LastBlocks);
        outputs.into_iter().filter_map(|mut output| output.blocks.pop()).collect()
    }

    /// [`Self::columns_forward`] through burn's modules, as the reference.
    ///
    /// # Errors
    /// The network is [answering only](Self::answering_only) on a CPU.
    pub fn modules_forward(&self, features: Tensor<B, 4>) -> Result<Vec<ColumnOutput<B>>, NetworkError> {
        let columns = self.columns.iter().map(ColumnEntry::column).collect::<Result<Vec<_>, _>>()?;
        Ok(through_modules(&columns, &self.source_positions(), features))
    }

    /// Memory of the weights that CPUs answer with, bytes: encoder, then each column. Prepares what is not yet.
    pub fn prepared_bytes(&self) -> (usize, Vec<usize>) {
        (self.prepared_encoder().bytes(), self.columns.iter().map(|entry| entry.prepared().bytes()).collect())
    }

    fn prepared_encoder(&self) -> &PreparedEncoder {
        self.encoder.prepared(|encoder| PreparedEncoder::new(encoder, self.face_side))
    }

    /// Modules where the backend answers with them and they are there; prepared weights everywhere else.
    fn evaluator(&self) -> Box<dyn Evaluator<B> + '_> {
        let sources = self.source_positions();
        if !B::answers_prepared() {
            let columns: Option<Vec<_>> = self.columns.iter().map(|entry| entry.weights.module()).collect();
            if let (Some(encoder), Some(columns)) = (self.encoder.module(), columns) {
                return Box::new(Modules { encoder, columns, sources });
            }
        }
        // One after the other: preparing works in parallel itself, and a thread that waits there would take up the next
        // column's preparation in the middle of this one's.
        let columns = || self.columns.iter().map(ColumnEntry::prepared).collect();
        Box::new(Prepared {
            encoder: Lazy::new(Box::new(|| self.prepared_encoder())),
            columns: Lazy::new(Box::new(columns)),
            sources,
        })
    }

    /// For each column the positions of its sources.
    fn source_positions(&self) -> Vec<Vec<usize>> {
        self.columns
            .iter()
            .map(|entry| entry.sources.iter().filter_map(|source| self.position(source)).collect())
            .collect()
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
