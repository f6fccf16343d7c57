//! Recognising people: who was taught, and who is a stranger, by the encoder's face descriptor.
//!
//! A person is the mean of the descriptors of their samples, seen against how strangers scatter ([`Background`]). From which score on
//! a face is somebody's is measured on a cohort of strangers: so `unknown` means something from the first sample on, one person alone
//! can be taught, and adding a person changes no one else's score.

use super::background::Background;
use super::config::FewShotConfig;
use super::readings::{Known, Reader, Readings};
use crate::calibration::{Calibration, log_sum_exp};
use crate::data::{LabelledFaces, argmax};
use crate::metrics::{Accuracy, Confusion};
use crate::training::{TrainError, TrainedColumn, Training};
use network::{Cohort, Column, NetworkBackend, PeopleHead, Person};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Settings of [`teach_people`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// Share of strangers that may be called by a name (false positive identification rate), (0, 0.5].
    pub strangers_named: f32,
    /// At which looks samples are read, and how those are changed.
    pub samples: FewShotConfig,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self { strangers_named: 0.02, samples: FewShotConfig::default() }
    }
}

/// Logits per standard deviation of strangers: what gave people of LFW's training and validation parts, twelve at a time, the best
/// likelihood, between 3 with one sample each and 5 with five.
const LOGITS_PER_DEVIATION: f64 = 4.0;
/// Strangers of one place are more like the people taught than a cohort from all over the world, of all ages: eight times as many
/// people of LFW (training and validation parts) passed a threshold as of FairFace, whatever the threshold. So it is set on this
/// share of the cohort, those who are most like the people taught.
const LIKE_THEM: f32 = 1.0 / 8.0;

/// People, and what the column says of samples that it was fitted without.
#[derive(Debug, Clone)]
pub struct PeopleFit {
    /// The column's output layer.
    pub head: PeopleHead,
    /// Probabilities of people, and the threshold of the unknown.
    pub calibration: Calibration,
    /// Logits of each sample as it is, with that sample left out of its person's mean; none where a person is learned from one
    /// sample.
    pub held_out: Vec<Vec<f32>>,
}

/// Teaches a column that recognises the people of `faces.labels`, one or more. `known` has a place for each of them: who is there
/// already stays as they are, bit for bit, the others are learned from `faces`. The training's sizes and observer as in [`crate::teach`];
/// it has no sources. `read`: what was read of each face before, by the network as it is.
///
/// # Errors
/// The model has no face descriptor or no cohort, a new person has no sample, or the observer asked to stop.
pub fn teach_people<B: NetworkBackend>(
    training: Training<'_, B>,
    cohort: &Cohort<B>,
    faces: &LabelledFaces,
    known: &[Option<Person>],
    config: &IdentityConfig,
    read: Known<'_>,
) -> Result<TrainedColumn<B>, TrainError> {
    let Training { network, sizes: like, device, observer, .. } = training;
    let started = Instant::now();
    let Some(descriptor) = network.descriptor_head() else {
        return Err(TrainError::Data("the model has no face descriptor: it cannot recognise people".into()));
    };
    let looks = config.samples.looks_at(faces.len());
    let samples = FewShotConfig { looks, ..config.samples.clone() };
    let reader = Reader { network, sources: &[], device };
    let readings = reader.read(&faces.faces, &like, &samples, 0, read, observer)?.described(descriptor, device);
    let found = fit_people(&readings, faces, known, &cohort.rows(), config.strangers_named)?;
    let (column, sizes) = Column::identity(&like, descriptor, &found.head, device);
    let new = |class: &usize| known.get(*class).is_none_or(Option::is_none);
    let truth: Vec<usize> = faces.classes().into_iter().filter(new).take(found.held_out.len()).collect();
    let confusion = Confusion::new(faces.labels.len(), &found.held_out, &truth);
    Ok(TrainedColumn {
        column,
        config: sizes,
        calibration: found.calibration,
        accuracy: Accuracy::of(right(&found, &truth), truth.len()),
        confusion,
        curve: Vec::new(),
        seconds: started.elapsed().as_secs_f32(),
    })
}

