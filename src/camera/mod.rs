//! The camera: on which topics its pictures come, and their way to the engine.

mod choice;
mod input;
mod listener;
mod origins;
mod silence;
mod topics;

pub(crate) use self::input::{Input, InputCounts, LastPicture, decode};
pub(crate) use self::listener::CameraInput;
pub(crate) use self::topics::{ImageTopics, Source};
