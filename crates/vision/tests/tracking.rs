//! Faces keep their ids.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use vision::{Detection, Point, Roi, Track, TrackId, Tracker, TrackerConfig};

const FRAME_S: f64 = 1.0 / 15.0;

fn face(x: f32, y: f32) -> Detection {
    Detection { roi: Roi::new(x, y, 80.0, 100.0), score: 0.9, landmarks: Some([Point::new(x + 40.0, y + 50.0); 5]) }
}

fn ids(tracks: &[Track]) -> Vec<TrackId> {
    tracks.iter().map(|track| track.id.clone()).collect()
}

#[test]
fn faces_of_the_first_frame_are_reported_at_once_and_later_ones_at_their_second_sight() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    assert_eq!(tracker.update(&[face(100.0, 100.0)], 0.0).len(), 1);
    let both = [face(100.0, 100.0), face(400.0, 100.0)];
    assert_eq!(tracker.update(&both, 0.1).len(), 1);
    let tracks = tracker.update(&both, 0.2);
    assert_eq!(tracks.len(), 2);
    assert_eq!((tracks[0].hits, tracks[1].hits), (3, 2));
    assert!((tracks[0].age_s - 0.2).abs() < 1e-9 && (tracks[1].age_s - 0.1).abs() < 1e-9);
    assert_eq!(tracks[1].roi, both[1].roi);
    assert_eq!(tracks[1].landmarks, both[1].landmarks);
}

#[test]
fn faces_of_a_camera_that_is_slower_than_tracks_live_are_reported_and_keep_their_ids() {
    for interval in [0.5, 1.4, 2.0, 5.0, 60.0] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut found = BTreeSet::new();
        for frame in 0..10 {
            let tracks = tracker.update(&[face(100.0, 100.0)], f64::from(frame) * interval);
            assert!(tracks.len() == 1 || (1..3).contains(&frame), "{interval} s, frame {frame}");
            if frame >= 3 {
                found.extend(ids(&tracks));
            }
        }
        assert_eq!(found.len(), 1, "{interval} s");
    }
}

#[test]
fn one_stamp_that_is_wrong_costs_no_track_and_a_gap_does() {
    for wrong in [-5.0, -0.5, 0.5, 1.0, 2.0, 1e6] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut now = 0.0;
        let mut known = BTreeSet::new();
        for frame in 0..30 {
            now += FRAME_S;
            let stamp = if frame == 20 { now + wrong } else { now };
            let tracks = tracker.update(&[face(100.0, 100.0)], stamp);
            if frame != 20 {
                known.extend(ids(&tracks));
                assert_eq!(tracks.len(), 1, "{wrong} s, frame {frame}");
            }
        }
        assert_eq!((known.len(), tracker.outliers()), (1, 1), "{wrong} s");
    }
    for gap in [2.0, 3600.0] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let before: BTreeSet<_> =
            (0..9).flat_map(|n| ids(&tracker.update(&[face(1.0, 1.0)], f64::from(n) * FRAME_S))).collect();
        let after: BTreeSet<_> =
            (0..9).flat_map(|n| ids(&tracker.update(&[face(1.0, 1.0)], gap + f64::from(n + 9) * FRAME_S))).collect();
        assert!(before.is_disjoint(&after) && !after.is_empty() && tracker.outliers() == 0, "{gap} s");
    }
}

#[test]
fn a_false_alarm_of_one_frame_is_never_reported() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    tracker.update(&[face(100.0, 100.0)], 0.0);
    tracker.update(&[face(100.0, 100.0), face(500.0, 300.0)], 0.1);
    for frame in 2..20 {
        assert_eq!(tracker.update(&[face(100.0, 100.0)], f64::from(frame) * 0.1).len(), 1);
    }
}

#[test]
fn a_face_hidden_for_a_second_comes_back_with_its_id_and_after_long_with_another() {
    for (hidden_s, same) in [(0.5, true), (1.0, true), (4.0, false)] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut now = 0.0;
        let mut x = 100.0;
        let mut before = Vec::new();
        for _ in 0..20 {
            before = ids(&tracker.update(&[face(x, 100.0)], now));
            now += FRAME_S;
            x += 1.5;
        }
        let until = now + hidden_s;
        while now < until {
            assert!(tracker.update(&[], now).is_empty());
            now += FRAME_S;
            x += 1.5;
        }
        assert_eq!(tracker.is_active(&before[0]), same);
        tracker.update(&[face(x, 100.0)], now);
        let after = tracker.update(&[face(x, 100.0)], now + FRAME_S);
        assert_eq!(ids(&after) == before, same, "hidden for {hidden_s} s");
    }
}

