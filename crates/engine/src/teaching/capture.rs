//! "This face, for three seconds": crops collected from an active track.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use network::{FaceCrop, Label, TaskName};
use vision::TrackId;

use crate::model::samples::SampleCounts;
use crate::perception::vision_stage::{Seen, SeenFace};
use crate::sync::lock;
use crate::teaching::task_error::TaskError;

/// Whose crops are collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackSelector {
    /// The largest face in the frame when the capture begins; the capture then stays with that track.
    Largest,
    /// One track.
    Id(TrackId),
}

/// "This face, for three seconds, is `engaged`."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureRequest {
    /// The task; may be new.
    pub name: TaskName,
    /// What the face is.
    pub label: Label,
    /// The camera, counted from 0; none: the one that follows the track, or has the largest face.
    pub camera: Option<usize>,
    /// Whose face.
    pub track: TrackSelector,
    /// Crops wanted, 1..=200.
    pub count: u32,
    /// Time allowed, 0.1..=60 s.
    pub time: Duration,
}

/// What a capture brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Whose they are.
    pub track: TrackId,
    /// The camera that saw them, counted from 0.
    pub camera: usize,
    /// Crops stored by this call.
    pub captured: u32,
    /// Labels of the task that have samples now, with their counts.
    pub counts: SampleCounts,
}

