//! Learning: BEGAN for the encoder, columns for the tasks, data sets, calibration, metrics.
//!
//! Equation numbers and tables are those of Barros et al. 2019. The crate knows neither ROS nor OpenCV.
#![warn(missing_docs)]

pub mod augment;
mod background;
pub mod began;
mod calibration;
mod checkpoint;
mod column_config;
mod column_training;
pub mod data;
mod descriptor_head;
mod features;
mod few_shot;
mod fit;
pub mod hog;
mod identity;
mod kept;
mod looks;
mod loss;
mod metrics;
mod occlusion;
mod outliers;
mod pictures;
mod readings;
pub mod refine;
mod ridge;
mod standard;
mod supply;

pub use calibration::{Calibration, log_sum_exp};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use column_config::{Annealing, ColumnTrainingConfig, Trainable};
pub use column_training::{EpochRecord, Parts, Progress, TrainError, TrainedColumn, train_column};
pub use data::{Face, LabelledFaces};
pub use descriptor_head::{Described, DescriptorHead, fit_descriptor_head};
pub use features::{Evaluation, evaluate_column, evaluate_looks};
pub use few_shot::{FewShotConfig, HeadFit, Reads, fit, teach};
pub use fit::ColumnFit;
pub use identity::{IdentityConfig, PeopleFit, fit_people, teach_people};
pub use looks::{LOOKS, Look};
pub use metrics::{Accuracy, Confusion, ReliabilityBin, area_under_roc, expected_calibration_error, reliability};
pub use occlusion::Corruption;
pub use outliers::expose;
pub use readings::Readings;