#[test]
fn coasting_tracks_are_reported_when_asked_for() {
    let config = TrackerConfig { report_coasting: true, ..TrackerConfig::default() };
    let mut tracker = Tracker::new(config);
    for frame in 0..15 {
        let x = 100.0 + 5.0 * frame as f32;
        tracker.update(&[face(x, 100.0)], f64::from(frame) * FRAME_S);
    }
    let coasting = tracker.update(&[], 15.0 * FRAME_S);
    assert!(coasting[0].coasting && coasting[0].landmarks.is_none());
    assert!((coasting[0].roi.x - 175.0).abs() < 5.0, "{:?}", coasting[0].roi);
}

#[test]
fn two_people_who_cross_keep_their_ids_though_one_hides_the_other() {
    for speed in [40.0_f32, 80.0, 160.0] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut ends = Vec::new();
        let frames = (500.0 / speed / FRAME_S as f32) as i32;
        for frame in 0..frames {
            let time = f64::from(frame) * FRAME_S;
            let gone = speed * time as f32;
            let (near, far) = (face(50.0 + gone, 110.0), face(550.0 - gone, 90.0));
            let mut seen = vec![near];
            if near.roi.iou(&far.roi) < 0.3 {
                seen.push(far);
            }
            let tracks = tracker.update(&seen, time);
            if frame == 0 {
                ends = ids(&tracks);
            }
            if frame == frames - 1 {
                let find = |x: f32| tracks.iter().find(|track| (track.roi.x - x).abs() < 1.0);
                let (near, far) = (find(near.roi.x).unwrap(), find(far.roi.x).unwrap());
                assert_eq!([&near.id, &far.id], [&ends[0], &ends[1]], "at {speed} px/s");
            }
        }
    }
}

#[test]
fn a_fast_face_is_followed_at_a_low_frame_rate() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let mut seen = BTreeSet::new();
    for frame in 0..12 {
        // Nearly the face's own width from frame to frame, at 4 Hz.
        let tracks = tracker.update(&[face(20.0 + 70.0 * frame as f32, 100.0)], f64::from(frame) * 0.25);
        seen.extend(ids(&tracks));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn low_scores_continue_a_track_but_start_none() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let faint = Detection { score: 0.6, ..face(100.0, 100.0) };
    for frame in 0..5 {
        assert!(tracker.update(&[faint], f64::from(frame) * 0.1).is_empty());
    }
    tracker.update(&[face(100.0, 100.0)], 0.5);
    let first = ids(&tracker.update(&[face(100.0, 100.0)], 0.6));
    for frame in 7..40 {
        assert_eq!(ids(&tracker.update(&[faint], f64::from(frame) * 0.1)), first);
    }
}

#[test]
fn a_stamp_that_jumps_back_starts_anew_with_fresh_ids_and_a_late_frame_does_not() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let first = ids(&tracker.update(&[face(100.0, 100.0)], 50.0));
    assert_eq!(ids(&tracker.update(&[face(100.0, 100.0)], 49.9)), first);
    assert_eq!(ids(&tracker.update(&[face(100.0, 100.0)], f64::NAN)), first);
    let again = ids(&tracker.update(&[face(100.0, 100.0)], 10.0));
    assert_eq!(again.len(), 1);
    assert_ne!(again, first);
    assert_eq!(ids(&tracker.update(&[face(100.0, 100.0)], 10.1)), again);
    assert!(!tracker.is_active(&first[0]));
    tracker.reset();
    assert!(!tracker.is_active(&again[0]));
}

#[test]
fn ids_differ_from_run_to_run_unless_their_seed_is_given() {
    let first = |id_seed| {
        let mut tracker = Tracker::new(TrackerConfig { id_seed, ..TrackerConfig::default() });
        ids(&tracker.update(&[face(100.0, 100.0), face(400.0, 100.0)], 0.0))
    };
    let runs: BTreeSet<_> = (0..20).flat_map(|_| first(0)).collect();
    assert_eq!(runs.len(), 40);
    assert_eq!(first(5), first(5));
    let seeds: BTreeSet<_> = (1..200).flat_map(first).collect();
    assert_eq!(seeds.len(), 398);
}

/// People who walk through a frame of 1280×720, each hidden at times, with the frame times of a bad camera.
#[derive(Debug, Clone)]
struct Scene {
    people: Vec<((f32, f32), (f32, f32))>,
    times: Vec<f64>,
    noise: Vec<f32>,
    hidden: Vec<(usize, usize)>,
}

fn scene() -> impl Strategy<Value = Scene> {
    let person = ((0.0f32..60.0, 0.0f32..60.0), (-40.0f32..40.0, -15.0f32..15.0));
    (
        proptest::collection::vec(person, 1..5),
        proptest::collection::vec(0.01f64..0.2, 40),
        proptest::collection::vec(-3.0f32..3.0, 64),
        proptest::collection::vec((3usize..34, 1usize..5), 4),
    )
        .prop_map(|(people, times, noise, hidden)| Scene { people, times, noise, hidden })
}

