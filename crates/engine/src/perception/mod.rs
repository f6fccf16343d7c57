//! From frames to labelled faces.

pub(crate) mod budget;
pub(crate) mod explainer;
pub(crate) mod judge;
pub(crate) mod pipeline;
#[cfg(test)]
mod pipeline_tests;
pub(crate) mod scheduler;
pub(crate) mod smoothing;
pub(crate) mod stats;
pub(crate) mod vision_stage;
pub(crate) mod waiting;
