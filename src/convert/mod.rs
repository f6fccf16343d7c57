//! ROS messages to the engine's types and back: pure functions.

mod faces;
mod frames;
mod samples;
mod tasks;

use engine::Stamp;
use r2r::builtin_interfaces::msg::Time;

pub(crate) use faces::{face_attributes_array, header};
pub(crate) use frames::{Incoming, frame};
pub(crate) use samples::{PictureLimits, samples};
pub(crate) use tasks::{counts, task, task_array};

#[cfg(test)]
pub(crate) use faces::tests as tests_faces;
#[cfg(test)]
pub(crate) use tasks::tests as tests_tasks;

/// A string that ROS can carry: a NUL, which ends the program inside r2r, becomes U+FFFD.
pub(crate) fn text(value: impl Into<String>) -> String {
    let value = value.into();
    if value.contains('\0') { value.replace('\0', "\u{fffd}") } else { value }
}

/// Texts of a list.
pub(crate) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| text(value.to_string())).collect()
}

pub(crate) fn time(stamp: Stamp) -> Time {
    Time { sec: stamp.sec, nanosec: stamp.nanosec }
}

pub(crate) fn stamp(time: &Time) -> Stamp {
    Stamp { sec: time.sec, nanosec: time.nanosec }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_never_reaches_ros() {
        assert_eq!(text("a\0b"), "a\u{fffd}b");
        assert_eq!(texts(["fine", "\0"]), ["fine", "\u{fffd}"]);
    }
}
