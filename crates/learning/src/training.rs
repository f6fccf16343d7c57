//! What every training of a column tells its caller: where it is, what it made, or why it made nothing.

use crate::calibration::Calibration;
use crate::checkpoint::CheckpointError;
use crate::data::LabelledFaces;
use crate::metrics::{Accuracy, Confusion};
use network::{Column, ColumnConfig, NetworkBackend, NetworkError};
use serde::{Deserialize, Serialize};

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
    #[error("the loss became {loss} in epoch {epoch}; use a lower learning rate than {learning_rate}")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: u32,
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
