//! Supervised refinement of an encoder: all tasks at once, each with a column of its own that is thrown away afterwards.
//!
//! The paper's second way to use the encoder (Table IV, "retrained"), shared by several tasks so that there still is one
//! encoder. Layers normalise batches while they learn; the moments are folded into the weights at the end.

mod trainer;
mod union;

pub use trainer::{RefineRecord, Refined, refine};

use crate::augment::AugmentConfig;
use crate::began::Phase;
use crate::data::LabelledFaces;
use network::TaskName;
use serde::{Deserialize, Serialize};

/// A task that the encoder is refined for.
#[derive(Debug, Clone)]
pub struct RefineTask {
    /// Its name, for the log.
    pub name: TaskName,
    /// Faces to fit on.
    pub train: LabelledFaces,
    /// Faces to look at now and then.
    pub validation: LabelledFaces,
}

/// Settings of the refinement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefineConfig {
    /// Picture sizes and steps, in order.
    pub phases: Vec<Phase>,
    /// Faces per step.
    pub batch: usize,
    /// AdamW's highest rate; in each phase it rises first, then falls along half a cosine: what was learned on small
    /// pictures is of little use on large ones until it has been adapted to them.
    pub learning_rate: f64,
    /// Share of each weight that a step takes away, times the rate.
    pub weight_decay: f32,
    /// Share of a column's hidden units dropped, [0, 1).
    pub dropout: f64,
    /// Whether the columns have the four blocks of Table III; without, their heads read pooled features.
    pub own_blocks: bool,
    /// Classes are weighted by frequency to the power of minus this.
    pub class_weighting: f32,
    /// Random changes of faces.
    pub augment: AugmentConfig,
    /// Steps between checkpoints and looks at the validation faces.
    pub checkpoint_every: u32,
    /// Validation faces of each task that are looked at, at most.
    pub validation_faces: usize,
    /// Seed of columns, order and augmentation.
    pub seed: u64,
}

impl Default for RefineConfig {
    fn default() -> Self {
        Self {
            phases: vec![Phase { side: 64, steps: 6000 }, Phase { side: 128, steps: 600 }],
            batch: 32,
            learning_rate: 1e-3,
            weight_decay: 0.05,
            dropout: 0.5,
            own_blocks: false,
            class_weighting: 0.5,
            augment: AugmentConfig::default(),
            checkpoint_every: 250,
            validation_faces: 500,
            seed: 0,
        }
    }
}
