//! Chooses the faces that the network judges next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use vision::TrackId;

use crate::SchedulerConfig;
use crate::perception::budget::Allowed;

/// After so many rounds of being due and left out, a face goes before new ones: crowds that keep arriving must not
/// starve those who stay.
const PATIENCE: u32 = 4;

/// A face that could be judged now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// The face.
    pub(crate) track: TrackId,
    /// Stamp of its newest frame in seconds.
    pub(crate) stamp: f64,
    /// Overall quality in that frame, [0, 1].
    pub(crate) quality: f32,
}

/// Decides by rank: faces left out too often, then faces never judged, then those whose judgement is stalest, then the
/// best quality.
///
/// Time is the frames' own, so that a replay takes the same decisions.
#[derive(Debug)]
pub(crate) struct Scheduler {
    config: SchedulerConfig,
    tracks: BTreeMap<TrackId, Record>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Stamp of the last judgement and the stamp from which the next is due, both in seconds.
    judged: Option<(f64, f64)>,
    /// Rounds in a row in which the face was due and left out.
    passed_over: u32,
}

impl Scheduler {
    /// A scheduler that knows no face yet.
    pub(crate) fn new(config: SchedulerConfig) -> Self {
        Self { config, tracks: BTreeMap::new() }
    }

    /// Changes rates and limits from the next selection on.
    pub(crate) fn set_config(&mut self, config: SchedulerConfig) {
        self.config = config;
    }

    /// Forgets every face that is not among those that are active.
    pub(crate) fn retain(&mut self, is_active: impl Fn(&TrackId) -> bool) {
        self.tracks.retain(|track, _| is_active(track));
    }

    /// Whether the face should be judged: good enough, and never judged or judged too long ago.
    pub(crate) fn is_due(&self, candidate: &Candidate) -> bool {
        let good_enough = candidate.quality >= self.config.min_quality;
        let judged = self.tracks.get(&candidate.track).and_then(|record| record.judged);
        // A stamp from before the last judgement means that the clock was set back: judge anew.
        good_enough && judged.is_none_or(|(last, due)| candidate.stamp >= due || candidate.stamp < last)
    }

    /// Picks the faces of the next batch among those that are allowed, at most `max_batch`, first in rank first, and counts them as
    /// judged.
    ///
    /// One call is one round. Candidates that are not due are left out; a face that is named twice counts once.
    pub(crate) fn select(&mut self, candidates: &[Candidate], allowed: Allowed) -> Vec<TrackId> {
        let is_allowed = |candidate: &&Candidate| match allowed {
            Allowed::All => true,
            Allowed::New => self.tracks.get(&candidate.track).is_none_or(|record| record.judged.is_none()),
            Allowed::None => false,
        };
        let mut due: Vec<&Candidate> =
            candidates.iter().filter(is_allowed).filter(|candidate| self.is_due(candidate)).collect();
        due.sort_by(|a, b| {
            self.rank(a).cmp(&self.rank(b)).then(b.quality.total_cmp(&a.quality)).then_with(|| a.track.cmp(&b.track))
        });
        let mut seen = BTreeSet::new();
        due.retain(|candidate| seen.insert(&candidate.track));

        let period = 1.0 / f64::from(self.config.refresh_hz);
        let mut chosen = vec![];
        for candidate in due {
            let record = self.tracks.entry(candidate.track.clone()).or_default();
            if chosen.len() < self.config.max_batch {
                // Counting on from when it was due, not from when it was served, keeps the mean rate in spite of the
                // camera's raster.
                let due = match record.judged {
                    Some((_, due)) if (due..due + period).contains(&candidate.stamp) => due + period,
                    _ => candidate.stamp + period,
                };
                *record = Record { judged: Some((candidate.stamp, due)), passed_over: 0 };
                chosen.push(candidate.track.clone());
            } else {
                record.passed_over = record.passed_over.saturating_add(1);
            }
        }
        chosen
    }

