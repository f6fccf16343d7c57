//! A running posterior per track and task.

use std::collections::BTreeMap;
use std::sync::Arc;

use network::{Label, TaskName};
use vision::TrackId;

use crate::perception::judge::Judgement;
use crate::types::{Attribute, Moment};
use crate::{AnsweringTask, SmoothingConfig};

/// The least weight of a judgement: quality 0 must not divide by zero.
const MIN_WEIGHT: f64 = 1e-3;

/// Merges the judgements of a face over time.
///
/// For each track and task it keeps the quality-weighted, exponentially forgetting mean of calibrated probabilities:
/// `p̄ = Σ wᵢ pᵢ / Σ wᵢ` with `wᵢ = qualityᵢ · 2^(−ageᵢ / half_life)`, ages by the frames' stamps, the half-life by the task. The unknown share is
/// one more entry of `p`, so that the labels and it sum to 1.
#[derive(Debug, Default)]
pub struct Smoother {
    config: SmoothingConfig,
    heads: Vec<AnsweringTask>,
    tracks: BTreeMap<TrackId, BTreeMap<TaskName, Running>>,
}

#[derive(Debug, Clone)]
struct Running {
    version: u32,
    labels: Arc<[Label]>,
    /// Weighted sums of the labels' probabilities, then of the unknown share.
    sums: Vec<f64>,
    weight: f64,
    newest: Moment,
    observations: u32,
}

impl Smoother {
    /// A smoother that knows no task yet.
    pub fn new(config: SmoothingConfig) -> Self {
        Self { config, heads: vec![], tracks: BTreeMap::new() }
    }

    /// Changes the half-life from the next judgement on.
    pub fn set_config(&mut self, config: SmoothingConfig) {
        self.config = config;
    }

    /// Takes the tasks that answer from now on; what others said, or older versions of them, is forgotten at once.
    pub fn set_heads(&mut self, heads: &[AnsweringTask]) {
        self.heads = heads.to_vec();
        for tasks in self.tracks.values_mut() {
            tasks
                .retain(|name, running| heads.iter().any(|head| head.name == *name && head.version == running.version));
        }
    }

    /// Forgets every face that is not among those that are active.
    pub fn retain(&mut self, is_active: impl Fn(&TrackId) -> bool) {
        self.tracks.retain(|track, _| is_active(track));
    }

    /// Adds what the network said of a face seen at a moment with an overall `quality` in [0, 1].
    ///
    /// Judgements by columns that are no longer in service (another version, or removed) are ignored: they were under
    /// way while the network was exchanged. So are those with a number of probabilities other than of labels.
    pub fn add(&mut self, track: TrackId, moment: impl Into<Moment>, quality: f32, judgements: &[Judgement]) {
        let moment = moment.into();
        let tasks = self.tracks.entry(track).or_default();
        for judgement in judgements {
            let head = self.heads.iter().find(|head| head.name == judgement.task && head.version == judgement.version);
            let Some(head) = head.filter(|head| head.labels.len() == judgement.probabilities.len()) else { continue };
            let finite = judgement.probabilities.iter().chain([&judgement.unknown]).all(|share| share.is_finite());
            if !finite {
                tracing::warn!(task = %judgement.task, "a column answered with numbers that are not finite");
                continue;
            }
            let running = tasks.entry(head.name.clone()).or_insert_with(|| Running::new(head, moment));
            running.add(moment, quality, judgement, f64::from(self.config.half_life_of(head)));
        }
    }

    /// What is known of a face now, one entry per task that has judged it, in the order of the tasks.
    pub fn attributes(&self, track: &TrackId) -> Vec<Attribute> {
        let Some(tasks) = self.tracks.get(track) else { return vec![] };
        let named = |head: &AnsweringTask| Some(tasks.get(&head.name)?.attribute(&head.name));
        self.heads.iter().filter_map(named).collect()
    }
}

impl Running {
    fn new(head: &AnsweringTask, moment: Moment) -> Self {
        Self {
            version: head.version,
            labels: Arc::clone(&head.labels),
            sums: vec![0.0; head.labels.len() + 1],
            weight: 0.0,
            newest: moment,
            observations: 0,
        }
    }

    fn add(&mut self, moment: Moment, quality: f32, judgement: &Judgement, half_life_s: f64) {
        let after = moment.seconds - self.newest.seconds;
        let left = |age: f64| match half_life_s {
            _ if age <= 0.0 => 1.0,
            half_life if half_life > 0.0 => (-age / half_life).exp2(),
            _ => 0.0,
        };
        // A late frame is as old as it is: it neither ages what is known, nor takes the estimate's stamp back.
        let keep = left(after);
        let weight = if quality.is_finite() { f64::from(quality).clamp(MIN_WEIGHT, 1.0) } else { MIN_WEIGHT };
        let weight = weight * left(-after);
        for (sum, share) in self.sums.iter_mut().zip(judgement.probabilities.iter().chain([&judgement.unknown])) {
            *sum = *sum * keep + weight * f64::from(share.clamp(0.0, 1.0));
        }
        self.weight = self.weight * keep + weight;
        if after >= 0.0 {
            self.newest = moment;
        }
        self.observations = self.observations.saturating_add(1);
    }

