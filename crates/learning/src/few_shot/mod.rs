//! Teaching a task with a few samples: a linear head in closed form, chosen by what it says of faces that it has not seen.
//!
//! Ridge regression of the classes on the encoder's pooled features and on the sources' last blocks. Which of them it reads,
//! and how much its weights are held down, is decided by the likelihood of held-out faces; the same answers give accuracy
//! and calibration, so that no sample is lost to validation. What is `unknown` is learned from the samples made illegible: see
//! [`expose`].

mod background;
mod config;
mod face_reading;
mod group;
mod head;
mod identity;
mod outliers;
mod readings;
mod ridge;

pub use config::{FewShotConfig, Reads};
pub use face_reading::FaceReading;
pub use identity::{IdentityConfig, PeopleFit, fit_people, teach_people};
pub use outliers::expose;
pub(crate) use outliers::exposed;
pub use readings::{Known, NOTHING_KNOWN, Reader, Readings};

use crate::calibration::Calibration;
use crate::data::LabelledFaces;
use crate::loss::class_weights;
use crate::metrics::Confusion;
use crate::training::{Progress, TrainError, TrainedColumn, Training};
use head::{PENALTIES, PENALTY, SHARPNESS, head};
use nalgebra::DMatrix;
use network::{Column, ColumnConfig, LinearHead, NetworkBackend};
use rayon::prelude::*;
use ridge::Ridge;
use std::ops::ControlFlow;
use std::time::Instant;

/// From more faces on each is looked at once.
pub const MANY_FACES: usize = 1000;

/// Teaches a head for `faces.labels`; the training's sizes are those of the model's columns. Its observer is called after every batch of
/// faces and for every choice of what the head reads. `known`: what was read of each face before, by the network as it is.
///
/// # Errors
/// See [`TrainError`].
pub fn teach<B: NetworkBackend>(
    training: Training<'_, B>,
    faces: &LabelledFaces,
    config: &FewShotConfig,
    known: Known<'_>,
) -> Result<TrainedColumn<B>, TrainError> {
    let started = Instant::now();
    faces.require_all_labels()?;
    let Training { network, sources, sizes, device, observer } = training;
    let like = ColumnConfig { classes: faces.labels.len(), sources: sources.len(), own_blocks: false, ..sizes };
    let many = faces.len() > MANY_FACES;
    let config = &FewShotConfig { looks: if many { 1 } else { config.looks_at(faces.len()) }, ..config.clone() };
    let seen = if many { faces.seen_in_turn() } else { faces.clone() };
    // Of many faces each is shown in another way, which none of them was read in.
    let known = if many { NOTHING_KNOWN } else { known };
    let reader = Reader { network, sources, device };
    let readings = reader.read(&seen.faces, &like, config, outliers::FEW, known, observer)?;
    let read = Progress { step: 1, ..Progress::begin(1, 1) };
    let late = || config.time_budget_s > 0.0 && started.elapsed().as_secs_f32() >= config.time_budget_s;
    let fit = fit_while(&readings, faces, config, &mut || match observer(&read) {
        ControlFlow::Break(()) => Proceed::No,
        ControlFlow::Continue(()) if late() => Proceed::WithWhatThereIs,
        ControlFlow::Continue(()) => Proceed::Yes,
    })?;
    let (column, sizes) = Column::linear(&like, &fit.head, device);
    let confusion = Confusion::new(faces.labels.len(), &fit.held_out, &faces.classes());
    Ok(TrainedColumn {
        column,
        config: sizes,
        calibration: fit.calibration,
        accuracy: confusion.accuracy(),
        confusion,
        curve: Vec::new(),
        seconds: started.elapsed().as_secs_f32(),
    })
}

/// A head, and what it says of faces that it was fitted without.
#[derive(Debug, Clone)]
pub struct HeadFit {
    /// The head.
    pub head: LinearHead,
    /// Fitted on the held-out answers.
    pub calibration: Calibration,
    /// Logits of each face from a fit without its run; none when a label has one face.
    pub held_out: Vec<Vec<f32>>,
}

