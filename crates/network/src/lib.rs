//! The paper's network: a shared BEGAN encoder and one progressive column per task.
//!
//! Barros, Fliesswasser, Kerzel, Wermter 2019, Tables I to III and section II-B. Inside, activations are NHWC
//! (`[N, H, W, C]`), the layout of [`fastconv`]; pictures come in as `[N, 1, 128, 128]`, which is the same memory.
//!
//! The code is generic over burn's backends through [`NetworkBackend`], whose fused convolution runs on [`fastconv`]
//! on CPUs and on burn's own convolutions elsewhere.
#![warn(missing_docs)]

mod backend;
mod cohort;
mod column;
mod decoder;
mod device;
mod encoder;
mod evaluator;
mod explain;
mod face_crop;
mod layers;
mod names;
mod prepared;
mod progressive;
mod tensors;
pub mod weights;
mod weights_kept;

#[cfg(feature = "cuda")]
pub use backend::CudaBackend;
pub use backend::{Activation, CpuBackend, NetworkBackend, Recycling, TrainBackend, recycle};
pub use cohort::Cohort;
pub use column::{
    Column, ColumnConfig, ColumnEntry, ColumnOutput, Depth, LinearHead, NetworkError, PeopleHead, Person,
    pooled_features,
};
pub use decoder::{Decoder, DecoderConfig, Discriminator};
pub use device::{DeviceChoice, DeviceError, DeviceKind, choose_device};
pub use encoder::{Encoder, EncoderConfig};
pub use explain::{Explanation, explain};
pub use face_crop::{FaceCrop, FaceCropError};
pub use fastconv::{threads, use_bfloat16, use_threads};
pub use layers::{Conv, Dense, elu, unit_length};
pub use names::{Label, NameError, TaskName};
pub use progressive::ProgressiveNetwork;
pub use tensors::{FACE_PIXELS, FACE_SIZE, faces_to_tensor, rows};
