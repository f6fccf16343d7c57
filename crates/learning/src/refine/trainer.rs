//! The refinement's loop.

use super::gradients::{Histograms, Reader};
use super::union::Union;
use super::{RefineConfig, RefinePhase, RefineTask};
use crate::augment::AugmentConfig;
use crate::checkpoint::{Checkpoint, CheckpointError, Slot};
use crate::column_training::TrainError;
use crate::data::{Face, LabelledFaces, enlarged};
use crate::features::Inputs;
use crate::fit::{cosine, tracked};
use crate::loss::{class_weights, cross_entropy, matrix};
use crate::metrics::Confusion;
use crate::pictures::shrunk;
use crate::standard::Standard;
use burn::module::{AutodiffModule, Module};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{Column, ColumnConfig, Encoder, NetworkBackend, TaskName, TrainBackend, rows};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

/// One line of the refinement's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefineRecord {
    /// Counted from 1.
    pub step: u32,
    /// Side of the pictures.
    pub side: usize,
    /// Mean loss of each task since the record before.
    pub losses: BTreeMap<TaskName, f32>,
    /// Share of validation faces that each task's column had right.
    pub accuracies: BTreeMap<TaskName, f32>,
    /// Mean loss of the histograms since the record before, where they are learned: 1 says nothing of a face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hog_loss: Option<f32>,
    /// The rate of the last step.
    pub learning_rate: f64,
    /// Seconds of the steps since the record before.
    pub seconds: f32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    step: u32,
    /// Seconds that all steps took, with the looks at validation faces.
    seconds: f32,
}

type Train<B> = TrainBackend<B>;

/// An encoder under one column for each task.
#[derive(Module, Debug)]
struct Trunk<B: Backend> {
    encoder: Encoder<B>,
    columns: Vec<Column<B>>,
    /// Where histograms are learned, too.
    reader: Option<Reader<B>>,
}

impl<B: NetworkBackend> Trunk<B> {
    /// Logits of every task for what the encoder gives.
    fn answers(&self, features: Tensor<B, 4>, standards: &[Standard<B>]) -> Vec<Tensor<B, 2>> {
        let inputs = Inputs { features, sources: Vec::new() };
        let columns = self.columns.iter().zip(standards);
        columns.map(|(column, standard)| column.head(standard.apply(inputs.at_head(column).features), &[])).collect()
    }

    fn normalising_on(self, faces: Tensor<B, 4>, frozen: usize) -> Self {
        let features = self.encoder.forward(faces.clone());
        let columns = self.columns.into_iter().map(|column| column.normalising_on(features.clone(), &[])).collect();
        Self { encoder: self.encoder.normalising_on(faces, frozen), columns, ..self }
    }

    fn folded_on(self, faces: Tensor<B, 4>) -> Self {
        let encoder = self.encoder.folded_on(faces.clone());
        let features = encoder.forward(faces);
        let columns = self.columns.into_iter().map(|column| column.folded_on(features.clone(), &[])).collect();
        Self { encoder, columns, reader: self.reader }
    }
}

/// What a refinement gives.
#[derive(Debug, Clone)]
pub struct Refined<B: Backend> {
    /// The encoder.
    pub encoder: Encoder<B>,
    /// The column that each task learned with, and its sizes.
    pub columns: Vec<(Column<B>, ColumnConfig)>,
    /// How long it took, also before it was cut off, s.
    pub seconds: f32,
}

/// The trunk that learns, and its optimiser.
struct Fit<B: NetworkBackend> {
    trunk: Trunk<Train<B>>,
    optimiser: OptimizerAdaptor<AdamW, Trunk<Train<B>>, Train<B>>,
}

impl<B: NetworkBackend> Fit<B> {
    fn resumed(self, slot: &Slot, device: &B::Device) -> Result<Self, CheckpointError> {
        Ok(Self {
            trunk: self.trunk.load_record(slot.get::<Train<B>, _>("trunk", device)?),
            optimiser: self.optimiser.load_record(slot.get::<Train<B>, _>("optimiser", device)?),
        })
    }

    fn save(&self, slot: &Slot) -> Result<(), CheckpointError> {
        slot.put::<Train<B>, _>("trunk", self.trunk.clone().into_record())?;
        slot.put::<Train<B>, _>("optimiser", self.optimiser.to_record())
    }

    fn step(mut self, loss: Tensor<Train<B>, 1>, rate: f64) -> Self {
        let mut gradients = loss.backward();
        let gradients = GradientsParams::from_module::<Train<B>, _>(&mut gradients, &self.trunk);
        self.trunk = self.optimiser.step(rate, self.trunk, gradients);
        self
    }
}

/// Faces that stand for all when moments are measured.
const POPULATION_FACES: usize = 256;