/// Fits a head on what was read of `faces`.
///
/// # Errors
/// A label has no face, or there is nothing to read.
pub fn fit(readings: &Readings, faces: &LabelledFaces, config: &FewShotConfig) -> Result<HeadFit, TrainError> {
    fit_while(readings, faces, config, &mut || Proceed::Yes)
}

/// Whether a fit tries more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proceed {
    Yes,
    /// It takes the best that it has.
    WithWhatThereIs,
    No,
}

/// [`fit`], which asks before each choice of what the head reads.
fn fit_while(
    readings: &Readings,
    faces: &LabelledFaces,
    config: &FewShotConfig,
    proceed: &mut dyn FnMut() -> Proceed,
) -> Result<HeadFit, TrainError> {
    faces.require_all_labels()?;
    let readings = readings.first_looks(config.looks_at(faces.len()));
    let groups = readings.groups();
    let rows = readings.rows();
    let targets =
        DMatrix::from_fn(rows, faces.labels.len(), |row, class| f64::from(faces.targets[row % faces.len()][class]));
    let of_class = class_weights(&faces.counts(), 1.0);
    let classes = faces.classes();
    let weights: Vec<f64> = (0..rows).map(|row| f64::from(of_class[classes[row % faces.len()]])).collect();
    let left_out = runs(faces, rows / faces.len(), config.folds);

    // The features' alone come first.
    let mut simplest: Option<Vec<f32>> = None;
    let mut best: Option<(Choice, Vec<usize>, Ridge)> = None;
    for mix in mixes(groups.len(), config.reads) {
        match proceed() {
            Proceed::No => return Err(TrainError::Cancelled),
            Proceed::WithWhatThereIs if best.is_some() => break,
            _ => {}
        }
        let mut gram = DMatrix::zeros(rows, rows);
        mix.iter().for_each(|&group| gram += &groups[group].gram);
        let ridge = Ridge::new(&gram, &targets, &weights);
        let found = left_out.as_deref().map_or_else(
            || Choice {
                loss: f32::MAX,
                penalty: PENALTY * ridge.scale(),
                held_out: Vec::new(),
                calibration: Calibration::default(),
            },
            |groups| Choice::best(&ridge, groups, faces),
        );
        let losses = found.losses(faces);
        let surely = simplest.as_ref().is_none_or(|simplest| surely_lower(&losses, simplest));
        simplest.get_or_insert(losses);
        // The last mix reads most: without held-out faces it is taken.
        if best.as_ref().is_none_or(|(best, _, _)| surely && found.loss < best.loss || left_out.is_none()) {
            best = Some((found, mix, ridge));
        }
    }
    let Some((choice, mix, ridge)) = best else {
        return Err(TrainError::Data("there is nothing that the head may read".into()));
    };
    let mut head = head(&groups, &mix, &ridge, choice.penalty, faces.labels.len());
    tracing::debug!(
        ?mix,
        penalty = choice.penalty,
        "of the features (0) and the sources (1 and on) the head reads these"
    );
    let Choice { mut held_out, mut calibration, .. } = choice;
    if let Some(shift) = readings.energy_shift(left_out.as_deref().unwrap_or_default()) {
        shift.add_to_head(&mut head);
        shift.add_to_held_out(&mut held_out);
        calibration = if held_out.is_empty() {
            outliers::half_way(&readings.answers(&head), calibration)
        } else {
            let targets: Vec<_> = faces.targets.iter().cycle().take(held_out.len()).cloned().collect();
            Calibration::fit(&held_out, &targets)
        };
    }
    held_out.truncate(faces.len());
    Ok(HeadFit { head, calibration, held_out })
}

/// The best penalty of a mix.
struct Choice {
    /// Mean negative log-likelihood of the held-out looks at the best temperature.
    loss: f32,
    penalty: f64,
    /// Logits of each row without its run; look `l` at face `i` is row `l · faces + i`.
    held_out: Vec<Vec<f32>>,
    calibration: Calibration,
}

