//! What the perception half needs to know of a column: its labels and its calibration.

use std::sync::Arc;

use learning::Calibration;
use network::{Label, NetworkBackend, ProgressiveNetwork, TaskName};

use crate::TaskKind;

/// One answering column's names and calibration. Silent columns have none.
#[derive(Debug, Clone)]
pub struct AnsweringTask {
    /// The task.
    pub name: TaskName,
    /// Version of the column: grows at each training, so that running posteriors of an older column are dropped.
    pub version: u32,
    /// Labels, in the order of the column's outputs.
    pub labels: Arc<[Label]>,
    /// General, or who somebody is.
    pub kind: TaskKind,
    /// From logits to probabilities and an unknown share.
    pub calibration: Calibration,
}

/// A network to swap in between two batches, with one head per answering column.
pub struct NetworkUpdate<B: NetworkBackend> {
    /// The whole network, encoder included.
    pub network: ProgressiveNetwork<B>,
    /// Heads of all columns that answer, in the network's order.
    pub heads: Vec<AnsweringTask>,
}