/// Samples that get the right name: who is `unknown` does not.
fn right(found: &PeopleFit, truth: &[usize]) -> usize {
    let named = |(logits, &person): (&Vec<f32>, &usize)| {
        let (people, unknown) = found.calibration.posterior(logits);
        argmax(&people) == person && people[person] > unknown
    };
    found.held_out.iter().zip(truth).filter(|row| named((row.0, row.1))).count()
}

/// Fits people from their samples' descriptors ([`Readings::described`]) and those of strangers; `known` as in [`teach_people`].
///
/// # Errors
/// A new person has no sample, or there are no strangers.
pub fn fit_people(
    samples: &Readings,
    faces: &LabelledFaces,
    known: &[Option<Person>],
    strangers: &[Vec<f32>],
    strangers_named: f32,
) -> Result<PeopleFit, TrainError> {
    let Some(background) = Background::of(strangers) else {
        return Err(TrainError::Data("the model has no cohort of strangers: it cannot recognise people".into()));
    };
    let counts = faces.counts();
    let known = |person: usize| known.get(person).and_then(Option::as_ref);
    let nobody = (0..counts.len()).find(|&person| counts[person] == 0 && known(person).is_none());
    if let Some(label) = nobody.map(|person| &faces.labels[person]) {
        return Err(TrainError::Data(format!("no samples of '{label}'")));
    }
    let (classes, rows) = (faces.classes(), samples.all(0));
    let person = |person: usize, without: Option<usize>| -> Person {
        if let Some(known) = known(person) {
            return known.clone();
        }
        let of = |row: &usize| classes[row % faces.len()] == person && Some(row % faces.len()) != without;
        background.person((0..rows.len()).filter(of).map(|row| rows[row].as_slice()), LOGITS_PER_DEVIATION)
    };
    let people: Vec<Person> = (0..counts.len()).map(|at| person(at, None)).collect();
    let learned: Vec<usize> = (0..faces.len()).filter(|&face| known(classes[face]).is_none()).collect();
    let left_out = |&face: &usize| {
        let mut others = people.clone();
        others[classes[face]] = person(classes[face], Some(face));
        PeopleHead { people: others }.logits(&rows[face])
    };
    let several = learned.iter().all(|&face| counts[classes[face]] > 1);
    let held_out = if several { learned.iter().map(left_out).collect() } else { Vec::new() };
    let head = PeopleHead { people };
    Ok(PeopleFit { calibration: calibration(&head, strangers, strangers_named), head, held_out })
}