impl Choice {
    fn best(ridge: &Ridge, groups: &[Vec<usize>], faces: &LabelledFaces) -> Self {
        let tried = PENALTIES.par_iter().map(|penalty| {
            let penalty = penalty * ridge.scale();
            let scores = ridge.held_out(penalty, groups);
            let held_out: Vec<Vec<f32>> = (0..scores.nrows())
                .map(|row| scores.row(row).iter().map(|score| (score * SHARPNESS) as f32).collect())
                .collect();
            // Every look of the node has to pass for known, not that at the face as it is alone.
            let targets: Vec<_> = faces.targets.iter().cycle().take(held_out.len()).cloned().collect();
            let calibration = Calibration::fit(&held_out, &targets);
            let loss = calibration.loss(&held_out, &targets);
            Self { loss, penalty, held_out, calibration }
        });
        // The larger penalty of equals.
        let best = tried.collect::<Vec<_>>().into_iter().rev().min_by(|a, b| a.loss.total_cmp(&b.loss));
        best.unwrap_or_else(|| unreachable!("the penalties are a constant"))
    }

    /// Negative log-likelihood of each held-out face, the mean of its looks.
    fn losses(&self, faces: &LabelledFaces) -> Vec<f32> {
        let of = |face: usize| {
            let looks: Vec<Vec<f32>> = self.held_out.iter().skip(face).step_by(faces.len()).cloned().collect();
            self.calibration.loss(&looks, &vec![faces.targets[face].clone(); looks.len()])
        };
        if self.held_out.is_empty() { Vec::new() } else { (0..faces.len()).map(of).collect() }
    }
}

/// Whether losses are lower than others of the same faces by more than the standard error of their difference: among half a
/// dozen mixes one is best by chance, and what it reads more than the features alone is then more to be misled by.
fn surely_lower(losses: &[f32], than: &[f32]) -> bool {
    let count = losses.len().max(2) as f32;
    let gains = || than.iter().zip(losses).map(|(than, loss)| than - loss);
    let mean = gains().sum::<f32>() / count;
    let variance = gains().map(|gain| (gain - mean).powi(2)).sum::<f32>() / (count - 1.0);
    mean > (variance / count).sqrt()
}

/// Lists of groups that a head may read.
fn mixes(groups: usize, reads: Reads) -> Vec<Vec<usize>> {
    let (all, sources): (Vec<usize>, Vec<usize>) = ((0..groups).collect(), (1..groups).collect());
    match reads {
        Reads::Features => vec![vec![0]],
        Reads::Sources => vec![sources],
        Reads::Both => vec![all],
        Reads::Best if groups == 1 => vec![vec![0]],
        Reads::Best => {
            let mut mixes = vec![vec![0]];
            mixes.extend(sources.iter().map(|&source| vec![source]));
            if sources.len() > 1 {
                mixes.extend(sources.iter().map(|&source| vec![0, source]));
                mixes.push(sources);
            }
            mixes.push(all);
            mixes
        }
    }
}

/// Rows that are left out together: runs of faces of one label with all their looks. Nothing when a label has one face.
fn runs(faces: &LabelledFaces, looks: usize, folds: usize) -> Option<Vec<Vec<usize>>> {
    let classes = faces.classes();
    let mut runs = Vec::new();
    for class in 0..faces.labels.len() {
        let of_class: Vec<usize> = (0..faces.len()).filter(|&face| classes[face] == class).collect();
        if of_class.len() < 2 {
            return None;
        }
        let count = folds.clamp(2, of_class.len());
        for run in 0..count {
            let part = &of_class[run * of_class.len() / count..(run + 1) * of_class.len() / count];
            let rows = (0..looks).flat_map(|look| part.iter().map(move |&face| look * faces.len() + face));
            runs.push(rows.collect());
        }
    }
    Some(runs)
}
