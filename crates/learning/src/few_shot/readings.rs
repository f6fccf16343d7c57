//! What heads read of faces: the encoder's pooled features and the sources' last blocks.

use super::config::FewShotConfig;
use super::face_reading::{FaceReading, ILLEGIBLE, PIXELS, ROWS, shown};
use super::group::Group;
use super::outliers::{self, EnergyShift};
use crate::data::FaceCrop;
use crate::features::{Frozen, Inputs};
use crate::looks::LOOKS;
use crate::training::{Progress, TrainError};
use burn::tensor::{Tensor, TensorData};
use network::{ColumnConfig, Dense, LinearHead, NetworkBackend, ProgressiveNetwork, TaskName, pooled_features};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::time::Instant;

/// Faces per batch: a step of the progress.
const BATCH: usize = 8;
/// Rows whose descriptors are computed together.
const DESCRIBED_TOGETHER: usize = 256;

/// What the encoder (first) and each source say of faces at some looks.
#[derive(Debug, Clone)]
pub struct Readings {
    /// For each part `[rows][4 · 4 · C]`; look `l` at face `i` is row `l · faces + i`.
    values: Vec<Vec<Vec<f32>>>,
    /// Channels of each part.
    channels: Vec<usize>,
    faces: usize,
    /// What the first part says of illegible faces, each with the number of the face that it was made of.
    outliers: Vec<(usize, Vec<f32>)>,
}

/// What reads faces: the frozen encoder, and the last blocks of columns to draw from.
#[derive(Clone, Copy)]
pub struct Reader<'a, B: NetworkBackend> {
    /// The encoder, and the columns.
    pub network: &'a ProgressiveNetwork<B>,
    /// Columns that are read, too.
    pub sources: &'a [TaskName],
    /// Where it is computed.
    pub device: &'a B::Device,
}

/// Gives what was read of the face of a number before, if it was.
pub type Known<'a> = &'a dyn Fn(usize) -> Option<FaceReading>;
/// No face was read before.
pub const NOTHING_KNOWN: Known<'static> = &|_| None;

