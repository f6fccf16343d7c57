//! Faces that wait for the network, each in its newest frame.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use learning::{LOOKS, Look};
use network::FaceCrop;
use vision::TrackId;

use crate::SchedulerConfig;
use crate::perception::scheduler::{Candidate, Scheduler};
use crate::perception::vision_stage::Seen;
use crate::sync::lock;
use crate::types::Moment;

/// A face to judge.
#[derive(Debug, Clone)]
pub(crate) struct DueFace {
    pub(crate) track: TrackId,
    pub(crate) moment: Moment,
    pub(crate) quality: f32,
    crop: FaceCrop,
    look: Look,
}

impl DueFace {
    /// What the network is to see: its aligned crop as the look shows it. Takes a millisecond, so not under a lock.
    pub(crate) fn shown(&self) -> FaceCrop {
        self.look.at(&self.crop)
    }
}

/// One face per active track; a newer frame replaces what the network has not come to.
#[derive(Debug)]
pub(crate) struct Waiting {
    scheduler: Scheduler,
    faces: BTreeMap<TrackId, DueFace>,
    /// How many looks a track has had.
    looks: BTreeMap<TrackId, usize>,
}

impl Waiting {
    pub(crate) fn new(config: SchedulerConfig) -> Self {
        Self { scheduler: Scheduler::new(config), faces: BTreeMap::new(), looks: BTreeMap::new() }
    }

    pub(crate) fn set_config(&mut self, config: SchedulerConfig) {
        self.scheduler.set_config(config);
    }

    /// Takes the faces of a new frame, and forgets tracks that are not among the active ones, those of other cameras included.
    pub(crate) fn offer(&mut self, seen: &Seen, active: &[TrackId]) {
        self.scheduler.retain(|track| active.contains(track));
        self.faces.retain(|track, _| active.contains(track));
        self.looks.retain(|track, _| active.contains(track));
        for face in &seen.faces {
            let Some(crop) = &face.crop else { continue };
            let due = DueFace {
                track: face.track.clone(),
                moment: seen.moment,
                quality: face.quality.overall,
                crop: crop.clone(),
                look: Look::PLAIN,
            };
            self.faces.insert(face.track.clone(), due);
        }
    }

    /// The next batch; empty when no face is due. Each look at a track shows its face in another of [`LOOKS`]: the running mean
    /// of a track, which merges what the network says of them, is right more often for no more work.
    pub(crate) fn next_batch(&mut self) -> Vec<DueFace> {
        let candidate =
            |face: &DueFace| Candidate { track: face.track.clone(), stamp: face.moment.seconds, quality: face.quality };
        let candidates: Vec<Candidate> = self.faces.values().map(candidate).collect();
        let chosen = self.scheduler.select(&candidates);
        let mut batch: Vec<DueFace> = chosen.iter().filter_map(|track| self.faces.remove(track)).collect();
        for face in &mut batch {
            let looks = self.looks.entry(face.track.clone()).or_default();
            face.look = LOOKS[*looks % LOOKS.len()];
            *looks += 1;
        }
        batch
    }
}

/// [`Waiting`] between two threads.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    state: Mutex<(Waiting, bool)>,
    offered: Condvar,
}