/// Refines `encoder` for all tasks at once. Every [`RefineConfig::checkpoint_every`] steps a checkpoint is written and
/// `observer` gets a record; it is told of the other steps with `None`. A refinement that was cut off continues from the
/// checkpoint with the same faces in the same order.
///
/// # Errors
/// Cancelled by the observer, a checkpoint that cannot be written, a task without faces, or a loss that is no number.
pub fn refine<B: NetworkBackend>(
    encoder: Encoder<B>,
    features: usize,
    tasks: &[RefineTask],
    config: &RefineConfig,
    checkpoint: &Checkpoint,
    device: &B::Device,
    observer: &mut dyn FnMut(u32, Option<&RefineRecord>) -> ControlFlow<()>,
) -> Result<Refined<B>, TrainError> {
    let mut union = Union::new(tasks);
    if let Some(task) = tasks.iter().find(|task| task.train.is_empty()) {
        return Err(TrainError::Data(format!("no training faces for '{}'", task.name)));
    }
    let population: Vec<Face> =
        union.batch(0, POPULATION_FACES, config.seed).iter().map(|&at| union.faces[at].clone()).collect();
    let shown = seen::<B>(&population, phase_at(config, 0).0, device);
    let sizes: Vec<ColumnConfig> = tasks
        .iter()
        .map(|task| ColumnConfig {
            features,
            own_blocks: config.own_blocks,
            dropout: config.dropout,
            ..ColumnConfig::new(task.train.labels.len(), 0)
        })
        .collect();
    let first = encoder.forward(shown.clone());
    let columns = sizes.iter().zip(1..).map(|(sizes, at)| {
        let column = sizes.init::<B>(device, config.seed + at);
        column.normalised_on(first.clone(), &[])
    });
    let reader = (config.hog_weight > 0.0).then(|| Reader::init(features, config.seed, device));
    let columns: Vec<Column<B>> = columns.collect();
    // The head learns on standardised inputs, as in a column's own training.
    let inputs = Inputs { features: first, sources: Vec::new() };
    let standards: Vec<Standard<B>> =
        columns.iter().map(|column| Standard::of_channels(inputs.at_head(column).features)).collect();
    let histograms = reader
        .is_some()
        .then(|| Histograms::new(&enlarged(&population, phase_at(config, 0).0.zoom), inputs.features.clone()));
    let train_standards: Vec<_> = standards.iter().map(|standard| standard.clone().train()).collect();
    let columns = columns
        .into_iter()
        .zip(&standards)
        .map(|(column, standard)| column.reading_standardised(standard.mean.clone(), standard.deviation.clone()));
    let trunk = Trunk { columns: columns.collect(), encoder, reader }.normalising_on(shown, config.frozen_layers);
    let optimiser = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(config.weight_decay).init();
    let trunk: Trunk<Train<B>> = tracked::<B, _>(Trunk::from_inner(trunk));
    let mut fit = Fit { trunk: Trunk { encoder: trunk.encoder.freeze(config.frozen_layers), ..trunk }, optimiser };
    let mut state = State { step: 0, seconds: 0.0 };
    if let Some((found, slot)) = checkpoint.read::<State>()? {
        state = found;
        fit = fit.resumed(&slot, device)?;
        tracing::info!(step = state.step, "refinement continues from its checkpoint");
    }
    let weights: Vec<Vec<f32>> =
        tasks.iter().map(|task| class_weights(&task.train.counts(), config.class_weighting)).collect();
    let steps: u32 = config.phases.iter().map(|phase| phase.steps).sum();
    let mut sums = vec![(0.0f64, 0u32); tasks.len()];
    let memory = network::recycle();
    let (mut hog_sum, mut hog_steps) = (0.0f64, 0u32);
    let mut since = Instant::now();

    while state.step < steps {
        let (phase, share) = phase_at(config, state.step);
        let augment = AugmentConfig { zoom: phase.zoom, ..config.augment.clone() };
        let drawn = union.batch(state.step, config.batch, config.seed);
        let seed = |at: usize| config.seed ^ (u64::from(state.step) << 24) ^ at as u64;
        let changed: Vec<Face> =
            drawn.par_iter().enumerate().map(|(at, &index)| augment.apply(&union.faces[index], seed(at))).collect();
        let features = fit.trunk.encoder.forward(shrunk(&changed, phase.side, device));
        let logits = fit.trunk.answers(features.clone(), &train_standards);
        let mut total: Option<Tensor<Train<B>, 1>> = None;
        if let Some((histograms, reader)) = histograms.as_ref().zip(fit.trunk.reader.as_ref()) {
            let loss = histograms.loss(reader, features, &changed, device);
            hog_steps += 1;
            hog_sum += f64::from(number(&loss));
            total = Some(loss * config.hog_weight);
        }
        for (at, (task, logits)) in tasks.iter().zip(logits).enumerate() {
            let Some([targets, row_weights]) = labels(&union, &drawn, at, task, &weights[at]) else { continue };
            let loss = cross_entropy(logits, matrix(&targets, device), matrix(&row_weights, device));
            let value = number(&loss);
            if !value.is_finite() {
                let learning_rate = config.learning_rate;
                return Err(TrainError::Diverged { epoch: state.step + 1, loss: value, learning_rate });
            }
            sums[at] = (sums[at].0 + f64::from(value), sums[at].1 + 1);
            total = Some(total.map_or(loss.clone(), |total| total + loss));
        }
        let rate = cosine(config.learning_rate, share);
        if let Some(loss) = total {
            fit = fit.step(loss, rate);
        }
        memory.step();
        state.step += 1;
        let due = state.step.is_multiple_of(config.checkpoint_every.max(1)) || state.step == steps;
        let record = due.then(|| {
            let trunk = fit.trunk.valid().folded_on(seen(&population, phase, device));
            RefineRecord {
                step: state.step,
                side: phase.side,
                losses: by_task(tasks, |at| (sums[at].0 / f64::from(sums[at].1.max(1))) as f32),
                accuracies: by_task(tasks, |at| {
                    accuracy(&trunk, &standards, at, &tasks[at].validation, config.validation_faces, phase, device)
                }),
                hog_loss: (hog_steps > 0).then(|| (hog_sum / f64::from(hog_steps)) as f32),
                learning_rate: rate,
                seconds: since.elapsed().as_secs_f32(),
            }
        });
        if due {
            state.seconds += since.elapsed().as_secs_f32();
            checkpoint.write(&state, |slot| fit.save(slot))?;
            sums.fill((0.0, 0));
            (hog_sum, hog_steps) = (0.0, 0);
            since = Instant::now();
        }
        if observer(state.step, record.as_ref()).is_break() {
            return Err(TrainError::Cancelled);
        }
    }
    let (last, _) = phase_at(config, steps.saturating_sub(1));
    let trunk = fit.trunk.valid().folded_on(seen(&population, last, device));
    let columns = trunk.columns.into_iter().zip(standards).zip(sizes);
    let columns =
        columns.map(|((column, standard), sizes)| (column.reading_raw(standard.mean, standard.deviation), sizes));
    Ok(Refined { encoder: trunk.encoder, columns: columns.collect(), seconds: state.seconds })
}

