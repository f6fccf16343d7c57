//! The refinement's loop.

use super::average;
use super::batch::{labels, seen};
use super::describing::Describing;
use super::fit::Fit;
use super::histograms::{Histograms, Reader};
use super::record::{RefineRecord, Sums, add, by_task, mean};
use super::trunk::{Standards, Trunk};
use super::union::{Told, Union};
use super::{RefineConfig, RefineData, Start};
use crate::augment::AugmentConfig;
use crate::checkpoint::Checkpoint;
use crate::data::{DESCRIPTOR, FaceCrop, enlarged};
use crate::gradients::{cosine, tracked};
use crate::loss::{class_weights, cross_entropy, matrix, number};
use crate::metrics::Confusion;
use crate::pictures::shrunk;
use crate::training::TrainError;
use burn::module::AutodiffModule;
use burn::optim::AdamWConfig;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{Column, ColumnConfig, Encoder, EncoderConfig, NetworkBackend, TrainBackend, rows};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    step: u32,
    /// Seconds that all steps took, with the looks at validation faces.
    seconds: f32,
}

type Train<B> = TrainBackend<B>;

/// What a refinement gives.
#[derive(Debug, Clone)]
pub struct Refined<B: Backend> {
    /// The encoder.
    pub encoder: Encoder<B>,
    /// Its sizes.
    pub sizes: EncoderConfig,
    /// The column that each task learned with, and its sizes.
    pub columns: Vec<(Column<B>, ColumnConfig)>,
    /// Steps that it took.
    pub steps: u32,
    /// How long they took, also before it was cut off, s.
    pub seconds: f32,
}

/// Faces that stand for all when moments are measured.
const POPULATION_FACES: usize = 256;
/// Validation faces that are looked at together.
const VALIDATION_BATCH: usize = 32;

/// Refines an encoder for all tasks at once. Every [`RefineConfig::checkpoint_every`] steps a checkpoint is written and
/// `observer` gets a record; it is told of the other steps with `None`. A refinement that was cut off continues from the
/// checkpoint with the same faces in the same order.
///
/// # Errors
/// Cancelled by the observer, a checkpoint that cannot be written, a task without faces, or a loss that is no number.
pub fn refine<B: NetworkBackend>(
    start: Start<B>,
    data: &RefineData,
    config: &RefineConfig,
    checkpoint: &Checkpoint,
    device: &B::Device,
    observer: &mut dyn FnMut(u32, Option<&RefineRecord>) -> ControlFlow<()>,
) -> Result<Refined<B>, TrainError> {
    let mut refinement = Refinement::new(start, data, config, device)?;
    refinement.resume(checkpoint)?;
    let memory = network::recycle();
    let mut sums = Sums::new(data);
    let mut since = Instant::now();
    while refinement.state.step < refinement.steps() {
        let rate = refinement.step(&mut sums)?;
        memory.step();
        let step = refinement.state.step;
        let due = step.is_multiple_of(config.checkpoint_every.max(1)) || step == refinement.steps();
        let record = due.then(|| refinement.record(&sums, rate, since));
        if due {
            refinement.state.seconds += since.elapsed().as_secs_f32();
            checkpoint.write(&refinement.state, |slot| refinement.fit.save(slot))?;
            sums = Sums::new(data);
            since = Instant::now();
        }
        if observer(step, record.as_ref()).is_break() {
            return Err(TrainError::Cancelled);
        }
    }
    Ok(refinement.finished())
}

/// What a refinement has learned up to its newest checkpoint, as it is; `None` when there is none yet. It may be going on elsewhere.
///
/// # Errors
/// A checkpoint that cannot be read, or a task without faces.
pub fn refined_so_far<B: NetworkBackend>(
    start: Start<B>,
    data: &RefineData,
    config: &RefineConfig,
    checkpoint: &Checkpoint,
    device: &B::Device,
) -> Result<Option<Refined<B>>, TrainError> {
    let mut refinement = Refinement::new(start, data, config, device)?;
    Ok(if refinement.resume(checkpoint)? { Some(refinement.finished()) } else { None })
}

struct Refinement<'a, B: NetworkBackend> {
    data: &'a RefineData,
    config: &'a RefineConfig,
    device: &'a B::Device,
    union: Union,
    population: Vec<FaceCrop>,
    standards: Standards<B>,
    train_standards: Standards<Train<B>>,
    histograms: Option<Histograms<B>>,
    describing: Option<Describing<'a>>,
    /// Of each task's classes.
    weights: Vec<Vec<f32>>,
    sizes: EncoderConfig,
    column_sizes: Vec<ColumnConfig>,
    fit: Fit<B>,
    state: State,
}

