//! Ways to learn from a few samples.

use clap::ValueEnum;
use serde::Serialize;

/// A way to learn from a few samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// What add_task does: a linear head in closed form that reads what held-out samples say is best
    Default,
    /// What add_task does for people: the face descriptor beside a cohort of strangers
    Identity,
    /// The default on the encoder's features alone: no lateral connections
    Features,
    /// The default on the sources' last blocks
    Sources,
    /// The default on both
    Both,
    /// Logistic regression (C = 1) on the encoder's features
    FeaturesLogistic,
    /// Logistic regression on features and sources
    BothLogistic,
    /// Logistic regression on histograms of oriented gradients
    HogLogistic,
    /// Gradients, a head of two layers with lateral connections
    GradientHead,
    /// Gradients, a whole column of Table III with lateral connections, from random weights
    GradientWhole,
    /// The same from a copy of the closest column
    GradientWholeFrom,
    /// Gradients, the fully connected layers on a copy of the closest column's blocks
    GradientTopFrom,
}

impl Method {
    /// Whether it takes minutes a draw.
    pub fn is_slow(self) -> bool {
        self >= Self::GradientHead
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
