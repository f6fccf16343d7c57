//! The paper's experiments: trainings that are cells of its tables, each written to disk when it is done.

mod bench;
mod cell;
mod field;
mod paper;
mod tables;
mod tune;

pub use bench::{Laboratory, Pictures};
pub use field::{Field, with};
pub use tables::{curves, table4, table5, table6};
pub use tune::{Parameter, tune};