impl<'a, B: NetworkBackend> Refinement<'a, B> {
    fn new(
        start: Start<B>,
        data: &'a RefineData,
        config: &'a RefineConfig,
        device: &'a B::Device,
    ) -> Result<Self, TrainError> {
        if let Some(task) = data.tasks.iter().find(|task| task.train.is_empty()) {
            return Err(TrainError::Data(format!("no training faces for '{}'", task.name)));
        }
        let described = data.described.as_ref().filter(|_| config.descriptor_weight > 0.0);
        if described.is_some_and(|parts| parts.train.is_empty()) {
            return Err(TrainError::Data("no training faces with a descriptor".into()));
        }
        let told = data.tasks.iter().map(|task| Told { faces: &task.train.faces, repeat: task.repeat });
        let told = told.chain(described.map(|parts| Told { faces: &parts.train.faces, repeat: 1 }));
        let mut union = Union::new(&told.collect::<Vec<_>>());
        let drawn = union.batch(0, POPULATION_FACES, config.seed);
        let population: Vec<FaceCrop> = drawn.iter().map(|&at| union.faces[at].clone()).collect();
        let first_phase = config.phase_at(0).0;
        let shown = seen::<B>(&population, first_phase, device);

        let Start { mut encoder, mut sizes, mut columns } = start;
        if described.is_none() {
            // It would no longer fit the encoder.
            (encoder, sizes.descriptor) = (encoder.with_descriptor(None), 0);
        } else if sizes.descriptor == 0 {
            sizes.descriptor = DESCRIPTOR;
            encoder = encoder.with_descriptor(Some(sizes.descriptor_head(device, config.seed)));
        }
        if described.is_some() && sizes.descriptor != DESCRIPTOR {
            let found = sizes.descriptor;
            return Err(TrainError::Data(format!(
                "the teacher has {DESCRIPTOR} values, the encoder's descriptor {found}"
            )));
        }
        let features = encoder.forward(shown.clone());
        let mut column_sizes = Vec::new();
        let mut begun = Vec::new();
        for (task, at) in data.tasks.iter().zip(1..) {
            let wanted = ColumnConfig {
                features: sizes.features(),
                own_blocks: config.own_blocks,
                dropout: config.dropout,
                ..ColumnConfig::new(task.train.labels.len(), 0)
            };
            let known = columns.remove(&task.name).filter(|(_, sizes)| *sizes == wanted).map(|(column, _)| column);
            begun
                .push(known.unwrap_or_else(|| {
                    wanted.init::<B>(device, config.seed + at).normalised_on(features.clone(), &[])
                }));
            column_sizes.push(wanted);
        }
        // Heads learn on standardised inputs, as in a column's own training.
        let standards = Standards::new(&begun, features.clone());
        let reader = (config.hog_weight > 0.0).then(|| Reader::init(sizes.features(), config.seed, device));
        let histograms = reader.is_some().then(|| Histograms::new(&enlarged(&population, first_phase.zoom), features));
        let trunk = Trunk { columns: begun, encoder, reader };
        let trunk = trunk.reading_standardised(&standards).normalising_on(shown, config.frozen_layers);
        let learning: Trunk<Train<B>> = tracked::<B, _>(Trunk::from_inner(trunk));
        let learning = Trunk { encoder: learning.encoder.freeze(config.frozen_layers), ..learning };
        let optimiser = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(config.weight_decay).init();
        let mean = (config.averaging > 0.0).then(|| learning.valid());
        Ok(Self {
            weights: data
                .tasks
                .iter()
                .map(|task| class_weights(&task.train.counts(), config.class_weighting))
                .collect(),
            train_standards: standards.clone().train(),
            describing: described.map(Describing::new),
            fit: Fit { trunk: learning, optimiser, mean },
            state: State { step: 0, seconds: 0.0 },
            data,
            config,
            device,
            union,
            population,
            standards,
            histograms,
            sizes,
            column_sizes,
        })
    }

    fn steps(&self) -> u32 {
        self.config.phases.iter().map(|phase| phase.steps).sum()
    }

    /// Whether there was a checkpoint to go on from.
    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<bool, TrainError> {
        let Some((state, slot)) = checkpoint.read::<State>()? else { return Ok(false) };
        self.state = state;
        self.fit.resume(&slot, self.device)?;
        tracing::info!(step = self.state.step, "refinement continues from its checkpoint");
        Ok(true)
    }

