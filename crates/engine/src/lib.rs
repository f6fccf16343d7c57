//! From frames to labelled faces, and tasks taught in the meantime.
//!
//! The perception half answers every frame at the camera's rate: [`Pipeline`] does it inline and deterministically,
//! [`Engine`] with threads. A frame's answer never waits for the network; attributes carry the stamp of the frame they
//! were judged in. The teaching half trains new columns in the background. Both need OpenCV and are left out without the feature
//! `perception`; the model on disk and the samples stay.
#![warn(missing_docs)]
#![cfg_attr(
    not(feature = "perception"),
    allow(
        dead_code,
        unused_imports,
        reason = "the model on disk alone is left, and much of it serves what was taught"
    )
)]

mod memory;
mod model;

#[cfg(feature = "perception")]
mod camera;
#[cfg(test)]
mod camera_tests;
#[cfg(feature = "perception")]
mod config;
#[cfg(feature = "perception")]
mod engine;
#[cfg(test)]
mod engine_tests;
#[cfg(feature = "perception")]
mod error;
#[cfg(feature = "perception")]
mod newest_slot;
#[cfg(feature = "perception")]
mod panics;
#[cfg(feature = "perception")]
mod perception;
#[cfg(feature = "perception")]
mod sync;
#[cfg(feature = "perception")]
mod teaching;
#[cfg(test)]
mod testing;
#[cfg(feature = "perception")]
mod threads;
#[cfg(test)]
mod torture;
#[cfg(feature = "perception")]
mod types;

pub use crate::memory::Memory;
pub use crate::model::manifest::{
    CohortRecord, ColumnRecord, EncoderRecord, MANIFEST, MAX_STRANGERS, Manifest, SCHEMA, SourceRecord, TaskKind,
    TaughtManifest,
};
pub use crate::model::store::ModelStore;
pub use crate::model::store_error::StoreError;

#[cfg(feature = "perception")]
pub use crate::{
    camera::Camera,
    config::{CameraConfig, ConfigError, EngineConfig, LiveParams, SchedulerConfig, SmoothingConfig, TrainingConfig},
    engine::{Detectors, Engine},
    error::EngineError,
    model::damage::{BrokenColumn, Damage, MANIFEST_COPY},
    model::heads::{AnsweringTask, NetworkUpdate},
    model::repair::{StateReport, check_state, repair_state},
    model::sample_error::SampleError,
    model::sample_list::{StoredCrop, crop_png},
    model::samples::{SampleCounts, SampleStore},
    model::state::{CannotTeach, StateStore},
    newest_slot::NewestSlot,
    perception::explainer::{Explained, Explainer},
    perception::pipeline::Pipeline,
    perception::smoothing::Smoother,
    perception::stats::{EngineThread, StageLatency, Stats, ThreadFailure},
    sync::{REQUEST_NICENESS, be_nicer, lock},
    teaching::capture::{CaptureError, CaptureRequest, Captured, TrackSelector},
    teaching::crops::{CropError, Sample, SamplePixels},
    teaching::handle::Tasks,
    teaching::tasks::{
        AddTask, Exported, Imported, LabelledFace, Promise, RemoveTask, Removed, Stored, TaskError, TaskState,
        TaskStatus, TaskTicket, TrainingOutcome,
    },
    types::{Attribute, Face, Frame, FrameLatency, FrameResult, Stamp},
};
