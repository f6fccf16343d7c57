//! Detection, tracking, alignment and quality of one frame: everything that needs the picture.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use learning::Face as FacePixels;
use vision::align::{align, align_roi};
use vision::{BgrImage, DetectError, FaceDetector, Landmarks, Quality, Roi, Track, TrackId, Tracker, TrackerConfig};

use crate::types::Stamp;

/// One face of a frame, before anything is judged.
#[derive(Debug, Clone)]
pub(crate) struct SeenFace {
    pub(crate) track: TrackId,
    pub(crate) roi: Roi,
    pub(crate) score: f32,
    pub(crate) landmarks: Option<Landmarks>,
    pub(crate) quality: Quality,
    /// 128×128 grey; `None` for a face that cannot be aligned, or is not in this frame.
    pub(crate) crop: Option<FacePixels>,
}

/// What there is in a frame.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) stamp: Stamp,
    /// Oldest track first.
    pub(crate) faces: Vec<SeenFace>,
    /// Tracks that live, those that are out of sight for a moment included.
    pub(crate) live: Vec<TrackId>,
    pub(crate) detect: Duration,
    pub(crate) track: Duration,
    pub(crate) align: Duration,
}

impl Seen {
    pub(crate) fn is_live(&self, track: &TrackId) -> bool {
        self.live.contains(track)
    }
}

/// Holds what must be remembered from frame to frame.
pub(crate) struct VisionStage {
    detector: Box<dyn FaceDetector>,
    tracker: Tracker,
    live: BTreeSet<TrackId>,
}

impl VisionStage {
    pub(crate) fn new(detector: Box<dyn FaceDetector>, tracker: TrackerConfig) -> Self {
        Self { detector, tracker: Tracker::new(tracker), live: BTreeSet::new() }
    }

    pub(crate) fn detector(&self) -> &'static str {
        self.detector.name()
    }

    pub(crate) fn set_score_threshold(&mut self, threshold: f32) {
        self.detector.set_score_threshold(threshold);
    }

    /// Looks at the next frame. A stamp that jumps back starts all tracks anew.
    pub(crate) fn see(&mut self, image: &BgrImage, stamp: Stamp) -> Result<Seen, DetectError> {
        let start = Instant::now();
        let detections = self.detector.detect(image)?;
        let detected = Instant::now();
        let tracks = self.tracker.update(&detections, stamp.seconds());
        self.live.extend(tracks.iter().map(|track| track.id.clone()));
        self.live.retain(|id| self.tracker.is_alive(id));
        let tracked = Instant::now();
        let faces: Vec<SeenFace> = tracks.into_iter().map(|track| look(image, track)).collect();
        Ok(Seen {
            stamp,
            faces,
            live: self.live.iter().cloned().collect(),
            detect: detected - start,
            track: tracked - detected,
            align: tracked.elapsed(),
        })
    }
}

/// Quality of a face that is not to be seen.
const UNSEEN: Quality = Quality { size: 0.0, sharpness: 0.0, frontality: 0.0, brightness: 0.0, overall: 0.0 };

fn look(image: &BgrImage, track: Track) -> SeenFace {
    let aligned = match (track.coasting, &track.landmarks) {
        (true, _) => None,
        (false, Some(landmarks)) => align(image, landmarks).ok(),
        (false, None) => align_roi(image, &track.roi).ok(),
    };
    let quality = aligned.as_ref().map_or(UNSEEN, |face| vision::measure(face, &track.roi, track.landmarks.as_ref()));
    SeenFace {
        track: track.id,
        roi: track.roi,
        score: track.score,
        landmarks: track.landmarks,
        quality,
        crop: aligned.map(|face| Arc::from(face.pixels)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PaintedFaces, picture};

    fn stage() -> VisionStage {
        VisionStage::new(Box::new(PaintedFaces), TrackerConfig::default())
    }

    fn at(seconds: f64) -> Stamp {
        Stamp::from_seconds(seconds)
    }

    #[test]
    fn a_face_keeps_its_id_while_it_moves_and_is_aligned_in_every_frame() {
        let mut stage = stage();
        let mut ids = BTreeSet::new();
        for step in 0..20_u8 {
            let image = picture(320, 240, &[(0, 40.0 + 4.0 * f32::from(step), 60.0, 110.0)]);
            let seen = stage.see(&image, at(f64::from(step) / 15.0)).unwrap();
            assert_eq!(seen.faces.len(), 1);
            let face = &seen.faces[0];
            assert_eq!(face.crop.as_ref().unwrap().len(), 128 * 128);
            assert!(face.quality.overall > 0.1, "{:?}", face.quality);
            assert_eq!(seen.live, std::slice::from_ref(&face.track));
            ids.insert(face.track.clone());
        }
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn a_face_that_leaves_dies_after_a_while() {
        let mut stage = stage();
        let someone = picture(320, 240, &[(0, 40.0, 60.0, 110.0)]);
        let nobody = picture(320, 240, &[]);
        let id = stage.see(&someone, at(0.0)).unwrap().faces[0].track.clone();
        let soon = stage.see(&nobody, at(0.1)).unwrap();
        assert!(soon.faces.is_empty() && soon.is_live(&id));
        assert!(stage.see(&nobody, at(30.0)).unwrap().live.is_empty());
    }

    #[test]
    fn a_stamp_that_jumps_back_starts_tracks_anew() {
        let mut stage = stage();
        let someone = picture(320, 240, &[(0, 40.0, 60.0, 110.0)]);
        let before = stage.see(&someone, at(1000.0)).unwrap();
        let after = stage.see(&someone, at(1.0)).unwrap();
        assert_ne!(before.faces[0].track, after.faces[0].track);
        assert_eq!(after.live, [after.faces[0].track.clone()]);
    }
}
