//! One file a command: its arguments and what it does. `growth` is a part of `bench`.

pub mod annotate;
pub mod bench;
pub mod bench_step;
pub mod cohort;
pub mod evaluate;
pub mod experiment;
pub mod explain;
pub mod fewshot;
mod growth;
pub mod import;
pub mod models;
pub mod probe;
pub mod refine_encoder;
pub mod train_encoder;
pub mod train_task;