    fn attribute(&self, task: &TaskName) -> Attribute {
        // Dividing by the shares' own sum, not by the weight, takes rounding in the judgements away too.
        let total: f64 = self.sums.iter().sum();
        let share = |sum: &f64| if total > 0.0 { (sum / total) as f32 } else { 0.0 };
        let (unknown, labels) = match self.sums.split_last() {
            Some((unknown, labels)) if total > 0.0 => (share(unknown), labels.iter().map(share).collect::<Vec<f32>>()),
            _ => (1.0, vec![0.0; self.labels.len()]),
        };
        // The first of equals, as the order of the labels is the column's.
        let best = labels.iter().enumerate().fold(None, |best: Option<(usize, f32)>, (index, &share)| match best {
            Some((_, top)) if top >= share => best,
            _ => Some((index, share)),
        });
        let (label, confidence) = match best {
            Some((index, top)) if top >= unknown => (self.labels.get(index).cloned(), top),
            Some((_, top)) => (None, top),
            None => (None, 0.0),
        };
        Attribute {
            task: task.clone(),
            label,
            confidence,
            unknown,
            labels: Arc::clone(&self.labels),
            probabilities: labels,
            stamp: self.newest.stamp,
            observations: self.observations,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Stamp;
    use crate::TaskKind;
    use crate::testing::{head, task, track};

    fn half_life(half_life_s: f32) -> SmoothingConfig {
        SmoothingConfig { half_life_s, ..SmoothingConfig::default() }
    }

    fn says(head: &AnsweringTask, probabilities: &[f32]) -> Judgement {
        let unknown = 1.0 - probabilities.iter().sum::<f32>();
        Judgement { task: head.name.clone(), version: head.version, probabilities: probabilities.to_vec(), unknown }
    }

    fn at(seconds: f64) -> Stamp {
        Stamp::from_seconds(seconds)
    }

    #[test]
    fn a_late_frame_counts_as_old_as_it_is_and_takes_no_stamp_back() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let said = |order: [usize; 3]| {
            let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&mood));
            for at_index in order {
                let (seconds, calm) = [(10.0, 1.0), (10.5, 0.0), (11.0, 0.3)][at_index];
                smoother.add(track(0), at(seconds), 0.8, &[says(&mood, &[calm, 1.0 - calm])]);
            }
            smoother.attributes(&track(0)).remove(0)
        };
        let (in_order, late) = (said([0, 1, 2]), said([0, 2, 1]));
        assert_eq!((in_order.stamp, late.stamp), (at(11.0), at(11.0)));
        assert!((in_order.probabilities[0] - late.probabilities[0]).abs() < 1e-6);
    }

    fn smoother(config: SmoothingConfig, heads: &[AnsweringTask]) -> Smoother {
        let mut smoother = Smoother::new(config);
        smoother.set_heads(heads);
        smoother
    }

    #[test]
    fn a_judgement_weighs_half_after_one_half_life() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&mood));
        smoother.add(track(0), at(10.0), 0.8, &[says(&mood, &[1.0, 0.0])]);
        smoother.add(track(0), at(12.0), 0.8, &[says(&mood, &[0.0, 1.0])]);
        let attribute = &smoother.attributes(&track(0))[0];
        assert!((attribute.probabilities[0] - 1.0 / 3.0).abs() < 1e-6, "{attribute:?}");
        assert_eq!(attribute.label.as_ref().unwrap().as_ref(), "tense");
        assert_eq!((attribute.stamp, attribute.observations), (at(12.0), 2));
    }

    #[test]
    fn what_lasts_is_kept_for_longer_than_what_changes() {
        let (mood, age) = (head("mood", 1, &["calm", "tense"]), head("age", 1, &["young", "old"]));
        let who = AnsweringTask { kind: TaskKind::Identity, ..head("who", 1, &["ada", "grace"]) };
        let config = SmoothingConfig { half_life_s: 0.5, lasting_half_life_s: 2.0, lasting: "gender, age".to_owned() };
        let mut smoother = smoother(config, &[mood.clone(), age.clone(), who.clone()]);
        for (seconds, first) in [(10.0, 1.0), (12.0, 0.0)] {
            let judgements = [&mood, &age, &who].map(|head| says(head, &[first, 1.0 - first]));
            smoother.add(track(0), at(seconds), 0.8, &judgements);
        }
        let kept: Vec<f32> =
            smoother.attributes(&track(0)).iter().map(|attribute| attribute.probabilities[0]).collect();
        for (kept, expected) in kept.iter().zip([1.0 / 17.0, 1.0 / 3.0, 1.0 / 3.0]) {
            assert!((kept - expected).abs() < 1e-6, "{kept} {expected}");
        }
    }

    #[test]
    fn a_blurred_face_says_less_than_a_sharp_one() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&mood));
        smoother.add(track(0), at(10.0), 0.9, &[says(&mood, &[1.0, 0.0])]);
        smoother.add(track(0), at(10.0), 0.1, &[says(&mood, &[0.0, 1.0])]);
        assert!((smoother.attributes(&track(0))[0].probabilities[0] - 0.9).abs() < 1e-6);
    }

    #[test]
    fn without_a_half_life_only_the_newest_frame_counts() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let mut smoother = smoother(half_life(0.0), std::slice::from_ref(&mood));
        smoother.add(track(0), at(10.0), 1.0, &[says(&mood, &[1.0, 0.0])]);
        smoother.add(track(0), at(10.1), 0.1, &[says(&mood, &[0.25, 0.5])]);
        let attribute = &smoother.attributes(&track(0))[0];
        assert!((attribute.probabilities[0] - 0.25).abs() < 1e-6 && (attribute.unknown - 0.25).abs() < 1e-6);
    }

    #[test]
    fn a_stranger_is_given_no_name() {
        let who = head("who", 1, &["ada", "grace"]);
        let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&who));
        smoother.add(track(0), at(1.0), 1.0, &[says(&who, &[0.3, 0.2])]);
        let attribute = &smoother.attributes(&track(0))[0];
        assert_eq!(attribute.label, None);
        assert!((attribute.unknown - 0.5).abs() < 1e-6);
        smoother.add(track(0), at(1.0), 1.0, &[says(&who, &[1.0, 0.0])]);
        assert_eq!(smoother.attributes(&track(0))[0].label.as_ref().unwrap().as_ref(), "ada");
    }

    #[test]
    fn a_new_version_of_a_column_starts_afresh_and_the_others_go_on() {
        let (mood, who) = (head("mood", 1, &["calm", "tense"]), head("who", 1, &["ada", "grace"]));
        let mut smoother = smoother(half_life(2.0), &[mood.clone(), who.clone()]);
        smoother.add(track(0), at(1.0), 1.0, &[says(&mood, &[1.0, 0.0]), says(&who, &[1.0, 0.0])]);
        let before = smoother.attributes(&track(0))[0].clone();
        let retrained = head("who", 2, &["ada", "grace", "joan"]);
        smoother.set_heads(&[mood.clone(), retrained.clone()]);
        assert_eq!(smoother.attributes(&track(0)), [before]);
        // Under way while the column was exchanged.
        smoother.add(track(0), at(1.1), 1.0, &[says(&who, &[1.0, 0.0])]);
        assert_eq!(smoother.attributes(&track(0)).len(), 1);
        smoother.add(track(0), at(1.2), 1.0, &[says(&retrained, &[0.0, 0.0, 1.0])]);
        let attributes = smoother.attributes(&track(0));
        assert_eq!(attributes[1].label.as_ref().unwrap().as_ref(), "joan");
        assert_eq!(attributes[1].observations, 1);
        smoother.set_heads(&[mood]);
        assert_eq!(smoother.attributes(&track(0)).len(), 1);
    }

    #[test]
    fn a_dead_track_is_forgotten() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&mood));
        for number in 0..2 {
            smoother.add(track(number), at(1.0), 1.0, &[says(&mood, &[1.0, 0.0])]);
        }
        smoother.retain(|live| *live == track(1));
        assert_eq!(smoother.attributes(&track(0)), vec![]);
        assert_eq!(smoother.attributes(&track(1)).len(), 1);
    }

    #[test]
    fn a_column_that_answers_nan_is_not_believed() {
        let mood = head("mood", 1, &["calm", "tense"]);
        let mut smoother = smoother(half_life(2.0), std::slice::from_ref(&mood));
        smoother.add(track(0), at(1.0), 1.0, &[says(&mood, &[f32::NAN, 0.0])]);
        assert_eq!(smoother.attributes(&track(0)), vec![]);
    }

    proptest! {
        #[test]
        fn labels_and_unknown_share_sum_to_one(
            judgements in prop::collection::vec(
                (-5.0_f64..1e4, 0.0_f32..=1.0, prop::collection::vec(0.0_f32..1.0, 4)), 1..40),
            half_life_s in prop_oneof![Just(0.0_f32), 0.01_f32..100.0],
        ) {
            let mood = head("mood", 1, &["a", "b", "c"]);
            let mut smoother = smoother(half_life(half_life_s), std::slice::from_ref(&mood));
            for (stamp, quality, raw) in &judgements {
                let total: f32 = raw.iter().sum::<f32>() + 1e-6;
                let probabilities: Vec<f32> = raw[..3].iter().map(|share| share / total).collect();
                // Stamps in any order: cameras do jump.
                smoother.add(track(0), at(*stamp), *quality, &[says(&mood, &probabilities)]);
            }
            let attribute = &smoother.attributes(&track(0))[0];
            prop_assert_eq!(&attribute.task, &task("mood"));
            let sum: f32 = attribute.probabilities.iter().sum::<f32>() + attribute.unknown;
            prop_assert!((sum - 1.0).abs() < 1e-5, "{}", sum);
            let top = attribute.probabilities.iter().copied().fold(0.0, f32::max);
            prop_assert_eq!(attribute.label.is_none(), attribute.unknown > top);
            prop_assert_eq!(attribute.confidence, top);
            prop_assert_eq!(attribute.observations as usize, judgements.len());
        }
    }
}
