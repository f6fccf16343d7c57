//! Settings of [`super::teach`].

use crate::augment::AugmentConfig;
use crate::looks::LOOKS;
use serde::{Deserialize, Serialize};

/// So many looks in all are learned from, unless that were fewer than two a face: reading takes time, and a fit the cube of it.
const ROWS: usize = 1000;

/// What a head may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// What held-out faces say is best.
    #[default]
    Best,
    /// The encoder's features alone.
    Features,
    /// The sources' last blocks alone.
    Sources,
    /// Both.
    Both,
}

/// Settings of [`crate::teach`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FewShotConfig {
    /// What the head reads.
    pub reads: Reads,
    /// At how many of [`LOOKS`] each face is learned from, at most.
    pub looks: usize,
    /// How looks but the first are changed, as the seconds to come may: samples of one video hardly differ.
    pub augment: AugmentConfig,
    /// Faces are left out in so many runs per label, in the order they came, at most: neighbours in time resemble each other.
    pub folds: usize,
    /// After so many seconds no further choice of what the head reads is tried; 0: all are.
    pub time_budget_s: f32,
}

impl Default for FewShotConfig {
    fn default() -> Self {
        Self {
            reads: Reads::default(),
            looks: LOOKS.len(),
            // The looks are of several sizes and mirrored already; a covered half would go into the mean of a person who has one sample.
            augment: AugmentConfig { mirror: false, scale: 0.0, occlusion: 0.0, ..AugmentConfig::default() },
            folds: 4,
            time_budget_s: 0.0,
        }
    }
}

impl FewShotConfig {
    /// At how many looks so many faces are learned from.
    pub fn looks_at(&self, faces: usize) -> usize {
        self.looks.min((ROWS / faces.max(1)).max(2)).max(1)
    }
}
