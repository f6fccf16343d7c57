//! One file a command: its arguments and what it does.

pub mod train_encoder;
pub mod train_task;
