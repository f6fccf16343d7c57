//! Discriminator against generator, one step at a time.

use super::BeganConfig;
use crate::checkpoint::{CheckpointError, Slot};
use crate::loss::number;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{Adam, AdamConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use network::{Decoder, Discriminator, NetworkBackend, TrainBackend};

type Train<B> = TrainBackend<B>;

/// Mean absolute errors of a step, pixels in [−1, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// L(x), of faces.
    pub real: f32,
    /// L(G(z)), of generated pictures; 0 where none are.
    pub fake: f32,
}

/// Both networks of a BEGAN and their optimisers.
pub struct Game<B: NetworkBackend> {
    /// The auto-encoder whose encoder is wanted.
    pub discriminator: Discriminator<Train<B>>,
    /// Makes pictures from codes.
    pub generator: Decoder<Train<B>>,
    discriminator_optimiser: OptimizerAdaptor<Adam, Discriminator<Train<B>>, Train<B>>,
    generator_optimiser: OptimizerAdaptor<Adam, Decoder<Train<B>>, Train<B>>,
}

impl<B: NetworkBackend> Game<B> {
    /// Untrained, for pictures of `side × side`; the same seed gives the same weights.
    pub fn new(config: &BeganConfig, side: usize, device: &B::Device) -> Self {
        let adam = AdamConfig::new().with_beta_1(0.5).with_epsilon(1e-8);
        Self {
            discriminator: Discriminator::init(&config.encoder, &config.decoder, side, device, config.seed),
            generator: config.decoder.init(device, config.seed + 3),
            discriminator_optimiser: adam.init(),
            generator_optimiser: adam.init(),
        }
    }

    pub(super) fn resumed(self, slot: &Slot, device: &B::Device) -> Result<Self, CheckpointError> {
        Ok(Self {
            discriminator: self.discriminator.load_record(slot.get::<Train<B>, _>("discriminator", device)?),
            generator: self.generator.load_record(slot.get::<Train<B>, _>("generator", device)?),
            discriminator_optimiser: self
                .discriminator_optimiser
                .load_record(slot.get::<Train<B>, _>("discriminator_optimiser", device)?),
            generator_optimiser: self
                .generator_optimiser
                .load_record(slot.get::<Train<B>, _>("generator_optimiser", device)?),
        })
    }

    pub(super) fn save(&self, slot: &Slot) -> Result<(), CheckpointError> {
        slot.put::<Train<B>, _>("discriminator", self.discriminator.clone().into_record())?;
        slot.put::<Train<B>, _>("generator", self.generator.clone().into_record())?;
        slot.put::<Train<B>, _>("discriminator_optimiser", self.discriminator_optimiser.to_record())?;
        slot.put::<Train<B>, _>("generator_optimiser", self.generator_optimiser.to_record())
    }

    /// One step of the discriminator on faces `x [N, 1, side, side]` alone. Nothing changes when the loss is not finite.
    pub fn reconstruct(mut self, x: Tensor<Train<B>, 4>, learning_rate: f64) -> (Self, Losses) {
        let loss = l1(self.discriminator.forward(x.clone()), x);
        let losses = Losses { real: number(&loss), fake: 0.0 };
        if losses.real.is_finite() {
            let mut gradients = loss.backward();
            let gradients = GradientsParams::from_module::<Train<B>, _>(&mut gradients, &self.discriminator);
            self.discriminator = self.discriminator_optimiser.step(learning_rate, self.discriminator, gradients);
        }
        (self, losses)
    }

    /// One step of both on faces `x [N, 1, side, side]` and codes `z [N, latent]`. Nothing changes when a loss is not
    /// finite.
    pub fn step(
        mut self,
        x: Tensor<Train<B>, 4>,
        z: Tensor<Train<B>, 2>,
        k: f32,
        learning_rate: f64,
    ) -> (Self, Losses) {
        let [_, _, side, _] = x.dims();
        let loss_real = l1(self.discriminator.forward(x.clone()), x);
        let fake = self.generator.forward(z, side);
        let loss_fake = l1(self.discriminator.forward(fake.clone()), fake);
        let losses = Losses { real: number(&loss_real), fake: number(&loss_fake) };
        if !(losses.real.is_finite() && losses.fake.is_finite()) {
            return (self, losses);
        }
        // One backward pass of each loss serves both networks: θ_D gets ∇L(x) − k·∇L(G(z)), θ_G gets ∇L(G(z)).
        let mut real_gradients = loss_real.backward();
        let mut fake_gradients = loss_fake.backward();
        let mut combined = Combine {
            real: GradientsParams::from_module::<Train<B>, _>(&mut real_gradients, &self.discriminator),
            fake: GradientsParams::from_module::<Train<B>, _>(&mut fake_gradients, &self.discriminator),
            k,
            out: GradientsParams::new(),
            backend: std::marker::PhantomData::<B>,
        };
        self.discriminator.visit(&mut combined);
        let for_generator = GradientsParams::from_module::<Train<B>, _>(&mut fake_gradients, &self.generator);
        self.discriminator = self.discriminator_optimiser.step(learning_rate, self.discriminator, combined.out);
        self.generator = self.generator_optimiser.step(learning_rate, self.generator, for_generator);
        (self, losses)
    }
}

fn l1<B: Backend>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 1> {
    (a - b).abs().mean()
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
