//! How a column is trained; the default is the paper's procedure.

use crate::augment::AugmentConfig;
use network::TaskName;
use serde::{Deserialize, Serialize};

/// Which weights of a column a training changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trainable {
    /// All.
    #[default]
    All,
    /// The fully connected layers and their lateral connection; blocks stay as they begin.
    Head,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Annealing {
    /// By [`ColumnTrainingConfig::decay`] where the training loss stagnates.
    #[default]
    Plateau,
    /// Up from 0 in the first steps, then along half a cosine to 0 at the last epoch's end.
    Cosine,
}

/// Settings of a column's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnTrainingConfig {
    /// Epochs at most, ≥ 1.
    pub epochs: u32,
    /// Faces per step, ≥ 1.
    pub batch: usize,
    /// Adam's first learning rate; the highest one of a cosine.
    pub learning_rate: f64,
    /// How the rate falls.
    pub annealing: Annealing,
    /// Share of each weight that a step takes away, times the rate (Loshchilov & Hutter 2019); 0: none.
    pub weight_decay: f32,
    /// The rate is multiplied by it after [`Self::stagnation`] epochs without a lower training loss.
    pub decay: f64,
    /// See [`Self::decay`].
    pub stagnation: u32,
    /// Training ends after so many epochs without a better validation loss; 0: never early.
    pub patience: u32,
    /// Share held back when the data brings no validation part, [0, 0.5].
    pub validation_share: f32,
    /// Faces per epoch, drawn anew each time; 0: all.
    pub epoch_faces: usize,
    /// Classes are weighted by frequency to the power of minus this: 0 leaves them, 1 evens them out.
    pub class_weighting: f32,
    /// Share of each label spread over the others, [0, 0.5].
    pub label_smoothing: f32,
    /// Share of hidden units dropped, [0, 1).
    pub dropout: f64,
    /// Which weights change.
    pub trainable: Trainable,
    /// Whether blocks that learn normalise each batch before their activations; folded away afterwards.
    pub normalise: bool,
    /// Random changes of training faces.
    pub augment: AugmentConfig,
    /// Features of so many changed copies of each face are computed once and kept; 0: changed and computed anew in
    /// each epoch.
    pub cached_copies: usize,
    /// Ends after the epoch in which so many seconds are over; 0: never.
    pub time_budget_s: f32,
    /// Blocks and hidden layer begin as copies of this column's; none: from random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<TaskName>,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
}

impl Default for ColumnTrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 35,
            batch: 32,
            learning_rate: 1e-4,
            annealing: Annealing::default(),
            weight_decay: 0.0,
            decay: 0.5,
            stagnation: 2,
            patience: 8,
            validation_share: 0.2,
            epoch_faces: 0,
            class_weighting: 0.0,
            label_smoothing: 0.0,
            dropout: 0.5,
            trainable: Trainable::All,
            normalise: true,
            augment: AugmentConfig::default(),
            cached_copies: 0,
            time_budget_s: 0.0,
            start_from: None,
            seed: 0,
        }
    }
}

impl ColumnTrainingConfig {
    /// For a few samples on a robot: only the head learns, on what it reads of a few changed copies, computed once, so that
    /// a training takes seconds of one core; classes are evened out.
    pub fn few_shot() -> Self {
        Self {
            epochs: 30,
            batch: 8,
            learning_rate: 1e-3,
            patience: 8,
            class_weighting: 1.0,
            dropout: 0.2,
            trainable: Trainable::Head,
            cached_copies: 3,
            ..Self::default()
        }
    }

    /// Whether a training can run with these values.
    ///
    /// # Errors
    /// The field that cannot be so, and its range.
    pub fn validate(&self) -> Result<(), String> {
        let refuse = |field: &str, range: &str| Err(format!("{field} must be {range}"));
        match self {
            Self { epochs: 0, .. } => refuse("epochs", "1 or more"),
            Self { batch: 0, .. } => refuse("batch", "1 or more"),
            Self { learning_rate, .. } if !(*learning_rate > 0.0 && learning_rate.is_finite()) => {
                refuse("learning_rate", "above 0")
            }
            Self { dropout, .. } if !(0.0..1.0).contains(dropout) => refuse("dropout", "from 0 to below 1"),
            Self { validation_share, .. } if !(0.0..=0.5).contains(validation_share) => {
                refuse("validation_share", "from 0 to 0.5")
            }
            Self { label_smoothing, .. } if !(0.0..=0.5).contains(label_smoothing) => {
                refuse("label_smoothing", "from 0 to 0.5")
            }
            _ => Ok(()),
        }
    }

    /// Faces of an epoch, copies counted, of so many.
    pub(crate) fn faces_per_epoch(&self, faces: usize) -> usize {
        let all = faces * self.cached_copies.max(1);
        if self.epoch_faces == 0 { all } else { self.epoch_faces.min(all) }
    }
}