    /// Smaller goes first.
    fn rank(&self, candidate: &Candidate) -> (Reverse<u32>, bool, OrderedSeconds) {
        let record = self.tracks.get(&candidate.track).copied().unwrap_or_default();
        let impatience = record.passed_over.saturating_sub(PATIENCE);
        let last = record.judged.map_or(f64::NEG_INFINITY, |(last, _)| last);
        (Reverse(impatience), record.judged.is_some(), OrderedSeconds(last))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct OrderedSeconds(f64);

impl Eq for OrderedSeconds {}

impl PartialOrd for OrderedSeconds {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedSeconds {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::track;

    fn face(number: usize, stamp: f64, quality: f32) -> Candidate {
        Candidate { track: track(number), stamp, quality }
    }

    fn scheduler(refresh_hz: f32, max_batch: usize) -> Scheduler {
        Scheduler::new(SchedulerConfig { refresh_hz, max_batch, ..SchedulerConfig::default() })
    }

    #[test]
    fn a_new_face_goes_before_a_stale_one_and_a_stale_one_before_a_fresh_one() {
        let mut scheduler = scheduler(2.0, 1);
        assert_eq!(scheduler.select(&[face(0, 0.0, 0.9)], Allowed::All), [track(0)]);
        assert_eq!(scheduler.select(&[face(0, 1.0, 0.9), face(1, 1.0, 0.2)], Allowed::All), [track(1)]);
        assert_eq!(scheduler.select(&[face(0, 1.1, 0.5), face(1, 1.1, 0.9)], Allowed::All), [track(0)]);
        assert_eq!(scheduler.select(&[face(0, 1.2, 0.5), face(1, 1.2, 0.9)], Allowed::All), vec![]);
    }

    #[test]
    fn among_equals_the_better_face_goes_first() {
        let mut scheduler = scheduler(2.0, 2);
        assert_eq!(
            scheduler.select(&[face(0, 0.0, 0.3), face(1, 0.0, 0.9), face(2, 0.0, 0.5)], Allowed::All),
            [track(1), track(2)]
        );
    }

    #[test]
    fn a_face_of_too_little_quality_is_never_judged() {
        let mut scheduler = scheduler(2.0, 4);
        for round in 0..20 {
            assert_eq!(
                scheduler.select(&[face(0, f64::from(round), 0.09), face(1, f64::from(round), f32::NAN)], Allowed::All),
                vec![]
            );
        }
    }

    #[test]
    fn the_mean_rate_is_kept_in_spite_of_the_cameras_raster() {
        // At 15 fps the nearest frames after half a second come 33 ms late each; they must not add up.
        let mut scheduler = scheduler(2.0, 4);
        let judged: usize =
            (0..150).map(|frame| scheduler.select(&[face(0, f64::from(frame) / 15.0, 1.0)], Allowed::All).len()).sum();
        assert_eq!(judged, 20);
    }

    #[test]
    fn a_face_that_was_away_is_judged_once_not_in_arrears() {
        let mut scheduler = scheduler(2.0, 4);
        assert_eq!(scheduler.select(&[face(0, 0.0, 1.0)], Allowed::All).len(), 1);
        assert_eq!(scheduler.select(&[face(0, 60.0, 1.0)], Allowed::All).len(), 1);
        assert_eq!(scheduler.select(&[face(0, 60.1, 1.0)], Allowed::All).len(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_a_face() {
        let mut scheduler = scheduler(2.0, 4);
        assert_eq!(scheduler.select(&[face(0, 1000.0, 1.0)], Allowed::All).len(), 1);
        assert_eq!(scheduler.select(&[face(0, 3.0, 1.0)], Allowed::All).len(), 1);
        assert_eq!(scheduler.select(&[face(0, 3.1, 1.0)], Allowed::All).len(), 0);
    }

    #[test]
    fn while_the_budget_is_spent_only_new_faces_are_judged() {
        let mut scheduler = scheduler(2.0, 4);
        assert_eq!(scheduler.select(&[face(0, 0.0, 1.0)], Allowed::None), vec![]);
        assert_eq!(scheduler.select(&[face(0, 0.0, 1.0)], Allowed::New), [track(0)]);
        assert_eq!(scheduler.select(&[face(0, 9.0, 1.0), face(1, 9.0, 0.2)], Allowed::New), [track(1)]);
        assert_eq!(scheduler.select(&[face(0, 9.1, 1.0), face(1, 9.1, 1.0)], Allowed::All), [track(0)]);
    }

    #[test]
    fn a_forgotten_face_counts_as_new() {
        let mut scheduler = scheduler(2.0, 4);
        assert_eq!(scheduler.select(&[face(0, 0.0, 1.0)], Allowed::All).len(), 1);
        scheduler.retain(|_| false);
        assert_eq!(scheduler.select(&[face(0, 0.01, 1.0)], Allowed::All).len(), 1);
    }

    proptest! {
        /// A crowd of at most `CROWD` live faces that come and go: whoever stays, due all the time, is served soon.
        #[test]
        fn no_living_face_with_enough_quality_starves(
            max_batch in 1_usize..5,
            rounds in prop::collection::vec(prop::collection::vec((0_usize..12, 0.1_f32..1.0), 0..12), 1..120),
        ) {
            const CROWD: usize = 13;
            let mut scheduler = scheduler(60.0, max_batch);
            let resident = track(1000);
            let bound = PATIENCE as usize + CROWD.div_ceil(max_batch) + 1;
            let mut waited = 0;
            let mut newcomers = 0;
            for (round, crowd) in rounds.iter().enumerate() {
                let stamp = round as f64;
                // Every member of the crowd is replaced by a newcomer now and then: the worst case for those who stay.
                let mut faces: Vec<Candidate> = vec![];
                for (place, quality) in crowd {
                    newcomers += 1;
                    let number = if place % 2 == 0 { *place } else { 2000 + newcomers };
                    faces.push(face(number, stamp, *quality));
                }
                faces.push(Candidate { track: resident.clone(), stamp, quality: 0.1 });
                let live: Vec<TrackId> = faces.iter().map(|face| face.track.clone()).collect();
                scheduler.retain(|track| live.contains(track));
                let chosen = scheduler.select(&faces, Allowed::All);
                prop_assert!(chosen.len() <= max_batch);
                prop_assert!(chosen.iter().all(|track| live.contains(track)));
                waited = if chosen.contains(&resident) { 0 } else { waited + 1 };
                prop_assert!(waited <= bound, "waited {waited} rounds, bound {bound}");
            }
        }

        #[test]
        fn a_batch_holds_each_face_once_and_is_full_when_it_can_be(
            max_batch in 1_usize..6,
            faces in prop::collection::vec((0_usize..8, 0.0_f32..1.0), 0..16),
        ) {
            let mut scheduler = scheduler(2.0, max_batch);
            let candidates: Vec<Candidate> = faces.iter().map(|&(number, quality)| face(number, 0.0, quality)).collect();
            let good: BTreeSet<TrackId> =
                candidates.iter().filter(|face| face.quality >= 0.1).map(|face| face.track.clone()).collect();
            let chosen = scheduler.select(&candidates, Allowed::All);
            let distinct: BTreeSet<&TrackId> = chosen.iter().collect();
            prop_assert_eq!(distinct.len(), chosen.len());
            prop_assert_eq!(chosen.len(), good.len().min(max_batch));
            prop_assert!(chosen.iter().all(|track| good.contains(track)));
        }
    }
}
