//! What a refinement's log says.

use super::{RefineData, RefineTask};
use network::TaskName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of the refinement's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefineRecord {
    /// Counted from 1.
    pub step: u32,
    /// Side of the pictures.
    pub side: usize,
    /// Mean loss of each task since the record before.
    pub losses: BTreeMap<TaskName, f32>,
    /// Share of validation faces that each task's column had right.
    pub accuracies: BTreeMap<TaskName, f32>,
    /// Mean recall over the labels of the same faces.
    #[serde(default)]
    pub recalls: BTreeMap<TaskName, f32>,
    /// Mean loss of the histograms since the record before, where they are learned: 1 says nothing of a face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hog_loss: Option<f32>,
    /// Mean loss of the teacher's descriptor since the record before, where it is learned: 1 says nothing of a face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor_loss: Option<f32>,
    /// Share of the descriptor's variance over validation faces that is explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor_explained: Option<f32>,
    /// The rate of the last step.
    pub learning_rate: f64,
    /// Seconds of the steps since the record before.
    pub seconds: f32,
}

/// Losses since the last record.
pub(super) struct Sums {
    pub tasks: Vec<(f64, u32)>,
    pub histograms: (f64, u32),
    pub descriptors: (f64, u32),
}

impl Sums {
    pub fn new(data: &RefineData) -> Self {
        Self { tasks: vec![(0.0, 0); data.tasks.len()], histograms: (0.0, 0), descriptors: (0.0, 0) }
    }
}

pub(super) fn add(sum: &mut (f64, u32), value: f32) {
    *sum = (sum.0 + f64::from(value), sum.1 + 1);
}

pub(super) fn mean(&(sum, count): &(f64, u32)) -> f32 {
    (sum / f64::from(count.max(1))) as f32
}

/// A value of each task.
pub(super) fn by_task(tasks: &[RefineTask], value: impl Fn(usize) -> f32) -> BTreeMap<TaskName, f32> {
    tasks.iter().enumerate().map(|(at, task)| (task.name.clone(), value(at))).collect()
}
