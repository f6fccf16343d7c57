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
use crate::features::Frozen;
use crate::few_shot::exposed;
use crate::loss::{class_weights, cross_entropy, matrix};
use crate::metrics::Confusion;
use crate::training::{EpochRecord, Progress, TrainError, TrainedColumn};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use fit::Schedule;
use network::{Column, ColumnConfig, NetworkBackend, NetworkError, ProgressiveNetwork, TaskName, TrainBackend};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;
use supply::{Supply, answer, at_head};

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

/// Trains a column for `data.train.labels`, drawing from `sources`, with the settings of `config` and the sizes of
/// `column` (its classes, sources and dropout are set here). `observer` is called after every step;
/// [`ControlFlow::Break`] ends the training with [`TrainError::Cancelled`]. With `checkpoint`, every epoch is written
/// there and a training that was cut off continues.
///
/// # Errors
/// See [`TrainError`].
#[expect(clippy::too_many_arguments, reason = "each is one thing that every caller has to decide")]
pub fn train_column<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    sources: &[TaskName],
    data: Parts<'_>,
    column: ColumnConfig,
    config: &ColumnTrainingConfig,
    checkpoint: Option<&Checkpoint>,
    device: &B::Device,
    observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<TrainedColumn<B>, TrainError> {
    let started = Instant::now();
    let (train, validation) = parts(&data, config)?;
    let column_config =
        ColumnConfig { classes: train.labels.len(), sources: sources.len(), dropout: config.dropout, ..column };
    let frozen = Frozen::new(network, sources, column_config.own_blocks)?;
    let mut progress = Progress {
        epoch: 0,
        epochs: config.epochs,
        step: 0,
        steps: steps_per_epoch(&train, config),
        loss: 0.0,
        validation_accuracy: None,
        eta_s: 0.0,
    };
    let mut cancelled = false;
    let mut keep_going = |progress: &Progress| {
        cancelled |= observer(progress).is_break();
        !cancelled
    };
    let mut supply = Supply::new(&frozen, &train, config, device);
    let untrained = column_config.init::<B>(device, config.seed);
    let first = supply.first(INITIALISATION_FACES);
    let mut begun = untrained.normalised_on(first.features.clone(), &first.sources);
    if let Some(name) = &config.start_from {
        let entry = network.get(name).ok_or_else(|| NetworkError::Unknown(name.clone()))?;
        begun = begun.starting_from(entry.column()?);
    }
    supply.prepare(&begun, &mut || keep_going(&progress)).ok_or(TrainError::Cancelled)?;
    // The head learns on standardised inputs: thousands of values with a common mean are badly conditioned for Adam.
    let standard = match supply.kept_at_head() {
        Some(x) => Standard::of_values(x),
        None => Standard::of_channels(at_head(&begun, first)),
    };
    let held_back = supply.held_back(&validation, standard.clone(), &mut || keep_going(&progress));
    let held_back = held_back.ok_or(TrainError::Cancelled)?;
    let train_standard = standard.clone().train();
    begun = begun.reading_standardised(standard.mean.clone(), standard.deviation.clone());
    let head_only = config.trainable == Trainable::Head;
    let learns = if head_only { begun.clone().without_blocks() } else { begun.clone() };
    let mut best = learns.clone();
    let normalises = config.normalise && !head_only;
    let population = normalises.then(|| supply.first(POPULATION_FACES));
    let learns = match &population {
        Some(inputs) => learns.normalising_on(inputs.features.clone(), &inputs.sources),
        None => learns,
    };
    // What answers: batch moments become those of many faces.
    let answering = |model: &Column<Train<B>>| match &population {
        Some(inputs) => model.valid().folded_on(inputs.features.clone(), &inputs.sources),
        None => model.valid(),
    };
    let mut fit = ColumnFit::new(learns, config.weight_decay);
    let mut state = State { epoch: 0, schedule: Schedule::new(config.learning_rate), curve: Vec::new() };
    if let Some((found, slot)) = checkpoint.map(Checkpoint::read::<State>).transpose()?.flatten() {
        state = found;
        fit = fit.resumed(&slot, device)?;
        best = best.load_record(slot.get::<B, _>("best", device)?);
        progress.epoch = state.epoch;
        tracing::info!(epoch = state.epoch, "training continues from its checkpoint");
    }
    let weights = class_weights(&train.counts(), config.class_weighting);

    let memory = network::recycle();
    while state.epoch < config.epochs {
        let mut rate = state.schedule.learning_rate;
        let (mut loss_sum, mut done) = (0.0f64, 0u32);
        for (inputs, targets) in supply.epoch(state.epoch) {
            if config.annealing == Annealing::Cosine {
                let at = state.epoch as f32 + done as f32 / progress.steps.max(1) as f32;
                rate = cosine(config.learning_rate, at / config.epochs.max(1) as f32);
            }
            let row_weights: Vec<Vec<f32>> =
                targets.iter().map(|target| vec![target.iter().zip(&weights).map(|(t, w)| t * w).sum()]).collect();
            let smoothed = smooth(&targets, config.label_smoothing);
            let logits = answer(&fit.column, inputs, config.trainable, &train_standard);
            let loss = cross_entropy(logits, matrix(&smoothed, device), matrix(&row_weights, device));
            let value = loss.clone().into_data().iter::<f32>().next().unwrap_or(f32::NAN);
            if !value.is_finite() {
                return Err(TrainError::Diverged { epoch: state.epoch + 1, loss: value, learning_rate: rate });
            }
            fit = fit.step(loss, rate);
            memory.step();
            loss_sum += f64::from(value);
            done += 1;
            progress.step = done;
            progress.loss = (loss_sum / f64::from(done)) as f32;
            progress.eta_s = eta(started, &progress, state.curve.len() as u32);
            if !keep_going(&progress) {
                return Err(TrainError::Cancelled);
            }
        }
        state.epoch += 1;
        let candidate = answering(&fit.column);
        let answers = held_back.logits(&candidate);
        let mean = (loss_sum / f64::from(done.max(1))) as f32;
        // Without held-back faces the training loss has to tell which epoch is best.
        let validation_loss =
            if answers.is_empty() { mean } else { mean_loss::<B>(&answers, &validation.targets, device) };
        let accuracy = Confusion::new(train.labels.len(), &answers, &validation.classes()).accuracy().value;
        if state.schedule.epoch(mean, validation_loss, config.decay, config.stagnation) {
            best = candidate;
        }
        state.curve.push(EpochRecord {
            epoch: state.epoch,
            loss: mean,
            validation_loss,
            validation_accuracy: accuracy,
            learning_rate: rate,
            seconds: started.elapsed().as_secs_f32(),
        });
        if let Some(checkpoint) = checkpoint {
            checkpoint.write(&state, |slot| {
                fit.save(slot)?;
                slot.put::<B, _>("best", best.clone().into_record())
            })?;
        }
        (progress.epoch, progress.step) = (state.epoch, 0);
        progress.validation_accuracy = Some(accuracy);
        if !keep_going(&progress) {
            return Err(TrainError::Cancelled);
        }
        let stopped = config.patience > 0 && state.schedule.since_best >= config.patience;
        let late = config.time_budget_s > 0.0 && started.elapsed().as_secs_f32() >= config.time_budget_s;
        if stopped || late {
            break;
        }
    }

    let column = if head_only { begun.with_head_of(best) } else { best };
    let column = column.reading_raw(standard.mean, standard.deviation);
    let column = exposed(column, &frozen, &train.faces, device);
    let answers = frozen.answers(&column, &validation.faces, device);
    let confusion = Confusion::new(train.labels.len(), &answers, &validation.classes());
    Ok(TrainedColumn {
        column,
        config: column_config,
        calibration: Calibration::fit(&answers, &validation.targets),
        accuracy: confusion.accuracy(),
        confusion,
        curve: state.curve,
        seconds: started.elapsed().as_secs_f32(),
    })
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
    loss.into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}
