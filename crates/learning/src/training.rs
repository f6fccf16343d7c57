//! What every training of a column is given and tells: what it begins with, where it is, what it made, or why it made nothing.

use crate::calibration::Calibration;
use crate::checkpoint::CheckpointError;
use crate::data::LabelledFaces;
use crate::metrics::{Accuracy, Confusion};
use network::{Column, ColumnConfig, NetworkBackend, NetworkError, ProgressiveNetwork, TaskName};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What a column is trained on top of, and who watches: the same for every way to train one.
pub struct Training<'a, B: NetworkBackend> {
    /// Encoder and earlier columns; they stay as they are.
    pub network: &'a ProgressiveNetwork<B>,
    /// Columns of the network to draw from; an identity task has none.
    pub sources: &'a [TaskName],
    /// The column's sizes; `classes` and `sources` follow from the data. A few samples set `own_blocks` and `hidden` too, gradients `dropout`.
    pub sizes: ColumnConfig,
    /// Where it is computed.
    pub device: &'a B::Device,
    /// Called after every step, every epoch and every batch of faces that is read; [`ControlFlow::Break`] ends the training with
    /// [`TrainError::Cancelled`].
    pub observer: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
}

/// Where a training is; given to the observer after every step and every epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Epochs planned at most.
    pub epochs: u32,
    /// Steps done in this epoch.
    pub step: u32,
    /// Steps of an epoch.
    pub steps: u32,
    /// Mean loss of the epoch so far; 0 before its first step.
    pub loss: f32,
    /// Share of held-back faces that were right after the last epoch.
    pub validation_accuracy: Option<f32>,
    /// Estimated seconds to the end if no epoch is saved by stopping early.
    pub eta_s: f32,
}

impl Progress {
    /// Before the first step, of so many epochs of so many steps.
    pub(crate) fn begin(epochs: u32, steps: u32) -> Self {
        Self { epoch: 0, epochs, step: 0, steps, loss: 0.0, validation_accuracy: None, eta_s: 0.0 }
    }
}

/// One line of a learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean training loss.
    pub loss: f32,
    /// Mean loss on held-back faces.
    pub validation_loss: f32,
    /// Share of held-back faces that were right.
    pub validation_accuracy: f32,
    /// Adam's rate in this epoch.
    pub learning_rate: f64,
    /// Seconds since the training (or its resumption) began.
    pub seconds: f32,
}

/// A column that is ready to be put into a network.
#[derive(Debug, Clone)]
pub struct TrainedColumn<B: NetworkBackend> {
    /// The weights of the best epoch.
    pub column: Column<B>,
    /// Its sizes.
    pub config: ColumnConfig,
    /// Fitted on the held-back faces.
    pub calibration: Calibration,
    /// On the held-back faces.
    pub accuracy: Accuracy,
    /// Truth by answer on the held-back faces.
    pub confusion: Confusion,
    /// The learning curve.
    pub curve: Vec<EpochRecord>,
    /// Seconds taken.
    pub seconds: f32,
}

/// Why a training gave no column.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The observer asked to stop.
    #[error("the training was cancelled")]
    Cancelled,
    /// A source does not exist.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Too little to learn from.
    #[error("{0}")]
    Data(String),
    /// The loss is no number any more.
    #[error("the loss became {loss} in {unit} {number}; use a lower learning rate than {learning_rate}")]
    Diverged {
        /// `epoch` or `step`.
        unit: &'static str,
        /// Which one, counted from 1.
        number: u32,
        /// The loss.
        loss: f32,
        /// Adam's rate.
        learning_rate: f64,
    },
    /// The checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl LabelledFaces {
    /// That there are two labels at least, and a face of each.
    pub(crate) fn require_all_labels(&self) -> Result<(), TrainError> {
        if self.labels.len() < 2 {
            return Err(TrainError::Data("a task needs at least two labels".into()));
        }
        let counts = self.labels.iter().zip(self.counts());
        let missing: Vec<String> =
            counts.filter(|(_, count)| *count == 0).map(|(label, _)| format!("'{label}'")).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(TrainError::Data(format!("no training faces for {}", missing.join(", "))))
        }
    }
}