/// Why a capture brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The id names no face that is followed now.
    #[error("no face with track id {id} is in view; in view: {}. Read the id from `attributes`, or use \"largest\"", listed(.active))]
    UnknownTrack {
        /// The id asked for.
        id: TrackId,
        /// Ids of the faces followed now.
        active: Vec<TrackId>,
    },
    /// No frame came in.
    #[error(
        "no picture came from the camera in {0:.1} s; check that images are published on the topic the node listens to"
    )]
    NoFrames(f32),
    /// No face, or none that can be judged.
    #[error("no face of sufficient quality was seen in {0:.1} s; come closer, face the camera, or give more light")]
    NothingSeen(f32),
    /// Count or time are out of range.
    #[error("{name} is {value}, but must be {range}")]
    Range {
        /// What is out of range.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// The caller has ended it.
    #[error("the capture was cancelled; nothing was stored")]
    Cancelled,
    /// The engine shuts down.
    #[error("the capture was ended because the engine shuts down")]
    Closed,
    /// There are crops, but they cannot be stored.
    #[error(transparent)]
    Store(#[from] TaskError),
}

/// Of one capture.
pub(crate) const MAX_CROPS: u32 = 200;

/// Who was seen longer ago may have gone to another camera.
const FRESH: Duration = Duration::from_millis(500);
/// How often the caller hears how far a capture is.
const TOLD_EVERY: Duration = Duration::from_millis(100);

fn listed(active: &[TrackId]) -> String {
    let ids: Vec<String> = active.iter().map(ToString::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// Where the vision thread lays the faces of each frame, and captures pick theirs up.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    state: Mutex<Newest>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Newest {
    /// Grows with every frame; 0 before the first.
    frame: u64,
    /// When it came.
    at: Option<Instant>,
    faces: Vec<Capturable>,
    active: Vec<TrackId>,
    /// Faces below it are left out.
    min_quality: f32,
    closed: bool,
}

#[derive(Debug, Clone)]
struct Capturable {
    track: TrackId,
    area: f32,
    quality: f32,
    crop: FaceCrop,
}

impl Captures {
    fn lock(&self) -> MutexGuard<'_, Newest> {
        lock(&self.state)
    }

    /// Lays out the faces of a new frame.
    pub(crate) fn offer(&self, seen: &Seen) {
        let capturable = |face: &SeenFace| {
            Some(Capturable {
                track: face.track.clone(),
                area: face.roi.area(),
                quality: face.quality.overall,
                crop: face.crop.clone()?,
            })
        };
        let mut newest = self.lock();
        newest.frame += 1;
        newest.at = Some(Instant::now());
        newest.faces = seen.faces.iter().filter_map(capturable).collect();
        newest.active.clone_from(&seen.active);
        drop(newest);
        self.changed.notify_all();
    }

    /// Whether the camera follows this track now.
    pub(crate) fn follows(&self, id: &TrackId) -> bool {
        self.lock().active.contains(id)
    }

    /// Area of the largest face in the newest frame, pixels, and when the frame came; 0 without one, or where the frame is old.
    pub(crate) fn largest_face(&self) -> (f32, Option<Instant>) {
        let newest = self.lock();
        let is_fresh = newest.at.is_some_and(|at| at.elapsed() < FRESH);
        let areas = newest.faces.iter().filter(|_| is_fresh).map(|face| face.area);
        (areas.fold(0.0, f32::max), newest.at)
    }

    /// Faces of less quality are left out from now on.
    pub(crate) fn set_min_quality(&self, min_quality: f32) {
        self.lock().min_quality = min_quality;
    }

    /// Ends every capture.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Collects crops of one track, spread over the time, one a frame at most, until there are `count` or the time is up.
    ///
    /// Faces of too little quality are left out. It ends early, with what there is, when the track is lost. `go_on` is given
    /// them some times a second, and may end it.
    pub(crate) fn collect(
        &self,
        selector: TrackSelector,
        count: u32,
        time: Duration,
        go_on: &mut dyn FnMut(&[FaceCrop]) -> bool,
    ) -> Result<(TrackId, Vec<FaceCrop>), CaptureError> {
        let limits = |name, value: String, range| Err(CaptureError::Range { name, value, range });
        if !(1..=MAX_CROPS).contains(&count) {
            return limits("count", count.to_string(), "1 to 200 crops");
        }
        let seconds = time.as_secs_f32();
        if !(0.1..=60.0).contains(&seconds) {
            return limits("seconds", seconds.to_string(), "0.1 to 60 s");
        }

        let start = Instant::now();
        let mut crops: Vec<FaceCrop> = vec![];
        let mut track = match selector {
            TrackSelector::Largest => None,
            TrackSelector::Id(id) => Some(id),
        };
        let mut newest = self.lock();
        // What lies there may be old: the first crop comes from the next frame.
        let mut done = newest.frame;
        let before = newest.frame;
        // As it is when the capture begins: all its crops are held to the same.
        let min_quality = newest.min_quality;
        let mut told: Option<Instant> = None;
        loop {
            if newest.closed {
                return Err(CaptureError::Closed);
            }
            if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                // It may take its time, and the vision thread must not wait for it.
                drop(newest);
                if !go_on(&crops) {
                    return Err(CaptureError::Cancelled);
                }
                newest = self.lock();
            }
            let elapsed = start.elapsed();
            if newest.frame != done {
                done = newest.frame;
                if track.is_none() {
                    // Of whatever quality: a participant who looks aside for a moment is still the one who was meant.
                    track = newest.faces.iter().max_by(|a, b| a.area.total_cmp(&b.area)).map(|face| face.track.clone());
                }
                if let Some(id) = &track {
                    if !newest.active.contains(id) {
                        return if crops.is_empty() {
                            Err(CaptureError::UnknownTrack { id: id.clone(), active: newest.active.clone() })
                        } else {
                            Ok((id.clone(), crops))
                        };
                    }
                    // The n-th crop is due after n shares of the time.
                    let due = elapsed >= time.mul_f32(crops.len() as f32 / count as f32);
                    let face = newest.faces.iter().find(|face| face.track == *id && face.quality >= min_quality);
                    if let Some(face) = face.filter(|_| due) {
                        crops.push(face.crop.clone());
                    }
                }
            }
            if let Some(id) = track.as_ref().filter(|_| crops.len() == count as usize) {
                return Ok((id.clone(), crops));
            }
            let Some(left) = time.checked_sub(elapsed).filter(|left| !left.is_zero()) else { break };
            newest = self.changed.wait_timeout(newest, left.min(TOLD_EVERY)).unwrap_or_else(PoisonError::into_inner).0;
        }
        match track {
            Some(id) if !crops.is_empty() => Ok((id, crops)),
            _ if done == before => Err(CaptureError::NoFrames(seconds)),
            _ => Err(CaptureError::NothingSeen(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::testing::{seen, track};

    const LONG: Duration = Duration::from_secs(60);

    /// Lays out frames until the capture is over; returns what it brought.
    fn capture(
        selector: TrackSelector,
        count: u32,
        time: Duration,
        mut frame: impl FnMut(u64) -> Seen + Send,
    ) -> Result<Vec<FaceCrop>, CaptureError> {
        let captures = Captures::default();
        captures.set_min_quality(0.1);
        thread::scope(|scope| {
            let captured = scope.spawn(|| captures.collect(selector, count, time, &mut |_| true));
            let mut number = 0;
            while !captured.is_finished() {
                captures.offer(&frame(number));
                number += 1;
                thread::sleep(Duration::from_millis(1));
            }
            captured.join().unwrap().map(|(_, crops)| crops)
        })
    }

    #[test]
    fn the_largest_face_is_followed_even_when_another_grows_larger() {
        let crops = capture(TrackSelector::Largest, 8, Duration::from_millis(100), |number| {
            seen(number as f64, &[(track(0), 40.0, 0.9), (track(1), 30.0 + number as f32, 0.9)])
        })
        .unwrap();
        // The test crops' first pixel tells the track's number.
        assert!(crops.iter().all(|crop| crop[0] == crops[0][0]));
    }

    #[test]
    fn the_largest_face_is_meant_even_while_it_looks_aside() {
        let crops = capture(TrackSelector::Largest, 3, Duration::from_millis(300), |number| {
            let aside = if number < 5 { 0.0 } else { 0.9 };
            seen(number as f64, &[(track(0), 40.0, 0.9), (track(1), 80.0, aside)])
        })
        .unwrap();
        let of_track = *track(1).as_str().as_bytes().last().unwrap();
        assert!(crops.len() == 3 && crops.iter().all(|crop| crop[0] == of_track));
    }

    #[test]
    fn no_frame_gives_two_crops() {
        let crops = capture(TrackSelector::Id(track(3)), 12, Duration::from_millis(200), |number| {
            let mut seen = seen(number as f64, &[(track(3), 40.0, 0.9)]);
            seen.faces[0].crop = Some(FaceCrop::from_fn(|at| number.to_le_bytes()[at % size_of_val(&number)]));
            seen
        })
        .unwrap();
        let distinct: std::collections::BTreeSet<&FaceCrop> = crops.iter().collect();
        assert_eq!(distinct.len(), crops.len());
        assert!((1..=12).contains(&crops.len()));
    }

    #[test]
    fn a_track_that_is_not_in_view_is_refused_with_those_that_are() {
        let error = capture(TrackSelector::Id(track(7)), 5, LONG, |number| {
            seen(number as f64, &[(track(1), 40.0, 0.9), (track(2), 20.0, 0.9)])
        })
        .unwrap_err();
        let CaptureError::UnknownTrack { id, active } = &error else { panic!("{error}") };
        assert_eq!((id, active), (&track(7), &vec![track(1), track(2)]));
        let message = error.to_string();
        assert!([track(1), track(2), track(7)].iter().all(|id| message.contains(&id.to_string())), "{message}");
    }

    #[test]
    fn a_track_that_is_lost_ends_the_capture_with_what_there_is() {
        let crop = FaceCrop::from_fn(|_| 7);
        let crops = capture(TrackSelector::Id(track(1)), 200, LONG, |number| {
            // One is held here, one by the captures: a third is in the capture's hands.
            let taken = crop.copies() > 2;
            let present = [(track(1), 40.0, 0.9)];
            let mut seen = seen(number as f64, if taken { &[] } else { &present });
            for face in &mut seen.faces {
                face.crop = Some(crop.clone());
            }
            seen
        })
        .unwrap();
        assert!((1..200).contains(&crops.len()));
    }

    #[test]
    fn an_empty_scene_and_a_face_too_poor_to_judge_bring_nothing() {
        let time = Duration::from_millis(100);
        for faces in [vec![], vec![(track(1), 40.0, 0.05)]] {
            let error = capture(TrackSelector::Largest, 5, time, |number| seen(number as f64, &faces)).unwrap_err();
            assert!(matches!(error, CaptureError::NothingSeen(_)), "{error}");
        }
    }

    #[test]
    fn without_a_camera_the_message_says_so() {
        let error = Captures::default().collect(TrackSelector::Largest, 5, Duration::from_millis(100), &mut |_| true);
        assert!(matches!(error, Err(CaptureError::NoFrames(_))));
    }

    #[test]
    fn counts_and_times_out_of_range_are_refused_at_once() {
        let captures = Captures::default();
        for (count, time) in [(0, LONG), (201, LONG), (5, Duration::ZERO), (5, Duration::from_secs(61))] {
            let error = captures.collect(TrackSelector::Largest, count, time, &mut |_| true).unwrap_err();
            assert!(matches!(error, CaptureError::Range { .. }), "{error}");
        }
    }

    #[test]
    fn closing_ends_a_capture_that_waits() {
        let captures = Captures::default();
        thread::scope(|scope| {
            let captured = scope.spawn(|| captures.collect(TrackSelector::Largest, 5, LONG, &mut |_| true));
            captures.close();
            assert!(matches!(captured.join().unwrap(), Err(CaptureError::Closed)));
        });
    }
}
