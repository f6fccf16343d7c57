//! The paper's experiments: trainings that are cells of its tables, each written to disk when it is done.

mod cell;
mod field;
mod laboratory;
mod paper;
mod tables;
mod tune;

pub use field::{Field, with};
pub use laboratory::{Laboratory, Pictures};
pub use tables::{curves, table4, table5, table6};
pub use tune::{Parameter, tune};
