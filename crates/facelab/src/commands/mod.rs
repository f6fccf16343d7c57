//! One file a command: its arguments and what it does.

pub mod annotate;
pub mod bench;
pub mod bench_step;
pub mod evaluate;
pub mod models;
pub mod train_encoder;
pub mod train_task;
