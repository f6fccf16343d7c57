//! A column's place in the network, and why a change of the columns is refused.

use crate::backend::NetworkBackend;
use crate::column::Column;
use crate::names::TaskName;
use crate::prepared::column::PreparedColumn;
use crate::tensors::{FACE_SIZE, FEATURE_STRIDE};
use crate::weights_kept::WeightsKept;
use burn::tensor::backend::Backend;

/// Why a change of the columns was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The name is taken.
    #[error("a column named '{0}' exists already")]
    Exists(TaskName),
    /// No such column.
    #[error("there is no column named '{0}'")]
    Unknown(TaskName),
    /// A source that does not come before the column.
    #[error("column '{column}' draws from '{source_column}', which is not among the columns before it")]
    MissingSource {
        /// The column that was to be added.
        column: TaskName,
        /// What it wants to draw from.
        source_column: TaskName,
    },
    /// Sources and lateral connections do not fit.
    #[error("column '{0}' names sources but has no lateral connections, or the other way round")]
    Laterals(TaskName),
    /// A label that the column does not have.
    #[error("column '{column}' has {classes} labels, none at {class} (counted from 0)")]
    NoLabel {
        /// The column.
        column: TaskName,
        /// What was asked for.
        class: usize,
        /// Labels that there are.
        classes: usize,
    },
    /// Others draw from the column.
    #[error("column '{column}' cannot go: {} draw from it", .dependants.iter().map(|d| format!("'{d}'")).collect::<Vec<_>>().join(", "))]
    InUse {
        /// The column that was to go.
        column: TaskName,
        /// Who draws from it.
        dependants: Vec<TaskName>,
    },
    /// Weights were given up, of the encoder or a column; see [`crate::ProgressiveNetwork::answering_only`].
    #[error("the weights of {0} are kept for answering only; load the model again to have them")]
    AnswersOnly(String),
}

/// Side of the features of faces of 128×128, pixels.
const FEATURE_SIDE: usize = FACE_SIZE / FEATURE_STRIDE;

/// A column and its place in the network.
#[derive(Debug, Clone)]
pub struct ColumnEntry<B: Backend> {
    /// The task.
    pub name: TaskName,
    /// Columns it draws from, in the order of its adapters' inputs.
    pub sources: Vec<TaskName>,
    /// Evaluated only because others draw from it; gives no answer.
    pub silent: bool,
    pub(crate) weights: WeightsKept<Column<B>, PreparedColumn>,
    pub(crate) has_laterals: bool,
    /// Side of the features that it reads, pixels; the network that it is in decides.
    feature_side: usize,
}

impl<B: Backend> ColumnEntry<B> {
    /// A column under a name.
    pub fn new(name: TaskName, sources: Vec<TaskName>, column: Column<B>, silent: bool) -> Self {
        let has_laterals = column.has_sources();
        Self {
            name,
            sources,
            silent,
            weights: WeightsKept::trainable(column),
            has_laterals,
            feature_side: FEATURE_SIDE,
        }
    }

    /// The same weights in another place.
    pub fn placed(&self, name: TaskName, sources: Vec<TaskName>, silent: bool) -> Self {
        Self { name, sources, silent, ..self.clone() }
    }

    /// The weights as they are trained and stored.
    ///
    /// # Errors
    /// They were given up; see [`crate::ProgressiveNetwork::answering_only`].
    pub fn column(&self) -> Result<&Column<B>, NetworkError> {
        self.weights.module().ok_or_else(|| NetworkError::AnswersOnly(format!("column '{}'", self.name)))
    }
}

impl<B: NetworkBackend> ColumnEntry<B> {
    /// For features of another side.
    ///
    /// # Errors
    /// It only answers, for the side that it was prepared for.
    pub(crate) fn reading(self, feature_side: usize) -> Result<Self, NetworkError> {
        if feature_side == self.feature_side {
            return Ok(self);
        }
        self.column()?;
        Ok(Self { feature_side, weights: self.weights.unprepared(), ..self })
    }

    pub(crate) fn prepared(&self) -> &PreparedColumn {
        self.weights.prepared(|column| PreparedColumn::new(column, self.feature_side))
    }

    /// See [`crate::ProgressiveNetwork::answering_only`].
    pub(crate) fn answering_only(self) -> Self {
        if !B::answers_prepared() {
            return self;
        }
        let side = self.feature_side;
        Self { weights: self.weights.answering(|column| PreparedColumn::new(column, side)), ..self }
    }
}
