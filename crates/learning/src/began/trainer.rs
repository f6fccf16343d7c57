//! The training loop.

use super::{BeganConfig, Sheet};
use crate::checkpoint::Checkpoint;
use crate::column_training::TrainError;
use crate::data::Face;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use network::{Decoder, Discriminator, Encoder, FACE_SIZE, NetworkBackend, TrainBackend};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
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
    /// L(G(z)): the same for generated ones.
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
    faces: &[Face],
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
    let mut discriminator: Discriminator<Train<B>> =
        Discriminator::init(&config.encoder, &config.decoder, first_side, device, config.seed);
    let mut generator: Decoder<Train<B>> = config.decoder.init(device, config.seed + 3);
    let adam = AdamConfig::new().with_beta_1(0.5).with_epsilon(1e-8);
    let mut discriminator_optimiser = adam.init::<Train<B>, Discriminator<Train<B>>>();
    let mut generator_optimiser = adam.init::<Train<B>, Decoder<Train<B>>>();
    if let Some((_, slot)) = resumed {
        discriminator = discriminator.load_record(slot.get::<Train<B>, _>("discriminator", device)?);
        generator = generator.load_record(slot.get::<Train<B>, _>("generator", device)?);
        discriminator_optimiser =
            discriminator_optimiser.load_record(slot.get::<Train<B>, _>("discriminator_optimiser", device)?);
        generator_optimiser = generator_optimiser.load_record(slot.get::<Train<B>, _>("generator_optimiser", device)?);
        tracing::info!(step = state.step, "training continues from its checkpoint");
    }

    while let Some((side, begins)) = config.side_at(state.step) {
        let started = Instant::now();
        if begins && state.step > 0 {
            discriminator = discriminator.with_side(&config.encoder, side, device, config.seed + 4);
        }
        let mut rng = StdRng::seed_from_u64(config.seed ^ (u64::from(state.step) << 20));
        let x = pictures::<Train<B>>(faces, config.batch, side, &mut rng, device);
        let z = codes::<Train<B>>(config.batch, config.encoder.latent, &mut rng, device);

        let loss_real = l1(discriminator.forward(x.clone()), x.clone());
        let fake = generator.forward(z.clone(), side);
        let loss_fake = l1(discriminator.forward(fake.clone()), fake);
        let (real, fake) = (scalar(&loss_real), scalar(&loss_fake));
        if !(real.is_finite() && fake.is_finite()) {
            let loss = if real.is_finite() { fake } else { real };
            return Err(TrainError::Diverged { epoch: state.step + 1, loss, learning_rate: config.learning_rate });
        }
        // One backward pass of each loss serves both networks: θ_D gets ∇L(x) − k·∇L(G(z)), θ_G gets ∇L(G(z)).
        let mut real_gradients = loss_real.backward();
        let mut fake_gradients = loss_fake.backward();
        let mut combined = Combine {
            real: GradientsParams::from_module::<Train<B>, _>(&mut real_gradients, &discriminator),
            fake: GradientsParams::from_module::<Train<B>, _>(&mut fake_gradients, &discriminator),
            k: state.k,
            out: GradientsParams::new(),
            backend: std::marker::PhantomData::<B>,
        };
        discriminator.visit(&mut combined);
        let for_generator = GradientsParams::from_module::<Train<B>, _>(&mut fake_gradients, &generator);
        discriminator = discriminator_optimiser.step(config.learning_rate, discriminator, combined.out);
        generator = generator_optimiser.step(config.learning_rate, generator, for_generator);

        let balance = config.gamma * real - fake;
        state.k = (state.k + config.lambda * balance).clamp(0.0, 1.0);
        state.step += 1;
        let due = state.step.is_multiple_of(config.checkpoint_every.max(1)) || state.step == config.steps();
        let sheet = due.then(|| sheet(&discriminator.valid(), &generator.valid(), x.inner(), z.inner(), side));
        if due {
            checkpoint.write(&state, |slot| {
                slot.put::<Train<B>, _>("discriminator", discriminator.clone().into_record())?;
                slot.put::<Train<B>, _>("generator", generator.clone().into_record())?;
                slot.put::<Train<B>, _>("discriminator_optimiser", discriminator_optimiser.to_record())?;
                slot.put::<Train<B>, _>("generator_optimiser", generator_optimiser.to_record())
            })?;
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
    Ok(discriminator.valid().encoder)
}

fn l1<B: Backend>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 1> {
    (a - b).abs().mean()
}

fn scalar<B: Backend>(value: &Tensor<B, 1>) -> f32 {
    value.clone().into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}

/// A batch of faces, half of them mirrored, averaged down to `side`: `[N, 1, side, side]` in [−1, 1].
fn pictures<B: Backend>(
    faces: &[Face],
    batch: usize,
    side: usize,
    rng: &mut StdRng,
    device: &B::Device,
) -> Tensor<B, 4> {
    let step = FACE_SIZE / side;
    let mut values = Vec::with_capacity(batch * side * side);
    for _ in 0..batch {
        let face = &faces[rng.random_range(0..faces.len())];
        let mirror = rng.random_bool(0.5);
        for y in 0..side {
            for x in 0..side {
                let x = if mirror { side - 1 - x } else { x };
                let mut sum = 0u32;
                for dy in 0..step {
                    for dx in 0..step {
                        sum += u32::from(face[(y * step + dy) * FACE_SIZE + x * step + dx]);
                    }
                }
                values.push(sum as f32 / (step * step) as f32 / 127.5 - 1.0);
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [batch, 1, side, side]), device)
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

/// Walks the discriminator's weights and puts both losses' gradients together.
struct Combine<B: Backend> {
    real: GradientsParams,
    fake: GradientsParams,
    k: f32,
    out: GradientsParams,
    backend: std::marker::PhantomData<B>,
}

impl<B: NetworkBackend> ModuleVisitor<Train<B>> for Combine<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train<B>, D>>) {
        let real = self.real.remove::<B, D>(param.id);
        let fake = self.fake.remove::<B, D>(param.id);
        let gradient = match (real, fake) {
            (Some(real), Some(fake)) => real - fake * self.k,
            (Some(real), None) => real,
            (None, Some(fake)) => -fake * self.k,
            (None, None) => return,
        };
        self.out.register::<B, D>(param.id, gradient);
    }
}
