//! Sizes of a column.

use serde::{Deserialize, Serialize};

/// Sizes of a column; the default is Table III.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnConfig {
    /// Labels of the task, at least 2.
    pub classes: usize,
    /// Columns that this one draws from; 0 for none.
    #[serde(default)]
    pub sources: usize,
    /// Channels of the encoder's features, 256.
    #[serde(default = "ColumnConfig::default_features")]
    pub features: usize,
    /// Channels of the first three and the last three convolutions of a block.
    #[serde(default = "ColumnConfig::default_channels")]
    pub channels: [usize; 2],
    /// Channels after the adapter's 1×1 convolution.
    #[serde(default = "ColumnConfig::default_adapter_channels")]
    pub adapter_channels: usize,
    /// Whether the column has the four blocks of Table III. Without, its head reads the encoder's features, pooled as
    /// blocks would pool them, beside what its sources give it.
    #[serde(default = "ColumnConfig::default_own_blocks")]
    pub own_blocks: bool,
    /// Units of the hidden fully connected layer.
    #[serde(default = "ColumnConfig::default_hidden")]
    pub hidden: usize,
    /// Share of hidden units dropped in training, [0, 1).
    #[serde(default = "ColumnConfig::default_dropout")]
    pub dropout: f64,
    /// Whether the hidden units are brought to length 1, in place of ELU: those of an identity column are the face descriptor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unit_hidden: bool,
}

impl ColumnConfig {
    fn default_features() -> usize {
        256
    }
    fn default_channels() -> [usize; 2] {
        [128, 256]
    }
    fn default_adapter_channels() -> usize {
        256
    }
    fn default_own_blocks() -> bool {
        true
    }
    fn default_hidden() -> usize {
        200
    }
    fn default_dropout() -> f64 {
        0.5
    }

    /// Table III for so many labels and source columns.
    pub fn new(classes: usize, sources: usize) -> Self {
        Self {
            classes,
            sources,
            features: Self::default_features(),
            channels: Self::default_channels(),
            adapter_channels: Self::default_adapter_channels(),
            own_blocks: Self::default_own_blocks(),
            hidden: Self::default_hidden(),
            dropout: Self::default_dropout(),
            unit_hidden: false,
        }
    }

    /// Channels of what the column gives to its head, and to those that draw from it.
    pub fn width(&self) -> usize {
        if self.own_blocks { self.channels[1] } else { self.features }
    }

    /// Whether others can draw from the column: the hidden units of one without blocks have to find room in its width.
    pub fn can_be_drawn_from(&self) -> bool {
        !self.unit_hidden && (self.own_blocks || self.hidden <= self.width())
    }
}