impl<B: NetworkBackend> Reader<'_, B> {
    /// Reads each of `faces` at so many of [`LOOKS`] as `config` says: first as it is, then others, changed at random, which go round
    /// from face to face so that few looks at many faces see all of them; and at most `outliers` of the faces made illegible, spread
    /// over all. `like` has the sizes of what will be taught. `observer` is called after every batch.
    ///
    /// # Errors
    /// A source does not exist, or the observer asked to stop.
    pub fn read(
        &self,
        faces: &[FaceCrop],
        like: &ColumnConfig,
        config: &FewShotConfig,
        outliers: usize,
        known: Known<'_>,
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Readings, TrainError> {
        let looks = config.looks.min(LOOKS.len());
        let others = LOOKS.len() - 1;
        let row_of = |look: usize, face: usize| if look == 0 { 0 } else { 1 + (face + look - 1) % others };
        let mut wanted: Vec<(usize, usize)> =
            (0..looks).flat_map(|look| (0..faces.len()).map(move |face| (face, row_of(look, face)))).collect();
        let made_of = outliers::made_of(faces.len(), outliers);
        wanted.extend(made_of.iter().map(|&face| (face, ILLEGIBLE)));

        let parts = 1 + self.sources.len();
        let channels: Vec<usize> =
            (0..parts).map(|part| if part == 0 { like.features } else { like.channels[1] }).collect();
        let fits = |row: &Vec<Vec<f32>>| {
            row.len() == parts && row.iter().zip(&channels).all(|(part, channels)| part.len() == PIXELS * channels)
        };
        let mut found: Vec<Option<Vec<Vec<f32>>>> = vec![None; wanted.len()];
        for face in 0..faces.len() {
            let Some(reading) = known(face) else { continue };
            for (found, (_, row)) in found.iter_mut().zip(&wanted).filter(|(_, (of, _))| *of == face) {
                *found = Some(reading.row(*row)).filter(fits);
            }
        }
        let missing: Vec<usize> = (0..wanted.len()).filter(|&at| found[at].is_none()).collect();
        let shown = |&at: &usize| shown(&faces[wanted[at].0], wanted[at].1, config);
        self.read_pictures(&missing, shown, &mut |at, row| found[at] = Some(row), observer)?;

        let mut values: Vec<Vec<Vec<f32>>> = vec![Vec::with_capacity(wanted.len()); parts];
        for row in found.into_iter().flatten() {
            values.iter_mut().zip(row).for_each(|(part, row)| part.push(row));
        }
        let of_outliers = values[0].split_off(looks * faces.len());
        values.iter_mut().for_each(|part| part.truncate(looks * faces.len()));
        Ok(Readings { values, channels, faces: faces.len(), outliers: made_of.into_iter().zip(of_outliers).collect() })
    }

    /// Reads one face at all looks, so that [`Self::read`] need not.
    ///
    /// # Errors
    /// A source does not exist.
    pub fn read_whole(&self, face: &FaceCrop, config: &FewShotConfig) -> Result<FaceReading, TrainError> {
        let rows: Vec<usize> = (0..ROWS).collect();
        let mut parts: Vec<Vec<Vec<f32>>> = vec![Vec::with_capacity(ROWS); 1 + self.sources.len()];
        let mut keep = |_, row: Vec<Vec<f32>>| parts.iter_mut().zip(row).for_each(|(part, row)| part.push(row));
        self.read_pictures(&rows, |&row| shown(face, row, config), &mut keep, &mut |_| ControlFlow::Continue(()))?;
        FaceReading::new(parts).ok_or_else(|| TrainError::Data("the network says nothing of a face".into()))
    }

    /// What each part of the network says of the pictures of these numbers, given to `keep` in their order.
    fn read_pictures(
        &self,
        numbers: &[usize],
        picture: impl Fn(&usize) -> FaceCrop + Sync,
        keep: &mut dyn FnMut(usize, Vec<Vec<f32>>),
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let frozen = Frozen::new(self.network, self.sources, false)?;
        let started = Instant::now();
        let steps = numbers.len().div_ceil(BATCH);
        for (step, batch) in numbers.chunks(BATCH).enumerate() {
            let pictures: Vec<FaceCrop> = batch.par_iter().map(&picture).collect();
            let pictures: Vec<&[u8]> = pictures.iter().map(AsRef::as_ref).collect();
            let Inputs { features, sources } = frozen.inputs(&pictures, self.device);
            let parts = std::iter::once(pooled_features(features)).chain(sources.into_iter().flatten());
            let mut parts: Vec<_> = parts.map(|read| network::rows(read.flatten(1, 3)).into_iter()).collect();
            for number in batch {
                keep(*number, parts.iter_mut().filter_map(Iterator::next).collect());
            }
            let each = started.elapsed().as_secs_f32() / (step + 1) as f32;
            let eta_s = each * (steps - step - 1) as f32;
            let progress = Progress { step: step as u32 + 1, eta_s, ..Progress::begin(1, steps as u32) };
            if observer(&progress).is_break() {
                return Err(TrainError::Cancelled);
            }
        }
        Ok(())
    }
}

impl Readings {
    /// What tells the faces from illegible ones, by what the encoder says; nothing where no illegible ones were read.
    pub(crate) fn energy_shift(&self, left_out: &[Vec<usize>]) -> Option<EnergyShift> {
        (!self.outliers.is_empty())
            .then(|| EnergyShift::fit(self.channels[0], self.faces, &self.values[0], &self.outliers, left_out))
    }

    /// Values that were found otherwise, one row a face.
    #[cfg(test)]
    pub(crate) fn from_rows(rows: Vec<Vec<f32>>) -> Self {
        // Every value is a channel of its own.
        let (channels, faces) = (vec![rows.first().map_or(1, Vec::len)], rows.len());
        Self { values: vec![rows], channels, faces, outliers: Vec::new() }
    }

