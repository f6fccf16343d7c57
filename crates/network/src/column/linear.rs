//! Columns whose logits are a linear function of what their head reads.

use crate::column::{Adapter, Column, ColumnConfig, HEAD_PIXELS, HeadLateral};
use crate::layers::{Conv, Dense};
use burn::module::Param;
use burn::nn::DropoutConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Added before the hidden layer's ELU and taken away behind it: values above minus this pass unchanged. Logits that small
/// mean a probability of nothing; a larger shift would cost the bias more of its eleven bits where weights are stored as f16.
const SHIFT: f32 = 16.0;

/// A linear function of what the head of a column without blocks reads.
#[derive(Debug, Clone)]
pub struct LinearHead {
    /// From the pooled features: `[4 · 4 · C, classes]`, row by row.
    pub own: Vec<f32>,
    /// The same from each source's last block.
    pub sources: Vec<Vec<f32>>,
    /// `[classes]`.
    pub bias: Vec<f32>,
}

impl<B: Backend> Column<B> {
    /// The column without blocks that answers as `head` does, and its sizes; `like` gives the others. Its activations are
    /// identities on what they get: a block's output is above −1.
    ///
    /// # Panics
    /// When `head` has not one matrix for each source of `like`, or they have other sizes.
    pub fn linear(like: &ColumnConfig, head: &LinearHead, device: &B::Device) -> (Self, ColumnConfig) {
        let classes = head.bias.len();
        assert_eq!(head.sources.len(), like.sources, "one matrix a source");
        let channels = like.channels[1] * like.sources;
        let config = ColumnConfig {
            classes,
            own_blocks: false,
            hidden: classes,
            adapter_channels: if like.sources > 0 { channels } else { like.adapter_channels },
            ..like.clone()
        };
        let matrix = |values: Vec<f32>, size: [usize; 2]| {
            Param::from_tensor(Tensor::from_data(TensorData::new(values, size), device))
        };
        let vector = |values: Vec<f32>| {
            let size = [values.len()];
            Param::from_tensor(Tensor::from_data(TensorData::new(values, size), device))
        };
        let mut bias: Vec<f32> = head.bias.iter().map(|bias| bias + SHIFT).collect();
        let head_lateral = (like.sources > 0).then(|| {
            let identity = Tensor::<B, 2>::eye(channels, device).reshape([1, 1, channels, channels]);
            let adapter = Adapter {
                scale: vector(vec![1.0; like.sources]),
                reduce: Conv {
                    weight: Param::from_tensor(identity),
                    bias: Some(vector(vec![1.0; channels])),
                    gain: None,
                    passes: false,
                },
            };
            // The sources' channels stand side by side at each pixel.
            let mut joined = Vec::with_capacity(HEAD_PIXELS * channels * classes);
            for pixel in 0..HEAD_PIXELS {
                for source in &head.sources {
                    let width = source.len() / HEAD_PIXELS;
                    joined.extend_from_slice(&source[pixel * width..(pixel + 1) * width]);
                }
            }
            for row in joined.chunks(classes) {
                bias.iter_mut().zip(row).for_each(|(bias, weight)| *bias -= weight);
            }
            HeadLateral {
                adapter,
                lateral: Dense { weight: matrix(joined, [HEAD_PIXELS * channels, classes]), bias: None },
            }
        });
        let column = Self {
            blocks: Vec::new(),
            laterals: Vec::new(),
            head_lateral,
            hidden: Dense {
                weight: matrix(head.own.clone(), [config.width() * HEAD_PIXELS, classes]),
                bias: Some(vector(bias)),
            },
            dropout: DropoutConfig::new(config.dropout).init(),
            output: Dense {
                weight: Param::from_tensor(Tensor::eye(classes, device)),
                bias: Some(vector(vec![-SHIFT; classes])),
            },
            unit_hidden: false,
        };
        (column, config)
    }
}
