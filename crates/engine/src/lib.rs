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
#[cfg(test)]
mod engine_tests;
mod error;
mod explainer;
mod frame_slot;
mod heads;
mod judge;
mod launch;
mod pipeline;
#[cfg(test)]
mod pipeline_tests;
mod scheduler;
mod smoothing;
mod stats;
#[cfg(test)]
mod testing;
mod threads;
mod types;
mod vision_stage;
mod waiting;

// Teaching.
mod admission;
mod board;
mod desk;
mod disk;
mod learner;
mod manifest;
#[cfg(test)]
mod model_testing;
mod parts;
mod promise;
mod queue;
mod sample_index;
mod samples;
mod state;
mod store;
mod store_error;
mod task_error;
mod tasks;
mod trainer;
mod transfer;
mod workshop;

pub use crate::capture::{CaptureError, Captured, TrackSelector};
pub use crate::config::{ConfigError, EngineConfig, LiveParams, SchedulerConfig, SmoothingConfig, TeachingConfig};
pub use crate::crops::{CropError, ImageSource, SampleImage};
pub use crate::engine::Engine;
pub use crate::error::EngineError;
pub use crate::explainer::{Explained, Explainer};
pub use crate::frame_slot::FrameSlot;
pub use crate::heads::{NetworkUpdate, TaskHead};
pub use crate::pipeline::Pipeline;
pub use crate::scheduler::{Candidate, Scheduler};
pub use crate::smoothing::Smoother;
pub use crate::stats::{Memory, StageLatency, Stats};
pub use crate::types::{Attribute, Face, Frame, FrameLatency, FrameResult, Stamp};

pub use crate::learner::Learner;
pub use crate::manifest::{
    CohortRecord, ColumnRecord, EncoderRecord, MANIFEST, MAX_STRANGERS, Manifest, SCHEMA, SourceRecord, TaughtManifest,
};
pub use crate::samples::{SampleCounts, SampleError, SampleStore};
pub use crate::state::StateStore;
pub use crate::store::ModelStore;
pub use crate::store_error::StoreError;
pub use crate::tasks::{
    AddTask, Exported, Imported, LabelledFace, Promise, RemoveTask, Removed, Stored, TaskError, TaskEvent, TaskKind,
    TaskState, TaskStatus, TaskTicket, TrainingOutcome,
};
