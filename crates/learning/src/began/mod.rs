//! Unsupervised training of the encoder as the discriminator of a BEGAN (eq. 1 and 2; Berthelot et al. 2017).

mod game;
mod sheet;
mod trainer;

pub use game::{Game, Losses};
pub use sheet::Sheet;
pub use trainer::{StepRecord, train};

use crate::augment::AugmentConfig;
use network::{DecoderConfig, EncoderConfig};
use serde::{Deserialize, Serialize};

/// Steps at one picture size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Side of the pictures: 16, 32, 64 or 128 pixels.
    pub side: usize,
    /// Steps.
    pub steps: u32,
}

impl std::fmt::Display for Phase {
    /// As the command line has it: `64:20000`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.side, self.steps)
    }
}

/// What the encoder learns from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Eq. 1 and 2: faces and generated pictures.
    #[default]
    Began,
    /// L(x) alone, a plain auto-encoder without a generator: to compare with.
    Autoencoder,
}

/// Settings of the training; the defaults are the paper's where it gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeganConfig {
    /// What is learned from.
    pub objective: Objective,
    /// Table I.
    pub encoder: EncoderConfig,
    /// Table II.
    pub decoder: DecoderConfig,
    /// Picture sizes, in order.
    pub phases: Vec<Phase>,
    /// Pictures per step.
    pub batch: usize,
    /// Adam's rate for discriminator and generator.
    pub learning_rate: f64,
    /// γ: the wanted ratio E[L(G(z))] / E[L(x)], in [0, 1].
    pub gamma: f32,
    /// λ: how fast k follows the balance.
    pub lambda: f32,
    /// Random changes of faces; the default mirrors half of them.
    pub augment: AugmentConfig,
    /// Steps between checkpoints and sheets.
    pub checkpoint_every: u32,
    /// Seed of weights, order, mirroring and z.
    pub seed: u64,
}

impl Default for BeganConfig {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            encoder: EncoderConfig::default(),
            decoder: DecoderConfig::default(),
            phases: vec![Phase { side: 64, steps: 20_000 }, Phase { side: 128, steps: 10_000 }],
            batch: 16,
            learning_rate: 1e-4,
            gamma: 0.5,
            lambda: 0.001,
            augment: AugmentConfig { mirror: true, ..AugmentConfig::none() },
            checkpoint_every: 100,
            seed: 0,
        }
    }
}

impl BeganConfig {
    /// Steps of all phases.
    pub fn steps(&self) -> u32 {
        self.phases.iter().map(|phase| phase.steps).sum()
    }

    /// Side of the pictures at a step (counted from 0), and whether a phase begins with it.
    fn side_at(&self, step: u32) -> Option<(usize, bool)> {
        let mut first = 0;
        for phase in &self.phases {
            if step < first + phase.steps {
                return Some((phase.side, step == first));
            }
            first += phase.steps;
        }
        None
    }
}