impl WaitingRoom {
    pub(crate) fn new(config: SchedulerConfig) -> Self {
        Self { state: Mutex::new((Waiting::new(config), false)), offered: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, (Waiting, bool)> {
        lock(&self.state)
    }

    pub(crate) fn set_config(&self, config: SchedulerConfig) {
        self.lock().0.set_config(config);
    }

    pub(crate) fn offer(&self, seen: &Seen, active: &[TrackId]) {
        self.lock().0.offer(seen, active);
        self.offered.notify_one();
    }

    /// Waits until a face is due; `None` once the room is closed.
    pub(crate) fn next_batch(&self) -> Option<Vec<DueFace>> {
        let mut state = self.lock();
        loop {
            if state.1 {
                return None;
            }
            let batch = state.0.next_batch();
            if !batch.is_empty() {
                return Some(batch);
            }
            state = self.offered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn close(&self) {
        self.lock().1 = true;
        self.offered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;
    use crate::testing::{seen, track};

    fn waiting(max_batch: usize) -> Waiting {
        Waiting::new(SchedulerConfig { refresh_hz: 2.0, max_batch, min_quality: 0.1 })
    }

    /// A frame of the only camera.
    fn offer(waiting: &mut Waiting, seen: &Seen) {
        waiting.offer(seen, &seen.active);
    }

    #[test]
    fn faces_of_another_camera_stay() {
        let mut waiting = waiting(4);
        let (front, rear) = (seen(1.0, &[(track(0), 40.0, 0.9)]), seen(900.0, &[(track(1), 40.0, 0.9)]));
        let active = [front.active.clone(), rear.active.clone()].concat();
        waiting.offer(&front, &active);
        waiting.offer(&rear, &active);
        assert_eq!(waiting.next_batch().len(), 2);
    }

    #[test]
    fn a_newer_frame_replaces_a_face_that_still_waits() {
        let mut waiting = waiting(4);
        for stamp in [1.0, 1.1, 1.2] {
            offer(&mut waiting, &seen(stamp, &[(track(0), 40.0, 0.9)]));
        }
        let batch = waiting.next_batch();
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].moment, Stamp::from_seconds(1.2).into());
        assert!(waiting.next_batch().is_empty());
    }

    #[test]
    fn looks_at_a_track_show_its_face_in_every_way_and_round_again() {
        let ramp = FaceCrop::from_fn(|at| (at % 128) as u8);
        let mut waiting = waiting(4);
        let mut look = |stamp: usize, tracks: &[usize]| -> Vec<(TrackId, FaceCrop)> {
            let faces: Vec<_> = tracks.iter().map(|&number| (track(number), 40.0, 0.9)).collect();
            let mut seen = seen(stamp as f64, &faces);
            for face in &mut seen.faces {
                face.crop = Some(ramp.clone());
            }
            offer(&mut waiting, &seen);
            let mut shown: Vec<_> =
                waiting.next_batch().into_iter().map(|face| (face.track.clone(), face.shown())).collect();
            shown.sort();
            shown
        };
        let at = |count: usize| LOOKS[count % LOOKS.len()].at(&ramp);
        assert_eq!(look(0, &[0]), [(track(0), ramp.clone())]);
        for count in 1..=LOOKS.len() {
            // The second face came one look later.
            assert_eq!(look(count, &[0, 1]), [(track(0), at(count)), (track(1), at(count - 1))]);
        }
    }

    #[test]
    fn faces_of_one_frame_go_in_one_batch_and_the_rest_in_the_next() {
        let mut waiting = waiting(2);
        offer(&mut waiting, &seen(1.0, &[(track(0), 40.0, 0.5), (track(1), 40.0, 0.9), (track(2), 40.0, 0.7)]));
        let tracks = |batch: Vec<DueFace>| batch.into_iter().map(|face| face.track).collect::<Vec<_>>();
        assert_eq!(tracks(waiting.next_batch()), [track(1), track(2)]);
        assert_eq!(tracks(waiting.next_batch()), [track(0)]);
        assert!(waiting.next_batch().is_empty());
    }

    #[test]
    fn a_face_whose_track_died_is_not_judged() {
        let mut waiting = waiting(2);
        offer(&mut waiting, &seen(1.0, &[(track(0), 40.0, 0.5)]));
        offer(&mut waiting, &seen(9.0, &[]));
        assert!(waiting.next_batch().is_empty());
    }

    #[test]
    fn closing_the_room_frees_the_network_thread() {
        let room = WaitingRoom::new(SchedulerConfig::default());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| room.next_batch());
            room.close();
            assert!(waits.join().unwrap().is_none());
        });
    }
}
