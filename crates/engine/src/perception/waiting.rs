//! Faces that wait for the network, each in its newest frame.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use learning::{LOOKS, Look};
use network::FaceCrop;
use vision::TrackId;

use crate::SchedulerConfig;
use crate::perception::budget::{Allowed, Budget};
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

    /// The next batch of those that are allowed; empty when none of them is due.
    ///
    /// Each look at a track shows its face in another of [`LOOKS`]: the running mean
    /// of a track, which merges what the network says of them, is right more often for no more work.
    pub(crate) fn next_batch(&mut self, allowed: Allowed) -> Vec<DueFace> {
        let candidate =
            |face: &DueFace| Candidate { track: face.track.clone(), stamp: face.moment.seconds, quality: face.quality };
        let candidates: Vec<Candidate> = self.faces.values().map(candidate).collect();
        let chosen = self.scheduler.select(&candidates, allowed);
        let mut batch: Vec<DueFace> = chosen.iter().filter_map(|track| self.faces.remove(track)).collect();
        for face in &mut batch {
            let looks = self.looks.entry(face.track.clone()).or_default();
            face.look = LOOKS[*looks % LOOKS.len()];
            *looks += 1;
        }
        batch
    }
}

/// [`Waiting`] between two threads, with the time that the network may take.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    state: Mutex<Room>,
    offered: Condvar,
}

#[derive(Debug)]
struct Room {
    waiting: Waiting,
    budget: Budget,
    closed: bool,
}

impl WaitingRoom {
    pub(crate) fn new(config: SchedulerConfig) -> Self {
        let room = Room { waiting: Waiting::new(config), budget: Budget::new(config.cpu_share), closed: false };
        Self { state: Mutex::new(room), offered: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        lock(&self.state)
    }

    pub(crate) fn set_config(&self, config: SchedulerConfig) {
        let mut room = self.lock();
        room.waiting.set_config(config);
        room.budget.set_share(config.cpu_share);
        drop(room);
        // Who waits for a smaller share to be kept need not.
        self.offered.notify_one();
    }

    pub(crate) fn offer(&self, seen: &Seen, active: &[TrackId]) {
        self.lock().waiting.offer(seen, active);
        self.offered.notify_one();
    }

    /// Waits until a face is due and there is time for it; `None` once the room is closed.
    pub(crate) fn next_batch(&self) -> Option<Vec<DueFace>> {
        let mut room = self.lock();
        loop {
            if room.closed {
                return None;
            }
            let (allowed, more_in) = room.budget.at(Instant::now());
            let batch = room.waiting.next_batch(allowed);
            if !batch.is_empty() {
                return Some(batch);
            }
            room = if allowed == Allowed::All {
                self.offered.wait(room).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.offered.wait_timeout(room, more_in).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// The network judged from `began` on, and took so much of its threads' time.
    pub(crate) fn spend(&self, began: Instant, took: Duration) {
        self.lock().budget.spend(began, took);
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.offered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;
    use crate::testing::{seen, track};

    fn waiting(max_batch: usize) -> Waiting {
        Waiting::new(SchedulerConfig { refresh_hz: 2.0, max_batch, ..SchedulerConfig::default() })
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
        assert_eq!(waiting.next_batch(Allowed::All).len(), 2);
    }

    #[test]
    fn a_newer_frame_replaces_a_face_that_still_waits() {
        let mut waiting = waiting(4);
        for stamp in [1.0, 1.1, 1.2] {
            offer(&mut waiting, &seen(stamp, &[(track(0), 40.0, 0.9)]));
        }
        let batch = waiting.next_batch(Allowed::All);
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].moment, Stamp::from_seconds(1.2).into());
        assert!(waiting.next_batch(Allowed::All).is_empty());
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
                waiting.next_batch(Allowed::All).into_iter().map(|face| (face.track.clone(), face.shown())).collect();
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
        assert_eq!(tracks(waiting.next_batch(Allowed::All)), [track(1), track(2)]);
        assert_eq!(tracks(waiting.next_batch(Allowed::All)), [track(0)]);
        assert!(waiting.next_batch(Allowed::All).is_empty());
    }

    #[test]
    fn a_face_whose_track_died_is_not_judged() {
        let mut waiting = waiting(2);
        offer(&mut waiting, &seen(1.0, &[(track(0), 40.0, 0.5)]));
        offer(&mut waiting, &seen(9.0, &[]));
        assert!(waiting.next_batch(Allowed::All).is_empty());
    }

    #[test]
    fn the_network_rests_for_its_share_but_not_before_a_new_face() {
        let config = SchedulerConfig { refresh_hz: 60.0, cpu_share: 0.01, ..SchedulerConfig::default() };
        let room = WaitingRoom::new(config);
        let offer = |stamp, faces: &[usize]| {
            let faces: Vec<_> = faces.iter().map(|&number| (track(number), 40.0, 0.9)).collect();
            let seen = seen(stamp, &faces);
            room.offer(&seen, &seen.active);
        };
        let judged =
            |batch: Option<Vec<DueFace>>| -> Vec<_> { batch.unwrap().into_iter().map(|face| face.track).collect() };
        offer(1.0, &[0]);
        assert_eq!(judged(room.next_batch()), [track(0)]);
        let start = Instant::now();
        room.spend(start, Duration::from_millis(3));
        offer(2.0, &[0, 1]);
        assert_eq!(judged(room.next_batch()), [track(1)]);
        assert_eq!(judged(room.next_batch()), [track(0)]);
        assert!(start.elapsed() >= Duration::from_millis(300));
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
