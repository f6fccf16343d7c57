//! The open set: faces of which nothing can be told are answered with less energy.
//!
//! Outlier exposure (Hendrycks et al. 2019) in closed form. A linear score tells faces from the same faces with mouth and eyes
//! covered, or blurred until nothing is left of them. It is added to the logits of all labels alike: their probabilities among
//! each other stay as they are, while the free energy (Liu et al. 2020), which `unknown` is read from, falls for faces that
//! nobody could read.

use super::group::Group;
use super::head::{PENALTIES, PENALTY, SHARPNESS, head};
use super::ridge::Ridge;
use crate::calibration::{Calibration, log_sum_exp};
use crate::data::FaceCrop;
use crate::features::{Frozen, Inputs};
use crate::looks::LOOKS;
use crate::occlusion::illegible;
use nalgebra::DMatrix;
use network::{Column, LinearHead, NetworkBackend, NetworkError, ProgressiveNetwork, TaskName, rows};
use rayon::prelude::*;

/// Of so many samples of a task illegible faces are made, at most.
pub(crate) const FEW: usize = 100;
/// The same of a column that is trained on a workstation.
const MANY: usize = 200;
/// Faces per batch.
const BATCH: usize = 16;
/// By how much the energy falls. Scores lie between 0 (a face) and −1 (nothing to be told).
const DROP: f64 = SHARPNESS;

/// A linear function of what a head reads: about 0 for faces, about −10 for what nobody could read.
#[derive(Debug, Clone)]
pub(crate) struct EnergyShift {
    weights: Vec<f32>,
    bias: f32,
    /// What it says of each of the faces' rows without the run of that row; none where nothing was left out.
    held_out: Vec<f32>,
}

impl EnergyShift {
    /// `known`: what is read of faces, row `l · faces + i` for look `l` at face `i`; `outliers`: the same of illegible ones, each with the
    /// face that it was made of; `channels` of both. `runs`: rows of `known` that are left out together.
    pub fn fit(
        channels: usize,
        faces: usize,
        known: &[Vec<f32>],
        outliers: &[(usize, Vec<f32>)],
        runs: &[Vec<usize>],
    ) -> Self {
        let rows: Vec<Vec<f32>> = known.iter().chain(outliers.iter().map(|(_, row)| row)).cloned().collect();
        let group = Group::new(channels, &rows);
        let is_known = |row: usize| row < known.len();
        let targets = DMatrix::from_fn(rows.len(), 1, |row, _| if is_known(row) { 0.0 } else { -1.0 });
        let weight = |row| 1.0 / if is_known(row) { known.len() } else { outliers.len() } as f64;
        let weights: Vec<f64> = (0..rows.len()).map(weight).collect();
        let ridge = Ridge::new(&group.gram, &targets, &weights);
        // What was made of a face is left out with it.
        let with_outliers = |run: &Vec<usize>| {
            let of_run =
                outliers.iter().enumerate().filter(|(_, (face, _))| run.iter().any(|row| row % faces == *face));
            run.iter().copied().chain(of_run.map(|(at, _)| known.len() + at)).collect()
        };
        let runs: Vec<Vec<usize>> = runs.iter().map(with_outliers).collect();
        let tried = PENALTIES.par_iter().map(|penalty| {
            let penalty = penalty * ridge.scale();
            let scores = ridge.held_out(penalty, &runs);
            let errors = (0..rows.len()).map(|row| weights[row] * (scores[(row, 0)] - targets[(row, 0)]).powi(2));
            (errors.sum::<f64>(), penalty, scores)
        });
        let best = (!runs.is_empty()).then(|| tried.collect::<Vec<_>>().into_iter().min_by(|a, b| a.0.total_cmp(&b.0)));
        let (penalty, held_out) = match best.flatten() {
            Some((_, penalty, scores)) => {
                (penalty, scores.column(0).iter().take(known.len()).map(|score| (score * DROP) as f32).collect())
            }
            None => (PENALTY * ridge.scale(), Vec::new()),
        };
        let LinearHead { own, bias, .. } = head(std::slice::from_ref(&group), &[0], &ridge, penalty, 1);
        Self { weights: own, bias: bias[0], held_out }
    }

    /// The head with the shift in all its labels.
    pub fn add_to_head(&self, head: &mut LinearHead) {
        let classes = head.bias.len();
        for (row, weight) in head.own.chunks_mut(classes).zip(&self.weights) {
            row.iter_mut().for_each(|value| *value += weight);
        }
        head.bias.iter_mut().for_each(|bias| *bias += self.bias);
    }

    /// The rows' held-out logits with the shift, which was fitted without them.
    pub fn add_to_held_out(&self, logits: &mut [Vec<f32>]) {
        for (row, shift) in logits.iter_mut().zip(&self.held_out) {
            row.iter_mut().for_each(|logit| *logit += shift);
        }
    }
}

/// The threshold half-way down, where no face can be left out: `logits` are those of the samples themselves.
pub(crate) fn half_way(logits: &[Vec<f32>], calibration: Calibration) -> Calibration {
    let mut energies: Vec<f32> = logits.iter().map(|row| log_sum_exp(row)).collect();
    energies.sort_by(f32::total_cmp);
    let Some(median) = energies.get(energies.len() / 2) else { return calibration };
    let half = DROP as f32 / 2.0;
    // As where faces are left out: at the median of known faces the unknown share is about 2%.
    Calibration { energy_threshold: median - half, energy_scale: half / 4.0, ..calibration }
}

/// Of `faces` faces the numbers of those that illegible ones are made of: at most so many, spread over all.
pub(crate) fn made_of(faces: usize, most: usize) -> Vec<usize> {
    let count = faces.min(most);
    (0..count).map(|at| at * faces / count).collect()
}