    /// With the illegible faces of other readings of the same faces.
    pub fn with_outliers_of(self, other: Self) -> Self {
        Self { outliers: other.outliers, ..self }
    }

    /// The face descriptors, of length 1, of what the encoder's features say: one part.
    pub fn described<B: NetworkBackend>(&self, head: &Dense<B>, device: &B::Device) -> Self {
        let each = self.values[0].chunks(DESCRIBED_TOGETHER).flat_map(|rows| {
            let [count, values] = [rows.len(), rows.first().map_or(0, Vec::len)];
            let features = Tensor::<B, 2>::from_data(TensorData::new(rows.concat(), [count, values]), device);
            network::rows(network::unit_length(head.forward(features)))
        });
        let values: Vec<Vec<f32>> = each.collect();
        let channels = vec![values.first().map_or(1, Vec::len)];
        Self { values: vec![values], channels, faces: self.faces, outliers: Vec::new() }
    }

    /// The readings of some of the faces, in this order.
    pub fn select(&self, faces: &[usize]) -> Self {
        let looks = self.rows() / self.faces.max(1);
        let rows: Vec<usize> =
            (0..looks).flat_map(|look| faces.iter().map(move |face| look * self.faces + face)).collect();
        let values = self.values.iter().map(|part| rows.iter().map(|&row| part[row].clone()).collect()).collect();
        let made_of = |face: usize| self.outliers.iter().filter(move |(of, _)| *of == face);
        let outliers =
            faces.iter().enumerate().flat_map(|(at, &face)| made_of(face).map(move |(_, row)| (at, row.clone())));
        Self { values, channels: self.channels.clone(), faces: faces.len(), outliers: outliers.collect() }
    }

    /// The readings of some of the parts.
    pub fn parts(&self, parts: &[usize]) -> Self {
        let values = parts.iter().map(|&part| self.values[part].clone()).collect();
        let channels = parts.iter().map(|&part| self.channels[part]).collect();
        let outliers = if parts.first() == Some(&0) { self.outliers.clone() } else { Vec::new() };
        Self { values, channels, faces: self.faces, outliers }
    }

    /// The first looks at each face, at most so many; the first is at the face as it is.
    pub fn first_looks(&self, looks: usize) -> Self {
        let rows = (looks * self.faces).min(self.rows());
        let values = self.values.iter().map(|part| part[..rows].to_vec()).collect();
        Self { values, channels: self.channels.clone(), faces: self.faces, outliers: self.outliers.clone() }
    }

    /// What one part says of each face as it is, `[faces][values]`.
    pub fn values(&self, part: usize) -> &[Vec<f32>] {
        &self.values[part][..self.faces]
    }

    /// What one part says at all looks, `[rows][values]`.
    pub fn all(&self, part: usize) -> &[Vec<f32>] {
        &self.values[part]
    }

    /// Faces times looks.
    pub fn rows(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    /// Faces.
    pub fn len(&self) -> usize {
        self.faces
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.faces == 0
    }

    /// What a head says of each look, `[rows][classes]`.
    pub fn answers(&self, head: &LinearHead) -> Vec<Vec<f32>> {
        let weights: Vec<&Vec<f32>> = std::iter::once(&head.own).chain(&head.sources).collect();
        let classes = head.bias.len();
        (0..self.rows())
            .into_par_iter()
            .map(|row| {
                let mut logits = head.bias.clone();
                for (part, weights) in self.values.iter().zip(&weights) {
                    for (value, weights) in part[row].iter().zip(weights.chunks(classes)) {
                        logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
                    }
                }
                logits
            })
            .collect()
    }

    pub(crate) fn groups(&self) -> Vec<Group> {
        self.values.iter().zip(&self.channels).map(|(rows, &channels)| Group::new(channels, rows)).collect()
    }
}
