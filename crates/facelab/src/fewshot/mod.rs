//! The few-shot benchmark: draws of a few samples per label, and what methods make of them.

mod draw;
mod logistic;
mod method;
mod methods;
mod outcome;

pub use draw::{Draw, Pool, draws, folds};
pub use method::Method;
pub use methods::Bench;
pub use outcome::{Covered, Outcome, Row, Strangers, text};
