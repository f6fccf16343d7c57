//! Training one column on top of a frozen encoder and frozen source columns.

mod config;
mod fit;
mod kept;
mod standard;
mod supply;

pub use config::{Annealing, ColumnTrainingConfig, Trainable};
pub use fit::ColumnFit;
pub(crate) use fit::{cosine, tracked};
pub(crate) use standard::Standard;

use crate::calibration::Calibration;
use crate::checkpoint::Checkpoint;
use crate::data::{LabelledFaces, holdout};
use crate::features::{Frozen, Inputs};
use crate::few_shot::exposed;
use crate::loss::{class_weights, cross_entropy, matrix, number};
use crate::metrics::Confusion;
use crate::training::{EpochRecord, Progress, TrainError, TrainedColumn, Training};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use fit::Schedule;
use network::{Column, ColumnConfig, NetworkBackend, NetworkError, TrainBackend};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;
use supply::{HeldBack, Supply, answer, at_head};

/// What a resumed training continues from, beside weights and optimiser.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    epoch: u32,
    schedule: Schedule,
    curve: Vec<EpochRecord>,
}

type Train<B> = TrainBackend<B>;

/// Training and validation faces.
pub struct Parts<'a> {
    /// To fit on.
    pub train: &'a LabelledFaces,
    /// To stop and calibrate on; empty: a share of `train` is held back.
    pub validation: &'a LabelledFaces,
}

/// Trains a column for `data.train.labels` with the settings of `config`. With `checkpoint`, every epoch is written there and a training
/// that was cut off continues.
///
/// # Errors
/// See [`TrainError`].
pub fn train_column<B: NetworkBackend>(
    training: Training<'_, B>,
    data: Parts<'_>,
    config: &ColumnTrainingConfig,
    checkpoint: Option<&Checkpoint>,
) -> Result<TrainedColumn<B>, TrainError> {
    let started = Instant::now();
    let Training { network, sources, sizes, device, observer } = training;
    let (train, validation) = parts(&data, config)?;
    let sizes = ColumnConfig { classes: train.labels.len(), sources: sources.len(), dropout: config.dropout, ..sizes };
    let frozen = Frozen::new(network, sources, sizes.own_blocks)?;
    let mut watch =
        Watch { observer, progress: Progress::begin(config.epochs, steps_per_epoch(&train, config)), started };
    let mut supply = Supply::new(&frozen, &train, config, device);
    let first = supply.first(INITIALISATION_FACES);
    let mut begun = sizes.init::<B>(device, config.seed).normalised_on(first.features.clone(), &first.sources);
    if let Some(name) = &config.start_from {
        let entry = network.get(name).ok_or_else(|| NetworkError::Unknown(name.clone()))?;
        begun = begun.starting_from(entry.column()?);
    }
    supply.prepare(&begun, &mut || watch.go_on()).ok_or(TrainError::Cancelled)?;
    // The head learns on standardised inputs: thousands of values with a common mean are badly conditioned for Adam.
    let standard = match supply.kept_at_head() {
        Some(x) => Standard::of_values(x),
        None => Standard::of_channels(at_head(&begun, first)),
    };
    let held_back = supply.held_back(&validation, standard.clone(), &mut || watch.go_on());
    let held_back = held_back.ok_or(TrainError::Cancelled)?;
    let begun = begun.reading_standardised(standard.mean.clone(), standard.deviation.clone());
    let mut run = Run::new(&begun, &supply, config).resumed(checkpoint, device)?;
    watch.progress.epoch = run.state.epoch;

    let weights = class_weights(&train.counts(), config.class_weighting);
    let train_standard = standard.clone().train();
    let memory = network::recycle();
    while run.state.epoch < config.epochs {
        let mut rate = run.state.schedule.learning_rate;
        let (mut loss_sum, mut done) = (0.0f64, 0u32);
        for (inputs, targets) in supply.epoch(run.state.epoch) {
            if config.annealing == Annealing::Cosine {
                let at = run.state.epoch as f32 + done as f32 / watch.progress.steps.max(1) as f32;
                rate = cosine(config.learning_rate, at / config.epochs.max(1) as f32);
            }
            let row_weights: Vec<Vec<f32>> =
                targets.iter().map(|target| vec![target.iter().zip(&weights).map(|(t, w)| t * w).sum()]).collect();
            let smoothed = smooth(&targets, config.label_smoothing);
            let logits = answer(&run.fit.column, inputs, config.trainable, &train_standard);
            let loss = cross_entropy(logits, matrix(&smoothed, device), matrix(&row_weights, device));
            let value;
            (run, value) = run.step(loss, rate)?;
            memory.step();
            loss_sum += f64::from(value);
            done += 1;
            watch.step(done, (loss_sum / f64::from(done)) as f32, run.state.curve.len() as u32)?;
        }
        let mean = (loss_sum / f64::from(done.max(1))) as f32;
        let accuracy = run.end_epoch(mean, rate, &held_back, &validation, device, started);
        run.write(checkpoint)?;
        watch.epoch(run.state.epoch, accuracy)?;
        let stopped = config.patience > 0 && run.state.schedule.since_best >= config.patience;
        let late = config.time_budget_s > 0.0 && started.elapsed().as_secs_f32() >= config.time_budget_s;
        if stopped || late {
            break;
        }
    }

    let column = if run.head_only { begun.with_head_of(run.best) } else { run.best };
    let column = column.reading_raw(standard.mean, standard.deviation);
    let column = exposed(column, &frozen, &train.faces, device);
    let answers = frozen.answers(&column, &validation.faces, device);
    let confusion = Confusion::new(train.labels.len(), &answers, &validation.classes());
    Ok(TrainedColumn {
        column,
        config: sizes,
        calibration: Calibration::fit(&answers, &validation.targets),
        accuracy: confusion.accuracy(),
        confusion,
        curve: run.state.curve,
        seconds: started.elapsed().as_secs_f32(),
    })
}

