//! Learning: BEGAN for the encoder, columns for the tasks, data sets, calibration, metrics.
//!
//! Equation numbers and tables are those of Barros et al. 2019. The crate knows neither ROS nor OpenCV.
#![warn(missing_docs)]

pub mod augment;
pub mod began;
mod calibration;
mod checkpoint;
pub mod data;
mod face;
mod features;
mod few_shot;
mod gradients;
pub mod hog;
mod looks;
mod loss;
mod metrics;
mod occlusion;
mod pictures;
pub mod refine;
mod training;

pub use calibration::{Calibration, log_sum_exp};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use data::LabelledFaces;
pub use features::{Evaluation, evaluate_column, evaluate_looks};
pub use few_shot::{
    FaceReading, FewShotConfig, HeadFit, IdentityConfig, Known, MANY_FACES, NOTHING_KNOWN, PeopleFit, Reader, Readings,
    Reads, expose, fit, fit_people, teach, teach_people,
};
pub use gradients::{Annealing, ColumnFit, ColumnTrainingConfig, Parts, Trainable, train_column};
pub use looks::{LOOKS, Look};
pub use metrics::{Accuracy, Confusion, ReliabilityBin, area_under_roc, expected_calibration_error, reliability};
pub use occlusion::Corruption;
pub use refine::{Described, DescriptorHead, fit_descriptor_head};
pub use training::{EpochRecord, Progress, TrainError, TrainedColumn, Training};