    /// One step; gives its rate.
    fn step(&mut self, sums: &mut Sums) -> Result<f64, TrainError> {
        let (config, device) = (self.config, self.device);
        let (phase, share) = config.phase_at(self.state.step);
        let rate = cosine(config.learning_rate, share);
        let augment = AugmentConfig { zoom: phase.zoom, ..config.augment.clone() };
        let drawn = self.union.batch(self.state.step, config.batch, config.seed);
        let seed = |at: usize| config.seed ^ (u64::from(self.state.step) << 24) ^ at as u64;
        let faces = &self.union.faces;
        let changed: Vec<FaceCrop> =
            drawn.par_iter().enumerate().map(|(at, &index)| augment.apply(&faces[index], seed(at))).collect();
        let trunk = &self.fit.trunk;
        let features = trunk.encoder.forward(shrunk(&changed, phase.side, device));
        let mut total: Option<Tensor<Train<B>, 1>> = None;
        let mut count = |loss: Tensor<Train<B>, 1>, weight: f32, sum: &mut (f64, u32)| {
            let value = number(&loss);
            if !value.is_finite() {
                let (number, learning_rate) = (self.state.step + 1, config.learning_rate);
                return Err(TrainError::Diverged { unit: "step", number, loss: value, learning_rate });
            }
            add(sum, value);
            let loss = loss * weight;
            total = Some(match total.take() {
                Some(total) => total + loss,
                None => loss,
            });
            Ok(())
        };
        if let Some((histograms, reader)) = self.histograms.as_ref().zip(trunk.reader.as_ref()) {
            let loss = histograms.loss(reader, features.clone(), &changed, device);
            count(loss, config.hog_weight, &mut sums.histograms)?;
        }
        if let Some(describing) = &self.describing {
            let rows: Vec<Option<usize>> = drawn.iter().map(|&at| self.union.rows[at][self.data.tasks.len()]).collect();
            let said = trunk.describe(features.clone(), &self.train_standards);
            if let Some(loss) = said.and_then(|said| describing.loss::<B>(said, &rows, device)) {
                count(loss, config.descriptor_weight, &mut sums.descriptors)?;
            }
        }
        for (at, (task, weights)) in self.data.tasks.iter().zip(&self.weights).enumerate() {
            let Some([targets, row_weights]) = labels(&self.union, &drawn, at, task, weights) else { continue };
            let logits = trunk.answer(at, features.clone(), &self.train_standards);
            let loss = cross_entropy(logits, matrix(&targets, device), matrix(&row_weights, device));
            count(loss, 1.0, &mut sums.tasks[at])?;
        }
        if let Some(loss) = total {
            self.fit.step(loss, rate);
        }
        if self.state.step.is_multiple_of(average::EVERY) {
            let kept = average::kept(config.averaging, self.state.step);
            let now = self.fit.trunk.valid();
            self.fit.mean = self.fit.mean.take().map(|mean| average::blended(mean, &now, kept));
        }
        self.state.step += 1;
        Ok(rate)
    }

    /// What the log says of the steps since the record before.
    fn record(&self, sums: &Sums, rate: f64, since: Instant) -> RefineRecord {
        let phase = self.config.phase_at(self.state.step - 1).0;
        let trunk = self.fit.best().folded_on(seen(&self.population, phase, self.device));
        let most = self.config.validation_faces;
        let tasks = &self.data.tasks;
        let answers = |faces: &[FaceCrop], answer: &dyn Fn(Tensor<B, 4>) -> Tensor<B, 2>| -> Vec<Vec<f32>> {
            let batches = faces.chunks(VALIDATION_BATCH);
            let features = |faces: &[FaceCrop]| trunk.encoder.forward(seen(faces, phase, self.device));
            batches.flat_map(|faces| rows(answer(features(faces)))).collect()
        };
        let found: Vec<Confusion> = (0..tasks.len())
            .map(|at| {
                let chosen = tasks[at].validation.spread(most);
                let found = answers(&chosen.faces, &|features| trunk.answer(at, features, &self.standards));
                Confusion::new(chosen.labels.len(), &found, &chosen.classes())
            })
            .collect();
        let explained = self.describing.as_ref().and_then(|describing| {
            let describe = |features| {
                let said = trunk.describe(features, &self.standards);
                said.unwrap_or_else(|| Tensor::zeros([1, DESCRIPTOR], self.device))
            };
            describing.explained(most, &|described| answers(&described.faces, &describe))
        });
        RefineRecord {
            step: self.state.step,
            side: phase.side,
            losses: by_task(tasks, |at| mean(&sums.tasks[at])),
            accuracies: by_task(tasks, |at| found[at].accuracy().value),
            recalls: by_task(tasks, |at| found[at].mean_recall()),
            hog_loss: (sums.histograms.1 > 0).then(|| mean(&sums.histograms)),
            descriptor_loss: (sums.descriptors.1 > 0).then(|| mean(&sums.descriptors)),
            descriptor_explained: explained,
            learning_rate: rate,
            seconds: since.elapsed().as_secs_f32(),
        }
    }

    fn finished(self) -> Refined<B> {
        let (last, _) = self.config.phase_at(self.state.step.saturating_sub(1));
        let trunk = self.fit.best().folded_on(seen(&self.population, last, self.device));
        let trunk = trunk.reading_raw(&self.standards);
        Refined {
            encoder: trunk.encoder,
            sizes: self.sizes,
            columns: trunk.columns.into_iter().zip(self.column_sizes).collect(),
            steps: self.state.step,
            seconds: self.state.seconds,
        }
    }
}