/// Tells the observer where the training is.
struct Watch<'a> {
    observer: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    progress: Progress,
    started: Instant,
}

impl Watch<'_> {
    fn go_on(&mut self) -> bool {
        (self.observer)(&self.progress).is_continue()
    }

    fn told(&mut self) -> Result<(), TrainError> {
        if self.go_on() { Ok(()) } else { Err(TrainError::Cancelled) }
    }

    /// After a step; `loss`: the epoch's mean so far.
    fn step(&mut self, step: u32, loss: f32, epochs_before: u32) -> Result<(), TrainError> {
        (self.progress.step, self.progress.loss) = (step, loss);
        self.progress.eta_s = eta(self.started, &self.progress, epochs_before);
        self.told()
    }

    /// After an epoch.
    fn epoch(&mut self, epoch: u32, accuracy: f32) -> Result<(), TrainError> {
        (self.progress.epoch, self.progress.step) = (epoch, 0);
        self.progress.validation_accuracy = Some(accuracy);
        self.told()
    }
}

/// A training that goes on: the column, the best of its epochs, and where it is.
struct Run<B: NetworkBackend> {
    fit: ColumnFit<B>,
    best: Column<B>,
    state: State,
    head_only: bool,
    /// Faces whose moments replace those of a batch; none where nothing is normalised.
    population: Option<Inputs<B>>,
    config: ColumnTrainingConfig,
}

impl<B: NetworkBackend> Run<B> {
    /// `begun` reads standardised inputs.
    fn new(begun: &Column<B>, supply: &Supply<'_, B>, config: &ColumnTrainingConfig) -> Self {
        let head_only = config.trainable == Trainable::Head;
        let learns = if head_only { begun.clone().without_blocks() } else { begun.clone() };
        let best = learns.clone();
        let normalises = config.normalise && !head_only;
        let population = normalises.then(|| supply.first(POPULATION_FACES));
        let learns = match &population {
            Some(inputs) => learns.normalising_on(inputs.features.clone(), &inputs.sources),
            None => learns,
        };
        Self {
            fit: ColumnFit::new(learns, config.weight_decay),
            best,
            state: State { epoch: 0, schedule: Schedule::new(config.learning_rate), curve: Vec::new() },
            head_only,
            population,
            config: config.clone(),
        }
    }

    /// Goes on where the checkpoint is, if there is one.
    fn resumed(self, checkpoint: Option<&Checkpoint>, device: &B::Device) -> Result<Self, TrainError> {
        let Some((state, slot)) = checkpoint.map(Checkpoint::read::<State>).transpose()?.flatten() else {
            return Ok(self);
        };
        tracing::info!(epoch = state.epoch, "training continues from its checkpoint");
        let best = self.best.load_record(slot.get::<B, _>("best", device)?);
        Ok(Self { fit: self.fit.resumed(&slot, device)?, best, state, ..self })
    }

