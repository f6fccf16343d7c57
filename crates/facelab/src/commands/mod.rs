//! One file a command: its arguments and what it does. `growth` and `bench_pictures` are parts of `bench`.

pub mod agree;
#[cfg(feature = "perception")]
pub mod annotate;
pub mod bench;
mod bench_inputs;
#[cfg(feature = "perception")]
mod bench_pictures;
mod bench_roof;
pub mod bench_step;
pub mod cohort;
pub mod descriptor;
pub mod evaluate;
pub mod experiment;
#[cfg(feature = "perception")]
pub mod explain;
pub mod fewshot;
mod growth;
#[cfg(feature = "perception")]
pub mod import;
pub mod models;
pub mod probe;
pub mod refine_encoder;
#[cfg(feature = "perception")]
pub mod state;
pub mod train_encoder;
pub mod train_task;