/// The threshold that so many strangers exceed, of those who are most like the people; at their median the unknown share is 98%.
fn calibration(head: &PeopleHead, strangers: &[Vec<f32>], strangers_named: f32) -> Calibration {
    let mut energies: Vec<f32> = strangers.iter().map(|stranger| log_sum_exp(&head.logits(stranger))).collect();
    energies.sort_by(f32::total_cmp);
    let exceeded_by = |share: f32| {
        let at = (1.0 - share * LIKE_THEM).clamp(0.0, 1.0) * (energies.len() - 1) as f32;
        let (below, part) = (at as usize, at.fract());
        let above = energies[(below + 1).min(energies.len() - 1)];
        energies[below] + (above - energies[below]) * part
    };
    let threshold = exceeded_by(strangers_named);
    Calibration {
        temperature: 1.0,
        energy_threshold: threshold,
        energy_scale: ((threshold - exceeded_by(0.5)) / 4.0).max(0.05),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const VALUES: usize = 16;

    /// A direction, and copies of it that differ a little.
    fn near(direction: &[f32], noise: f32, rng: &mut StdRng) -> Vec<f32> {
        let moved: Vec<f32> = direction.iter().map(|value| value + rng.random_range(-noise..noise)).collect();
        let length = moved.iter().map(|value| value * value).sum::<f32>().sqrt();
        moved.iter().map(|value| value / length).collect()
    }

    fn anyone(rng: &mut StdRng) -> Vec<f32> {
        near(&[0.0; VALUES], 1.0, rng)
    }

    fn taught(people: &[Vec<f32>], each: usize, rng: &mut StdRng) -> (Readings, LabelledFaces) {
        let labels = (0..people.len()).map(|person| format!("p{person}").parse().unwrap()).collect();
        let mut faces = LabelledFaces::new(labels);
        let mut rows = Vec::new();
        for (person, direction) in people.iter().enumerate() {
            for _ in 0..each {
                faces.push(network::FaceCrop::from_fn(|_| rows.len() as u8), person);
                rows.push(near(direction, 0.1, rng));
            }
        }
        (Readings::from_rows(rows), faces)
    }

    #[test]
    fn one_sample_of_one_person_tells_strangers_from_them() {
        let mut rng = StdRng::seed_from_u64(1);
        let cohort: Vec<Vec<f32>> = (0..500).map(|_| anyone(&mut rng)).collect();
        let person = anyone(&mut rng);
        let (read, faces) = taught(std::slice::from_ref(&person), 1, &mut rng);
        let found = fit_people(&read, &faces, &[], &cohort, 0.02).unwrap();
        assert!(found.held_out.is_empty());
        let unknown = |descriptor: &[f32]| found.calibration.posterior(&found.head.logits(descriptor)).1;
        assert!(unknown(&near(&person, 0.1, &mut rng)) < 0.2);
        // 2% of an eighth of anyone.
        let named = (0..4000).filter(|_| unknown(&anyone(&mut rng)) < 0.5).count();
        assert!((1..40).contains(&named), "few strangers are called by the name: {named} of 4000");
    }

    #[test]
    fn another_person_changes_no_score_of_those_who_are_known() {
        let mut rng = StdRng::seed_from_u64(2);
        let cohort: Vec<Vec<f32>> = (0..300).map(|_| anyone(&mut rng)).collect();
        let people: Vec<Vec<f32>> = (0..3).map(|_| anyone(&mut rng)).collect();
        let (read, faces) = taught(&people, 4, &mut rng);
        let three = fit_people(&read, &faces, &[], &cohort, 0.02).unwrap();
        assert_eq!(three.held_out.len(), 12);
        assert_eq!(Confusion::new(3, &three.held_out, &faces.classes()).accuracy().value, 1.0);
        let first = faces.select(&(0..8).collect::<Vec<_>>());
        let first = LabelledFaces {
            labels: faces.labels[..2].to_vec(),
            targets: first.targets.iter().map(|target| target[..2].to_vec()).collect(),
            ..first
        };
        let two = fit_people(&read.select(&(0..8).collect::<Vec<_>>()), &first, &[], &cohort, 0.02).unwrap();
        assert_eq!(two.head.people, three.head.people[..2]);

        // The third beside two who are known already, without a sample of theirs.
        let known: Vec<Option<Person>> = two.head.people.iter().cloned().map(Some).chain([None]).collect();
        let third: Vec<usize> = (8..12).collect();
        let added = fit_people(&read.select(&third), &faces.select(&third), &known, &cohort, 0.02).unwrap();
        assert_eq!((added.head, added.held_out.len()), (three.head, 4));
        assert_eq!(added.calibration, three.calibration);
    }

    #[test]
    fn without_strangers_nobody_is_taught() {
        let mut rng = StdRng::seed_from_u64(3);
        let (read, faces) = taught(&[anyone(&mut rng)], 1, &mut rng);
        assert!(matches!(fit_people(&read, &faces, &[], &[], 0.02), Err(TrainError::Data(_))));
    }
}