    fn write(&self, checkpoint: Option<&Checkpoint>) -> Result<(), TrainError> {
        let Some(checkpoint) = checkpoint else { return Ok(()) };
        checkpoint.write(&self.state, |slot| {
            self.fit.save(slot)?;
            slot.put::<B, _>("best", self.best.clone().into_record())
        })?;
        Ok(())
    }

    /// One step, and the value of its loss.
    fn step(self, loss: Tensor<Train<B>, 1>, rate: f64) -> Result<(Self, f32), TrainError> {
        let value = number(&loss);
        if !value.is_finite() {
            return Err(TrainError::Diverged {
                unit: "epoch",
                number: self.state.epoch + 1,
                loss: value,
                learning_rate: rate,
            });
        }
        Ok((Self { fit: self.fit.step(loss, rate), ..self }, value))
    }

    /// What answers: batch moments become those of many faces.
    fn answering(&self) -> Column<B> {
        match &self.population {
            Some(inputs) => self.fit.column.valid().folded_on(inputs.features.clone(), &inputs.sources),
            None => self.fit.column.valid(),
        }
    }

    /// Measures the epoch on the faces held back, and keeps the column if it is the best; the share that was right.
    fn end_epoch(
        &mut self,
        loss: f32,
        rate: f64,
        held_back: &HeldBack<B>,
        validation: &LabelledFaces,
        device: &B::Device,
        started: Instant,
    ) -> f32 {
        self.state.epoch += 1;
        let candidate = self.answering();
        let answers = held_back.logits(&candidate);
        // Without held-back faces the training loss has to tell which epoch is best.
        let validation_loss =
            if answers.is_empty() { loss } else { mean_loss::<B>(&answers, &validation.targets, device) };
        let accuracy = Confusion::new(validation.labels.len(), &answers, &validation.classes()).accuracy().value;
        if self.state.schedule.epoch(loss, validation_loss, self.config.decay, self.config.stagnation) {
            self.best = candidate;
        }
        self.state.curve.push(EpochRecord {
            epoch: self.state.epoch,
            loss,
            validation_loss,
            validation_accuracy: accuracy,
            learning_rate: rate,
            seconds: started.elapsed().as_secs_f32(),
        });
        accuracy
    }
}

/// Faces that a column's scales are set on before training.
const INITIALISATION_FACES: usize = 16;

/// Faces that stand for all when a batch's moments are replaced.
const POPULATION_FACES: usize = 128;

/// The faces to fit on and those to hold back.
fn parts(data: &Parts<'_>, config: &ColumnTrainingConfig) -> Result<(LabelledFaces, LabelledFaces), TrainError> {
    let (train, validation) = if data.validation.is_empty() {
        let (kept, held) = holdout(data.train, config.validation_share, config.seed);
        (data.train.select(&kept), data.train.select(&held))
    } else {
        (data.train.clone(), data.validation.clone())
    };
    train.require_all_labels()?;
    // As the node looks at faces, so that the threshold of the unknown fits what it sees.
    Ok((train, validation.seen_in_turn()))
}

fn steps_per_epoch(train: &LabelledFaces, config: &ColumnTrainingConfig) -> u32 {
    config.faces_per_epoch(train.len()).div_ceil(config.batch.max(1)) as u32
}

fn smooth(targets: &[Vec<f32>], share: f32) -> Vec<Vec<f32>> {
    targets
        .iter()
        .map(|target| target.iter().map(|t| t * (1.0 - share) + share / target.len().max(1) as f32).collect())
        .collect()
}

fn eta(started: Instant, progress: &Progress, epochs_before: u32) -> f32 {
    let steps = progress.steps.max(1);
    let done = epochs_before * steps + progress.step;
    let left = (progress.epochs * steps).saturating_sub(done);
    started.elapsed().as_secs_f32() / done.max(1) as f32 * left as f32
}

fn mean_loss<B: NetworkBackend>(logits: &[Vec<f32>], targets: &[Vec<f32>], device: &B::Device) -> f32 {
    let ones = vec![vec![1.0]; targets.len()];
    let loss: Tensor<B, 1> = cross_entropy(matrix(logits, device), matrix(targets, device), matrix(&ones, device));
    number(&loss)
}
