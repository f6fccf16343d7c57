//! What heads read of faces: the encoder's pooled features and the sources' last blocks.

use super::config::FewShotConfig;
use super::group::Group;
use super::outliers::{self, EnergyShift};
use crate::data::FaceCrop;
use crate::features::{Frozen, Inputs};
use crate::looks::LOOKS;
use crate::training::{Progress, TrainError};
use burn::tensor::{Tensor, TensorData};
use network::{Column, ColumnConfig, Dense, LinearHead, NetworkBackend, ProgressiveNetwork, TaskName};
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

impl Readings {
    /// Reads each of `faces` at so many of [`LOOKS`] as `config` says: first as it is, then others, changed at random, which go round
    /// from face to face so that few looks at many faces see all of them. `like` gives the sizes. `observer` is called after every
    /// batch.
    ///
    /// # Errors
    /// A source does not exist, or the observer asked to stop.
    pub fn of<B: NetworkBackend>(
        network: &ProgressiveNetwork<B>,
        sources: &[TaskName],
        faces: &[FaceCrop],
        like: &ColumnConfig,
        config: &FewShotConfig,
        device: &B::Device,
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Self, TrainError> {
        let frozen = Frozen::new(network, sources, false)?;
        let pool = ColumnConfig { own_blocks: false, sources: sources.len(), ..like.clone() }.init::<B>(device, 0);
        let mut pictures: Vec<FaceCrop> = faces.to_vec();
        for look in 1..config.looks.clamp(1, LOOKS.len()) {
            let others = &LOOKS[1..];
            let seen = faces.par_iter().enumerate().map(|(at, face)| {
                let shown = others[(at + look - 1) % others.len()].at(face);
                config.augment.apply(&shown, ((look as u64) << 40) ^ at as u64)
            });
            pictures.extend(seen.collect::<Vec<_>>());
        }
        let values = read(&frozen, &pool, &pictures, 1 + sources.len(), device, observer)?;
        let channels = (0..=sources.len()).map(|part| if part == 0 { like.features } else { like.channels[1] });
        Ok(Self { values, channels: channels.collect(), faces: faces.len(), outliers: Vec::new() })
    }

    /// With what the encoder says of at most so many of the faces made illegible, which [`crate::fit`] learns the unknown from.
    ///
    /// # Errors
    /// The observer asked to stop.
    pub fn with_outliers<B: NetworkBackend>(
        self,
        network: &ProgressiveNetwork<B>,
        faces: &[FaceCrop],
        most: usize,
        like: &ColumnConfig,
        device: &B::Device,
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Self, TrainError> {
        let frozen = Frozen::new(network, &[], false)?;
        let pool = ColumnConfig { own_blocks: false, sources: 0, ..like.clone() }.init::<B>(device, 0);
        let (made_of, pictures): (Vec<usize>, Vec<FaceCrop>) = outliers::of(faces, most).into_iter().unzip();
        let mut values = read(&frozen, &pool, &pictures, 1, device, observer)?;
        Ok(Self { outliers: made_of.into_iter().zip(values.remove(0)).collect(), ..self })
    }

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

/// What each part of the network says of pictures.
fn read<B: NetworkBackend>(
    frozen: &Frozen<B>,
    pool: &Column<B>,
    pictures: &[FaceCrop],
    parts: usize,
    device: &B::Device,
    observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Vec<Vec<Vec<f32>>>, TrainError> {
    let started = Instant::now();
    let mut values: Vec<Vec<Vec<f32>>> = vec![Vec::with_capacity(pictures.len()); parts];
    let steps = pictures.len().div_ceil(BATCH) as u32;
    for (step, batch) in pictures.chunks(BATCH).enumerate() {
        let batch: Vec<&[u8]> = batch.iter().map(AsRef::as_ref).collect();
        let Inputs { features, sources } = frozen.inputs(&batch, device).at_head(pool);
        let each = std::iter::once(features).chain(sources.into_iter().flatten());
        for (values, read) in values.iter_mut().zip(each) {
            values.extend(network::rows(read.flatten(1, 3)));
        }
        let each = started.elapsed().as_secs_f32() / (step + 1) as f32;
        let eta_s = each * (steps as usize - step - 1) as f32;
        let progress = Progress { step: step as u32 + 1, eta_s, ..Progress::begin(1, steps) };
        if observer(&progress).is_break() {
            return Err(TrainError::Cancelled);
        }
    }
    Ok(values)
}
