//! The node: ROS in, ROS out. What it does with frames and tasks is the `engine`'s work; here messages become its types and
//! back again.
//!
//! One node per process, because ROS arguments rename all nodes of a process. Names are relative: a remap or a namespace
//! moves them.

mod actions;
mod annotate;
mod arguments;
mod camera;
mod clock;
mod convert;
mod decoding;
mod diagnostics;
mod doctor;
mod explanations;
mod files;
mod graph;
#[cfg(rep155)]
mod humans;
#[cfg(not(rep155))]
#[path = "humans/absent.rs"]
mod humans;
mod lifecycle;
#[cfg(logger_levels)]
mod logger_levels;
mod logging;
mod memory;
mod names;
mod node;
mod options;
mod page;
mod parameter_services;
mod params;
mod publishers;
mod qos;
mod reach;
mod ros;
mod ros_arguments;
mod service;
mod services;
mod serving;
mod shared_memory;
mod shutdown;
mod spinner;

pub use node::main;
pub use ros::{Ros, RosError};
pub use ros_arguments::RosArguments;
