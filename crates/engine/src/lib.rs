//! From frames to labelled faces, and tasks taught in the meantime.
//!
//! The perception half answers every frame at the camera's rate: [`Pipeline`] does it inline and deterministically,
//! [`Engine`] with threads. A frame's answer never waits for the network; attributes carry the stamp of the frame they
//! were judged in. The teaching half keeps the model on disk, the samples, and trains new columns in the background.
#![warn(missing_docs)]

// Perception.
mod capture;
mod config;
mod crops;
mod engine;
mod error;
mod frame_slot;
mod heads;
mod judge;
mod pipeline;
mod scheduler;
mod smoothing;
mod stats;
mod threads;
mod types;
mod vision_stage;

pub use crate::capture::{Captured, TrackSelector};
pub use crate::config::{ConfigError, EngineConfig, LiveParams, SchedulerConfig, SmoothingConfig, TeachingConfig};
pub use crate::crops::{CropError, ImageSource, SampleImage};
pub use crate::engine::Engine;
pub use crate::error::EngineError;
pub use crate::frame_slot::FrameSlot;
pub use crate::heads::{NetworkUpdate, TaskHead};
pub use crate::pipeline::Pipeline;
pub use crate::scheduler::{Candidate, Scheduler};
pub use crate::smoothing::Smoother;
pub use crate::stats::{Memory, StageLatency, Stats};
pub use crate::types::{Attribute, Face, Frame, FrameLatency, FrameResult, Stamp};
