//! The training loop.

use super::game::{Game, Losses};
use super::{BeganConfig, Objective, Sheet};
use crate::checkpoint::Checkpoint;
use crate::data::FaceCrop;
use crate::pictures::shrunk;
use crate::training::TrainError;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use network::{Decoder, Discriminator, Encoder, FACE_SIZE, NetworkBackend, TrainBackend};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

/// One line of the training's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Counted from 1.
    pub step: u32,
    /// Side of the pictures.
    pub side: usize,
    /// L(x): mean absolute error of reconstructed faces, pixels in [−1, 1].
    pub loss_real: f32,
    /// L(G(z)): the same for generated ones; 0 for a plain auto-encoder.
    pub loss_fake: f32,
    /// k after the step.
    pub k: f32,
    /// M = L(x) + |γ L(x) − L(G(z))|, the measure of convergence.
    pub m: f32,
    /// Seconds of this step.
    pub seconds: f32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    step: u32,
    k: f32,
}

type Train<B> = TrainBackend<B>;

/// Trains discriminator and generator on faces and returns the discriminator's encoder. Every
/// [`BeganConfig::checkpoint_every`] steps a checkpoint is written and `observer` gets a sheet; a training that was cut
/// off continues from the checkpoint with the same faces, codes and losses.
///
/// # Errors
/// Cancelled by the observer, a checkpoint that cannot be written, no faces, or a loss that is no number.
pub fn train<B: NetworkBackend>(
    faces: &[FaceCrop],
    config: &BeganConfig,
    checkpoint: &Checkpoint,
    device: &B::Device,
    observer: &mut dyn FnMut(&StepRecord, Option<Sheet>) -> ControlFlow<()>,
) -> Result<Encoder<B>, TrainError> {
    if faces.is_empty() {
        return Err(TrainError::Data("no faces to train the encoder on".into()));
    }
    let mut state = State { step: 0, k: 0.0 };
    let resumed = checkpoint.read::<State>()?;
    if let Some((found, _)) = &resumed {
        state = found.clone();
    }
    let first_side = config.side_at(state.step.saturating_sub(1)).map_or(FACE_SIZE, |(side, _)| side);
    let mut game = Game::new(config, first_side, device);
    if let Some((_, slot)) = resumed {
        game = game.resumed(&slot, device)?;
        tracing::info!(step = state.step, "training continues from its checkpoint");
    }

    let memory = network::recycle();
    while let Some((side, begins)) = config.side_at(state.step) {
        let started = Instant::now();
        if begins && state.step > 0 {
            game.discriminator = game.discriminator.with_side(&config.encoder, side, device, config.seed + 4);
        }
        let mut rng = StdRng::seed_from_u64(config.seed ^ (u64::from(state.step) << 20));
        let x = pictures::<Train<B>>(faces, config, side, &mut rng, device);
        let z = codes::<Train<B>>(config.batch, config.encoder.latent, &mut rng, device);

        let (next, Losses { real, fake }) = match config.objective {
            Objective::Began => game.step(x.clone(), z.clone(), state.k, config.learning_rate),
            Objective::Autoencoder => game.reconstruct(x.clone(), config.learning_rate),
        };
        game = next;
        if !(real.is_finite() && fake.is_finite()) {
            let loss = if real.is_finite() { fake } else { real };
            return Err(TrainError::Diverged {
                unit: "step",
                number: state.step + 1,
                loss,
                learning_rate: config.learning_rate,
            });
        }
        let balance = match config.objective {
            Objective::Began => config.gamma * real - fake,
            Objective::Autoencoder => 0.0,
        };
        state.k = (state.k + config.lambda * balance).clamp(0.0, 1.0);
        memory.step();
        state.step += 1;
        let due = state.step.is_multiple_of(config.checkpoint_every.max(1)) || state.step == config.steps();
        let sheet =
            due.then(|| sheet(&game.discriminator.valid(), &game.generator.valid(), x.inner(), z.inner(), side));
        if due {
            checkpoint.write(&state, |slot| game.save(slot))?;
        }
        let record = StepRecord {
            step: state.step,
            side,
            loss_real: real,
            loss_fake: fake,
            k: state.k,
            m: real + balance.abs(),
            seconds: started.elapsed().as_secs_f32(),
        };
        if observer(&record, sheet).is_break() {
            return Err(TrainError::Cancelled);
        }
    }
    Ok(game.discriminator.valid().encoder)
}

/// A batch of changed faces.
fn pictures<B: Backend>(
    faces: &[FaceCrop],
    config: &BeganConfig,
    side: usize,
    rng: &mut StdRng,
    device: &B::Device,
) -> Tensor<B, 4> {
    let drawn: Vec<(usize, u64)> =
        (0..config.batch).map(|_| (rng.random_range(0..faces.len()), rng.random())).collect();
    let changed: Vec<FaceCrop> =
        drawn.par_iter().map(|&(face, seed)| config.augment.apply(&faces[face], seed)).collect();
    shrunk(&changed, side, device)
}

/// z ~ U[−1, 1].
fn codes<B: Backend>(batch: usize, latent: usize, rng: &mut StdRng, device: &B::Device) -> Tensor<B, 2> {
    let values: Vec<f32> = (0..batch * latent).map(|_| rng.random_range(-1.0..=1.0)).collect();
    Tensor::from_data(TensorData::new(values, [batch, latent]), device)
}

fn sheet<B: NetworkBackend>(
    discriminator: &Discriminator<B>,
    generator: &Decoder<B>,
    x: Tensor<B, 4>,
    z: Tensor<B, 2>,
    side: usize,
) -> Sheet {
    const COLUMNS: usize = 8;
    let count = COLUMNS.min(x.dims()[0]);
    let x = x.narrow(0, 0, count);
    let generated = generator.forward(z.narrow(0, 0, count), side);
    Sheet::new(vec![x.clone(), discriminator.forward(x), generated])
}