/// The phase of a step, and the share of it that is over.
fn phase_at(config: &RefineConfig, step: u32) -> (RefinePhase, f32) {
    let mut first = 0;
    for phase in &config.phases {
        if step < first + phase.steps {
            return (*phase, (step - first) as f32 / phase.steps as f32);
        }
        first += phase.steps;
    }
    (RefinePhase::new(network::FACE_SIZE, 0), 1.0)
}

/// Faces as a phase sees them, otherwise unchanged.
fn seen<B: Backend>(faces: &[Face], phase: RefinePhase, device: &B::Device) -> Tensor<B, 4> {
    shrunk(&enlarged(faces, phase.zoom), phase.side, device)
}

fn number<B: Backend>(loss: &Tensor<B, 1>) -> f32 {
    loss.clone().into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}

/// A matrix, row by row.
type Rows = Vec<Vec<f32>>;

/// Targets and weights of a batch for one task; faces that it has no label for weigh nothing. Nothing when it has no label
/// for any.
fn labels(union: &Union, drawn: &[usize], task: usize, data: &RefineTask, weights: &[f32]) -> Option<[Rows; 2]> {
    let (mut targets, mut row_weights) = (Rows::new(), Rows::new());
    for &index in drawn {
        let target = union.rows[index][task].map(|row| &data.train.targets[row]);
        let weight = target.map_or(0.0, |target| target.iter().zip(weights).map(|(t, w)| t * w).sum());
        targets.push(target.cloned().unwrap_or_else(|| vec![0.0; weights.len()]));
        row_weights.push(vec![weight]);
    }
    row_weights.iter().any(|weight| weight[0] > 0.0).then_some([targets, row_weights])
}

fn by_task(tasks: &[RefineTask], value: impl Fn(usize) -> f32) -> BTreeMap<TaskName, f32> {
    tasks.iter().enumerate().map(|(at, task)| (task.name.clone(), value(at))).collect()
}

/// Share of an even choice of the faces that a task's column has right.
fn accuracy<B: NetworkBackend>(
    trunk: &Trunk<B>,
    standards: &[Standard<B>],
    task: usize,
    validation: &LabelledFaces,
    most: usize,
    phase: RefinePhase,
    device: &B::Device,
) -> f32 {
    const BATCH: usize = 32;
    let chosen = validation.spread(most);
    let alone = Trunk { encoder: trunk.encoder.clone(), columns: vec![trunk.columns[task].clone()], reader: None };
    let standard = std::slice::from_ref(&standards[task]);
    let answers: Vec<Vec<f32>> = chosen
        .faces
        .chunks(BATCH)
        .flat_map(|faces| {
            alone
                .answers(alone.encoder.forward(seen(faces, phase, device)), standard)
                .into_iter()
                .flat_map(rows)
                .collect::<Vec<_>>()
        })
        .collect();
    Confusion::new(chosen.labels.len(), &answers, &chosen.classes()).accuracy().value
}
