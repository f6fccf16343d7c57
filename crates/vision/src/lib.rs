//! From a camera frame to aligned faces, without ROS and without a neural-network framework.
//!
//! A frame's way: [`encoding`] turns what a camera sends into a [`BgrImage`]; a [`FaceDetector`] finds the faces and
//! their five landmarks; the [`Tracker`] gives them ids that last; [`align`] brings each to one template of 128×128 grey
//! pixels; [`Quality`] says how far an answer about it can be trusted. [`draw`] and [`video`] serve tools and tests.
//!
//! Coordinates are pixels of the frame, x to the right and y downwards; an integer names the centre of a pixel.

pub mod align;
mod assignment;
mod bayer;
mod detections;
mod detector;
pub mod draw;
pub mod encoding;
mod error;
mod geometry;
mod grey;
mod haar;
mod head_pose;
mod image;
mod image_file;
mod kalman;
mod one_euro;
mod open_detector;
mod quality;
mod rotation;
mod similarity;
mod track_id;
mod tracker;
pub mod video;
mod yunet;

pub use detector::{Detection, DetectorBackend, DetectorConfig, DetectorKind, FaceDetector};
pub use error::{AlignError, ConfigError, DetectError, ImageError, MAX_SIDE, VideoError};
pub use geometry::{Landmarks, Point, Roi, largest};
pub use haar::Haar;
pub use head_pose::{CameraModel, HeadPose};
pub use image::BgrImage;
pub use one_euro::SteadyPose;
pub use open_detector::open_detector;
pub use quality::{Quality, measure};
pub use rotation::Rotation;
pub use track_id::{ParseTrackIdError, TrackId};
pub use tracker::{Track, Tracker, TrackerConfig};
pub use yunet::YuNet;

/// Limits the threads that OpenCV uses in this process; `0` runs everything on the calling thread.
///
/// # Errors
/// When OpenCV refuses the number.
pub fn set_threads(threads: i32) -> Result<(), DetectError> {
    Ok(opencv::core::set_num_threads(threads)?)
}
