//! Detection, tracking, alignment and quality of one frame: everything that needs the picture.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use network::FaceCrop;
use vision::{
    BgrImage, DetectError, DetectorKind, FaceDetector, Landmarks, Quality, Roi, Rotation, Track, TrackId, Tracker,
    TrackerConfig, align,
};

use crate::types::{Moment, Stamp};

/// One face of a frame, before anything is judged.
#[derive(Debug, Clone)]
pub(crate) struct SeenFace {
    pub(crate) track: TrackId,
    pub(crate) roi: Roi,
    pub(crate) score: f32,
    pub(crate) landmarks: Option<Landmarks>,
    pub(crate) quality: Quality,
    /// 128×128 grey; `None` for a face that cannot be aligned, or is not in this frame.
    pub(crate) crop: Option<FaceCrop>,
}

/// What there is in a frame.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) moment: Moment,
    /// Oldest track first.
    pub(crate) faces: Vec<SeenFace>,
    /// The active tracks: those that are out of sight for a moment, too.
    pub(crate) active: Vec<TrackId>,
    pub(crate) detect: Duration,
    pub(crate) track: Duration,
    pub(crate) align: Duration,
}

impl Seen {
    pub(crate) fn is_active(&self, track: &TrackId) -> bool {
        self.active.contains(track)
    }
}

/// Holds what must be remembered from frame to frame.
pub(crate) struct VisionStage {
    detector: Box<dyn FaceDetector>,
    tracker: Tracker,
    active: BTreeSet<TrackId>,
    clock: FrameClock,
    rotation: Rotation,
}

/// Time by the frames' stamps; where they stand still (a driver that leaves them at 0), by the frames' arrival. Tracks would
/// otherwise never age, and a newcomer would be given what was learned of who stood there before.
#[derive(Debug, Default)]
struct FrameClock {
    /// The last stamp, and when the first frame that had it came.
    last: Option<(Stamp, Instant)>,
    /// Time of the last frame.
    latest_s: f64,
    /// What stamps have to be moved by since they stood still, so that time does not go back.
    ahead_s: f64,
    told: bool,
}

impl FrameClock {
    fn moment(&mut self, stamp: Stamp, arrival: Instant) -> Moment {
        let by_stamp = stamp.seconds() + self.ahead_s;
        let seconds = match self.last {
            Some((last, first)) if last == stamp => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(
                        "two frames have the same stamp: where stamps stand still, time goes by the frames' arrival"
                    );
                }
                by_stamp + arrival.saturating_duration_since(first).as_secs_f64()
            }
            Some((last, _)) if last < stamp => by_stamp.max(self.latest_s),
            _ => by_stamp,
        };
        if self.last.is_none_or(|(last, _)| last != stamp) {
            self.last = Some((stamp, arrival));
            self.ahead_s += seconds - by_stamp;
        }
        self.latest_s = seconds;
        Moment { stamp, seconds }
    }
}

impl VisionStage {
    /// For a camera that is mounted upright.
    pub(crate) fn new(detector: Box<dyn FaceDetector>, tracker: TrackerConfig) -> Self {
        let (tracker, clock) = (Tracker::new(tracker), FrameClock::default());
        Self { detector, tracker, active: BTreeSet::new(), clock, rotation: Rotation::None }
    }

    /// For a camera that is not.
    pub(crate) fn turned(self, rotation: Rotation) -> Self {
        Self { rotation, ..self }
    }

    pub(crate) fn detector(&self) -> DetectorKind {
        self.detector.kind()
    }

    /// See [`Tracker::outliers`].
    pub(crate) fn stamp_outliers(&self) -> u64 {
        self.tracker.outliers()
    }

    pub(crate) fn set_score_threshold(&mut self, threshold: f32) {
        self.detector.set_score_threshold(threshold);
    }

    /// Drops all tracks; their ids are not given again.
    pub(crate) fn forget_faces(&mut self) {
        self.tracker.reset();
        self.active.clear();
    }

    /// Looks at the next frame. A stamp that jumps back starts all tracks anew.
    pub(crate) fn see(&mut self, image: &BgrImage, stamp: Stamp) -> Result<Seen, DetectError> {
        let start = Instant::now();
        let moment = self.clock.moment(stamp, start);
        let upright = self.rotation.upright(image)?;
        let detections = self.detector.detect(&upright)?;
        let detected = Instant::now();
        let tracks = self.tracker.update(&detections, moment.seconds);
        self.active.extend(tracks.iter().map(|track| track.id.clone()));
        self.active.retain(|id| self.tracker.is_active(id));
        let tracked = Instant::now();
        let size = (image.width(), image.height());
        let faces =
            tracks.into_iter().map(|track| seen_face(&upright, track).turned_back(self.rotation, size)).collect();
        Ok(Seen {
            moment,
            faces,
            active: self.active.iter().cloned().collect(),
            detect: detected - start,
            track: tracked - detected,
            align: tracked.elapsed(),
        })
    }
}

impl SeenFace {
    /// With box and landmarks in the camera's picture.
    fn turned_back(self, rotation: Rotation, size: (u32, u32)) -> Self {
        let landmarks = self.landmarks.map(|points| points.map(|point| rotation.point_back(point, size)));
        Self { roi: rotation.roi_back(self.roi, size), landmarks, ..self }
    }
}