/// Illegible faces, each with the number of the face that it was made of; see [`made_of`].
fn of(faces: &[FaceCrop], most: usize) -> Vec<(usize, FaceCrop)> {
    let made_of = made_of(faces.len(), most);
    made_of.into_par_iter().enumerate().map(|(at, face)| (face, illegible(&faces[face], at as u64))).collect()
}

/// The column `task` of the network with centred logits and outlier exposure by `faces`, which it has learned from. It answers as
/// before but for its energy, so it has to be calibrated anew.
///
/// # Errors
/// There is no such column, or its weights were given up.
pub fn expose<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    task: &TaskName,
    faces: &[FaceCrop],
    device: &B::Device,
) -> Result<Column<B>, NetworkError> {
    let entry = network.get(task).ok_or_else(|| NetworkError::Unknown(task.clone()))?;
    let column = entry.column()?;
    let frozen = Frozen::new(network, &entry.sources, column.has_blocks())?;
    Ok(exposed(column.clone(), &frozen, faces, device))
}

/// [`expose`] for a column that is in no network yet.
pub(crate) fn exposed<B: NetworkBackend>(
    column: Column<B>,
    frozen: &Frozen<B>,
    faces: &[FaceCrop],
    device: &B::Device,
) -> Column<B> {
    let column = column.centred();
    let outliers = of(faces, MANY);
    if outliers.is_empty() {
        return column;
    }
    let known = outliers.iter().enumerate().map(|(at, (face, _))| LOOKS[at % LOOKS.len()].at(&faces[*face]));
    let pictures: Vec<FaceCrop> = known.chain(outliers.iter().map(|(_, face)| face.clone())).collect();
    let mut units = Vec::with_capacity(pictures.len());
    for batch in pictures.chunks(BATCH) {
        let batch: Vec<&[u8]> = batch.iter().map(AsRef::as_ref).collect();
        let Inputs { features, sources } = frozen.inputs(&batch, device);
        units.extend(rows(column.units(features, &sources)));
    }
    let of_outliers: Vec<(usize, Vec<f32>)> = units.split_off(outliers.len()).into_iter().enumerate().collect();
    let runs: Vec<Vec<usize>> =
        (0..RUNS).map(|run| (0..units.len()).filter(|row| row % RUNS == run).collect()).collect();
    let channels = units.first().map_or(1, Vec::len);
    let shift = EnergyShift::fit(channels, units.len(), &units, &of_outliers, &runs);
    column.with_shift(&shift.weights, shift.bias)
}

/// Parts that are left out in turn.
const RUNS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Rows around a mean that is elsewhere for outliers.
    fn rows_around(mean: f32, count: usize, rng: &mut StdRng) -> Vec<Vec<f32>> {
        (0..count).map(|_| (0..12).map(|at| mean * (at % 3) as f32 + rng.random_range(-1.0..1.0)).collect()).collect()
    }

    #[test]
    fn the_energy_of_outliers_falls_and_labels_keep_their_shares() {
        let mut rng = StdRng::seed_from_u64(3);
        let known = rows_around(0.0, 40, &mut rng);
        let outliers: Vec<_> = rows_around(1.5, 20, &mut rng).into_iter().enumerate().collect();
        let runs: Vec<Vec<usize>> = (0..4).map(|run| (run * 10..run * 10 + 10).collect()).collect();
        let shift = EnergyShift::fit(12, 40, &known, &outliers, &runs);
        assert_eq!(shift.held_out.len(), 40);
        let plain = LinearHead {
            own: (0..36).map(|_| rng.random_range(-0.1..0.1)).collect(),
            sources: Vec::new(),
            bias: vec![0.1, 0.2, 0.3],
        };
        let mut shifted = plain.clone();
        shift.add_to_head(&mut shifted);
        let say = |head: &LinearHead, row: &[f32]| {
            let mut logits = head.bias.clone();
            for (value, weights) in row.iter().zip(head.own.chunks(3)) {
                logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
            }
            logits
        };
        let (fresh, foreign) = (rows_around(0.0, 50, &mut rng), rows_around(1.5, 50, &mut rng));
        for (row, low) in fresh.iter().map(|row| (row, false)).chain(foreign.iter().map(|row| (row, true))) {
            let (before, after) = (say(&plain, row), say(&shifted, row));
            let fall = log_sum_exp(&before) - log_sum_exp(&after);
            assert!(if low { fall > 5.0 } else { fall < 5.0 }, "{fall} {low}");
            for (a, b) in
                Calibration::default().closed_set(&before).iter().zip(Calibration::default().closed_set(&after))
            {
                assert!((a - b).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn without_held_out_faces_the_threshold_is_half_way_down() {
        let calibration = half_way(&[vec![8.0, 0.0], vec![9.0, 0.0], vec![10.0, 0.0]], Calibration::default());
        assert!(calibration.posterior(&[9.0, 0.0]).1 < 0.03);
        assert!(calibration.posterior(&[-1.0, -10.0]).1 > 0.97);
    }

    #[test]
    fn illegible_faces_are_made_of_faces_spread_over_all() {
        let faces: Vec<FaceCrop> = (0..10u8).map(|at| FaceCrop::from_fn(|_| at)).collect();
        let made: Vec<usize> = of(&faces, 5).into_iter().map(|(face, _)| face).collect();
        assert_eq!(made, [0, 2, 4, 6, 8]);
        assert_eq!(of(&faces[..2], 5).len(), 2);
        assert!(of(&[], 5).is_empty());
    }
}