impl Scene {
    /// Time and detections of each frame; who is who is told by the row, which is 170 pixels high.
    fn frames(&self) -> Vec<(f64, Vec<Detection>)> {
        let mut now = 1_000.0;
        let frame = |(index, dt): (usize, &f64)| {
            now += dt;
            let gone = (now - 1_000.0) as f32;
            let mut detections = Vec::new();
            for (who, (at, speed)) in self.people.iter().enumerate() {
                let (from, length) = self.hidden[who];
                if (from..from + length).contains(&index) {
                    continue;
                }
                let jitter = |k: usize| self.noise[(index * 7 + who * 13 + k) % self.noise.len()];
                let x = 600.0 + at.0 + speed.0 * gone + jitter(0);
                let y = 170.0 * who as f32 + at.1.min(40.0) + speed.1.clamp(-3.0, 3.0) * gone + jitter(1);
                detections.push(face(x, y));
            }
            // The detector's order means nothing.
            if index % 2 == 1 {
                detections.reverse();
            }
            (now, detections)
        };
        self.times.iter().enumerate().map(frame).collect()
    }
}

fn row(roi: &Roi) -> i64 {
    ((roi.y + 40.0) / 170.0) as i64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everyone_keeps_one_id_through_jittered_frames_and_short_occlusions(scene in scene()) {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut owner: HashMap<i64, TrackId> = HashMap::new();
        for (now, detections) in scene.frames() {
            for track in tracker.update(&detections, now) {
                let before = owner.entry(row(&track.roi)).or_insert_with(|| track.id.clone());
                prop_assert_eq!(&*before, &track.id);
            }
        }
        prop_assert_eq!(owner.len(), scene.people.len());
    }

    #[test]
    fn a_replay_gives_the_same_tracks(scene in scene()) {
        let run = || {
            let mut tracker = Tracker::new(TrackerConfig { id_seed: 7, ..TrackerConfig::default() });
            let update = |(now, seen): (f64, Vec<Detection>)| tracker.update(&seen, now);
            scene.frames().into_iter().map(update).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn every_detection_has_at_most_one_track_and_ids_come_in_the_order_of_age(
        frames in proptest::collection::vec(
            (
                proptest::collection::vec((-50.0f32..700.0, -50.0f32..500.0, -5.0f32..200.0, 0.3f32..1.0), 0..12),
                -0.3f64..0.5,
            ),
            1..20,
        ),
    ) {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut now = 0.0;
        for (boxes, dt) in frames {
            now += dt;
            let detections: Vec<Detection> = boxes
                .iter()
                .map(|&(x, y, side, score)| Detection {
                    roi: Roi::new(x, y, side, side * 1.2),
                    score,
                    landmarks: None,
                })
                .collect();
            let tracks = tracker.update(&detections, now);
            let distinct: BTreeSet<TrackId> = ids(&tracks).into_iter().collect();
            prop_assert_eq!(distinct.len(), tracks.len());
            let mut left: Vec<Roi> = detections.iter().map(|detection| detection.roi).collect();
            for track in &tracks {
                let index = left.iter().position(|roi| *roi == track.roi);
                prop_assert!(index.is_some(), "a box of no detection, or of one taken already");
                left.swap_remove(index.unwrap());
                prop_assert!(tracker.is_active(&track.id));
            }
            prop_assert!(tracks.is_sorted_by(|a, b| a.age_s >= b.age_s));
        }
    }

    #[test]
    fn hostile_boxes_and_stamps_never_panic(
        numbers in proptest::collection::vec(
            prop_oneof![-1e3f32..1e3, Just(f32::NAN), Just(f32::INFINITY), Just(f32::MAX), Just(1e-30)],
            0..60,
        ),
        stamps in proptest::collection::vec(
            prop_oneof![-1e3f64..1e3, Just(f64::NAN), Just(f64::NEG_INFINITY), Just(f64::MAX)],
            1..8,
        ),
    ) {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let detections: Vec<Detection> = numbers
            .chunks_exact(5)
            .map(|v| Detection {
                roi: Roi::new(v[0], v[1], v[2], v[3]),
                score: v[4],
                landmarks: None,
            })
            .collect();
        for stamp in stamps {
            tracker.update(&detections, stamp);
        }
    }
}

#[test]
fn a_tracker_configuration_out_of_range_is_refused_by_name() {
    assert!(TrackerConfig::default().validate().is_ok());
    let config = TrackerConfig { max_coast_s: -1.0, ..TrackerConfig::default() };
    assert!(config.validate().unwrap_err().to_string().contains("max_coast_s"));
    assert!(serde_json::from_str::<TrackerConfig>(r#"{"max_age": 3}"#).is_err());
}