/// Quality of a face that is not to be seen.
const UNSEEN: Quality = Quality { size: 0.0, sharpness: 0.0, frontality: 0.0, brightness: 0.0, overall: 0.0 };

fn seen_face(image: &BgrImage, track: Track) -> SeenFace {
    let aligned = if track.coasting { None } else { align::face(image, track.landmarks.as_ref(), &track.roi).ok() };
    let quality = aligned.as_ref().map_or(UNSEEN, |face| vision::measure(face, &track.roi, track.landmarks.as_ref()));
    SeenFace {
        track: track.id,
        roi: track.roi,
        score: track.score,
        landmarks: track.landmarks,
        quality,
        crop: aligned.map(|face| face.pixels.into()),
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
    fn a_face_that_is_forgotten_is_met_anew() {
        let (mut stage, image) = (stage(), picture(320, 240, &[(0, 40.0, 60.0, 110.0)]));
        let ids = |stage: &mut VisionStage, seconds| {
            let seen = stage.see(&image, at(seconds)).unwrap();
            (seen.faces.into_iter().map(|face| face.track).collect::<Vec<_>>(), seen.active)
        };
        let (before, _) = ids(&mut stage, 0.0);
        stage.forget_faces();
        let (after, active) = ids(&mut stage, 0.1);
        assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
        assert_eq!(active, after);
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
            assert_eq!(seen.active, std::slice::from_ref(&face.track));
            ids.insert(face.track.clone());
        }
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn a_camera_on_its_side_sees_the_same_face_in_its_own_pixels() {
        let upright = picture(320, 240, &[(0, 40.0, 60.0, 110.0)]);
        let reference = stage().see(&upright, at(0.0)).unwrap().faces.remove(0);
        for (mounted, rotation) in [
            (Rotation::ThreeQuarters, Rotation::Quarter),
            (Rotation::Half, Rotation::Half),
            (Rotation::Quarter, Rotation::ThreeQuarters),
        ] {
            let image = mounted.upright(&upright).unwrap();
            let face = stage().turned(rotation).see(&image, at(0.0)).unwrap().faces.remove(0);
            assert_eq!(face.crop, reference.crop);
            assert_eq!(face.quality, reference.quality);
            let there = mounted.roi_back(face.roi, (upright.width(), upright.height()));
            assert!((there.x - reference.roi.x).abs() < 1.5 && (there.y - reference.roi.y).abs() < 1.5, "{there:?}");
        }
    }

    #[test]
    fn a_face_that_leaves_dies_after_a_while() {
        let mut stage = stage();
        let someone = picture(320, 240, &[(0, 40.0, 60.0, 110.0)]);
        let nobody = picture(320, 240, &[]);
        let id = stage.see(&someone, at(0.0)).unwrap().faces[0].track.clone();
        let soon = stage.see(&nobody, at(0.1)).unwrap();
        assert!(soon.faces.is_empty() && soon.is_active(&id));
        // The stamp of one frame may be wrong.
        assert!(stage.see(&nobody, at(30.0)).unwrap().is_active(&id));
        assert!(stage.see(&nobody, at(30.1)).unwrap().active.is_empty());
    }

    #[test]
    fn time_goes_by_arrival_where_stamps_stand_still_and_by_stamps_again_where_they_go_on() {
        let (mut clock, start) = (FrameClock::default(), Instant::now());
        let mut moment = |stamp: f64, ms: u64| clock.moment(at(stamp), start + Duration::from_millis(ms));
        // Each stamp twice, as from a driver that stamps every other frame; one stamp for two seconds; on; late; on.
        for (stamp, ms, expected) in [
            (0.0, 0, 0.0),
            (0.0, 100, 0.1),
            (0.2, 200, 0.2),
            (0.2, 300, 0.3),
            (0.2, 2200, 2.2),
            (0.3, 2300, 2.2),
            (1.3, 3300, 3.2),
            (1.2, 3400, 3.1),
            (1.4, 3500, 3.3),
        ] {
            let found = moment(stamp, ms);
            assert_eq!(found.stamp, at(stamp), "what is told stays the camera's");
            assert!((found.seconds - expected).abs() < 1e-6, "{stamp} at {ms} ms: {found:?}");
        }
    }

    #[test]
    fn a_face_that_leaves_dies_although_stamps_stand_still() {
        let config = TrackerConfig { max_coast_s: 0.01, ..TrackerConfig::default() };
        let mut stage = VisionStage::new(Box::new(PaintedFaces), config);
        let id = stage.see(&picture(320, 240, &[(0, 40.0, 60.0, 110.0)]), at(0.0)).unwrap().faces[0].track.clone();
        std::thread::sleep(Duration::from_millis(20));
        stage.see(&picture(320, 240, &[]), at(0.0)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(!stage.see(&picture(320, 240, &[]), at(0.0)).unwrap().is_active(&id));
    }

    #[test]
    fn a_stamp_that_jumps_back_starts_tracks_anew() {
        let mut stage = stage();
        let someone = picture(320, 240, &[(0, 40.0, 60.0, 110.0)]);
        let before = stage.see(&someone, at(1000.0)).unwrap();
        let after = stage.see(&someone, at(1.0)).unwrap();
        assert_ne!(before.faces[0].track, after.faces[0].track);
        let next = stage.see(&someone, at(1.1)).unwrap();
        assert_eq!(next.active, [after.faces[0].track.clone()]);
    }
}
