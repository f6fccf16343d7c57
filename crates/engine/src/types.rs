//! What goes in and what comes out.

use std::sync::Arc;
use std::time::Duration;

use network::{Label, TaskName};
use vision::{BgrImage, DetectorKind, Landmarks, Quality, Roi, TrackId};

/// A point in time as ROS writes it: seconds and nanoseconds since some epoch that the camera chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Whole seconds, may be negative.
    pub sec: i32,
    /// Nanoseconds on top.
    pub nanosec: u32,
}

impl Stamp {
    /// Seconds as one number; exact to about a quarter of a microsecond for today's dates.
    pub fn seconds(&self) -> f64 {
        f64::from(self.sec) + f64::from(self.nanosec) * 1e-9
    }

    /// The nearest stamp; what does not fit 32 bits of seconds is held at the ends.
    pub fn from_seconds(seconds: f64) -> Self {
        let whole = seconds.floor();
        let nanos = ((seconds - whole) * 1e9).round();
        let (whole, nanos) = if nanos >= 1e9 { (whole + 1.0, 0.0) } else { (whole, nanos) };
        Self { sec: whole as i32, nanosec: nanos as u32 }
    }
}

/// When a frame was taken: what its camera says, and the time that tracks, rates and memories go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The frame's own stamp.
    pub stamp: Stamp,
    /// Seconds that go on where stamps stand still.
    pub seconds: f64,
}

impl From<Stamp> for Moment {
    fn from(stamp: Stamp) -> Self {
        Self { stamp, seconds: stamp.seconds() }
    }
}

/// A picture from a camera.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The pixels.
    pub image: BgrImage,
    /// When it was taken; comes back unchanged in the answer.
    pub stamp: Stamp,
    /// The camera's frame; comes back unchanged in the answer.
    pub frame_id: String,
}

/// What one column says of one face. Labels are guesses of a classifier, not facts about a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The task.
    pub task: TaskName,
    /// The most probable label; `None` when the unknown share is larger than every label's probability.
    pub label: Option<Label>,
    /// Calibrated probability of the most probable label, [0, 1].
    pub confidence: f32,
    /// Share of probability kept back for "none of the labels", [0, 1].
    pub unknown: f32,
    /// All labels, in the order of the column's outputs.
    pub labels: Arc<[Label]>,
    /// One per label, [0, 1]; together with `unknown` they sum to 1.
    pub probabilities: Vec<f32>,
    /// Stamp of the newest frame that entered the estimate.
    pub stamp: Stamp,
    /// Network evaluations in the running posterior.
    pub observations: u32,
}

/// One tracked face of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Who it is in this run, by an id that no other node has.
    pub track_id: TrackId,
    /// Where it is, in pixels of the frame.
    pub roi: Roi,
    /// The detector's score, [0, 1].
    pub score: f32,
    /// `None` when the Haar cascade found the face.
    pub landmarks: Option<Landmarks>,
    /// How well it can be judged in this frame.
    pub quality: Quality,
    /// One per task that has judged this face; empty until the first evaluation.
    pub attributes: Vec<Attribute>,
}

/// The answer to one frame.
#[derive(Debug, Clone)]
pub struct FrameResult {
    /// The frame's own stamp.
    pub stamp: Stamp,
    /// The frame's own frame id.
    pub frame_id: String,
    /// Width and height of the frame, pixels.
    pub size: (u32, u32),
    /// Faces seen in this frame, oldest track first; empty when nobody is there.
    pub faces: Vec<Face>,
    /// Every track that is followed, also those that are not seen in this frame.
    pub active: Vec<TrackId>,
    /// What found them.
    pub detector: DetectorKind,
    /// The picture, only while images are kept (see [`crate::Camera::keep_images`]).
    pub image: Option<Arc<BgrImage>>,
    /// Where the time went.
    pub latency: FrameLatency,
}

/// Time spent on one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameLatency {
    /// Waiting for the previous frame to be done.
    pub wait: Duration,
    /// Finding faces.
    pub detect: Duration,
    /// Following them.
    pub track: Duration,
    /// Aligning them and measuring their quality.
    pub align: Duration,
    /// From arrival to answer.
    pub total: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_survives_the_way_through_seconds(sec in -1_000_000..1_000_000_i32, nanosec in 0..1_000_000_000_u32) {
            let stamp = Stamp { sec, nanosec };
            let back = Stamp::from_seconds(stamp.seconds());
            prop_assert!((back.seconds() - stamp.seconds()).abs() < 1e-6);
            prop_assert!(back.nanosec < 1_000_000_000);
        }
    }

    #[test]
    fn stamps_are_ordered_by_time() {
        let early = Stamp { sec: 1, nanosec: 999_999_999 };
        assert!(early < Stamp { sec: 2, nanosec: 0 });
        assert_eq!(Stamp::from_seconds(1.999_999_999_9), Stamp { sec: 2, nanosec: 0 });
        assert_eq!(Stamp::from_seconds(-0.5), Stamp { sec: -1, nanosec: 500_000_000 });
    }
}
