//! Supervised refinement of an encoder: all tasks at once, each with a column of its own, which may be kept or thrown away.
//!
//! The paper's second way to use the encoder (Table IV, "retrained"), shared by several tasks so that there still is one
//! encoder. Layers normalise batches while they learn; the moments are folded into the weights at the end.

mod average;
mod batch;
mod describing;
mod descriptor_head;
mod fit;
mod histograms;
mod record;
mod trainer;
mod trunk;
mod union;

pub use descriptor_head::{Described, DescriptorHead, fit_descriptor_head};
pub use record::RefineRecord;
pub use trainer::{Refined, refine, refined_so_far};

use crate::augment::AugmentConfig;
use crate::data::{DescribedFaces, LabelledFaces};
use burn::tensor::backend::Backend;
use network::{Column, ColumnConfig, Encoder, EncoderConfig, TaskName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A task that the encoder is refined for.
#[derive(Debug, Clone)]
pub struct RefineTask {
    /// Its name, for the log.
    pub name: TaskName,
    /// Faces to fit on.
    pub train: LabelledFaces,
    /// Faces to look at now and then.
    pub validation: LabelledFaces,
    /// How often each of its faces is learned from in an epoch, ≥ 1.
    pub repeat: usize,
}

/// Faces that a teacher described.
#[derive(Debug, Clone, Default)]
pub struct DescribedParts {
    /// To learn from.
    pub train: DescribedFaces,
    /// To look at now and then.
    pub validation: DescribedFaces,
}

/// What an encoder is refined with.
#[derive(Debug, Clone)]
pub struct RefineData {
    /// Labelled faces.
    pub tasks: Vec<RefineTask>,
    /// Where the face descriptor is learned, too: see [`Encoder::descriptor_head`].
    pub described: Option<DescribedParts>,
}

/// What a refinement begins with.
#[derive(Debug, Clone)]
pub struct Start<B: Backend> {
    /// The encoder.
    pub encoder: Encoder<B>,
    /// Its sizes.
    pub sizes: EncoderConfig,
    /// Columns that go on learning where a task of the name has as many labels and sizes as here; others begin anew.
    pub columns: BTreeMap<TaskName, (Column<B>, ColumnConfig)>,
}

/// Steps on pictures of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinePhase {
    /// Side of the pictures, pixels; a divisor of 128.
    pub side: usize,
    /// Steps.
    pub steps: u32,
    /// Faces are enlarged so many times around their middle, ≥ 1: small pictures of the middle alone show it at a scale nearer
    /// to that of whole faces of 128 pixels, so that less has to be learned anew there.
    pub zoom: f32,
}

impl RefinePhase {
    /// Whole faces.
    pub fn new(side: usize, steps: u32) -> Self {
        Self { side, steps, zoom: 1.0 }
    }
}

impl std::fmt::Display for RefinePhase {
    /// As the command line has it: `64:6000`, `64:6000:1.5`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.side, self.steps)?;
        if self.zoom == 1.0 { Ok(()) } else { write!(f, ":{}", self.zoom) }
    }
}

/// Settings of the refinement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefineConfig {
    /// Pictures and steps, in order.
    pub phases: Vec<RefinePhase>,
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
    /// How much it counts, beside the labels, that histograms of oriented gradients can be read from each of the 4×4 pixels
    /// that heads read: a face has few labels and hundreds of those, so that features become useful in fewer steps. 0: not.
    pub hog_weight: f32,
    /// How much it counts, beside the labels, that the encoder's face descriptor is the teacher's, where faces have one. 0: not.
    pub descriptor_weight: f32,
    /// What is kept, and looked at, is the weights' running mean, which keeps this share of itself in each step, [0, 1). 0: the
    /// weights of the last step.
    pub averaging: f32,
    /// So many of the encoder's layers stay as they are, from the first on: without the first three a step on
    /// 128×128 pixels takes three fifths of its time; they hardly change once they have learned edges.
    pub frozen_layers: usize,
    /// Classes are weighted by frequency to the power of minus this.
    pub class_weighting: f32,
    /// Random changes of faces; their zoom is the phase's.
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
            phases: vec![RefinePhase::new(64, 6000), RefinePhase::new(128, 600)],
            batch: 32,
            learning_rate: 1e-3,
            weight_decay: 0.05,
            dropout: 0.5,
            own_blocks: false,
            hog_weight: 0.0,
            descriptor_weight: 4.0,
            averaging: 0.0,
            frozen_layers: 0,
            class_weighting: 0.5,
            augment: AugmentConfig::default(),
            checkpoint_every: 250,
            validation_faces: 500,
            seed: 0,
        }
    }
}

impl RefineConfig {
    /// The phase of a step, and the share of it that is over.
    pub(crate) fn phase_at(&self, step: u32) -> (RefinePhase, f32) {
        let mut first = 0;
        for phase in &self.phases {
            if step < first + phase.steps {
                return (*phase, (step - first) as f32 / phase.steps as f32);
            }
            first += phase.steps;
        }
        (RefinePhase::new(network::FACE_SIZE, 0), 1.0)
    }
}
