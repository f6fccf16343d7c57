//! The promise: adding, retraining or removing a column leaves the answers of every other column bit for bit the same.
//!
//! It is checked on a fixed batch of synthetic faces, before a change counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use network::{FACE_SIZE, NetworkBackend, ProgressiveNetwork, TaskName, faces_to_tensor};
use sha2::{Digest, Sha256};

use crate::model::store_error::list;
use crate::teaching::tasks::{Promise, TaskError};

/// Pictures in the probe batch.
pub(crate) const PROBES: usize = 4;
// Random values on a lattice of so many points a side, interpolated: blobs of about the size of a face's parts.
const LATTICE: usize = 9;
const SEED: u64 = 0x_FACE_A77B;

/// Every answering column's logits on the probe batch, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers(BTreeMap<TaskName, Vec<u32>>);

impl Answers {
    /// Evaluates a network on the probe batch.
    pub(crate) fn of<B: NetworkBackend>(
        network: &ProgressiveNetwork<B>,
        device: &B::Device,
    ) -> Result<Self, TaskError> {
        Self::on(network, &probe_faces(), device)
    }

    fn on<B: NetworkBackend>(
        network: &ProgressiveNetwork<B>,
        faces: &[Vec<u8>],
        device: &B::Device,
    ) -> Result<Self, TaskError> {
        let faces: Vec<&[u8]> = faces.iter().map(Vec::as_slice).collect();
        let mut answers = BTreeMap::new();
        for (name, logits) in network.forward(faces_to_tensor::<B>(&faces, device)) {
            let logits = logits
                .into_data()
                .convert::<f32>()
                .into_vec::<f32>()
                .map_err(|error| TaskError::Probe(format!("{error:?}")))?;
            answers.insert(name, logits.into_iter().map(f32::to_bits).collect());
        }
        Ok(Self(answers))
    }

    /// Whether a column gives finite numbers; one that diverged in training does not.
    pub(crate) fn finite(&self, name: &TaskName) -> bool {
        self.0.get(name).is_none_or(|bits| bits.iter().all(|bits| f32::from_bits(*bits).is_finite()))
    }

    /// Compares all columns but the changed ones.
    ///
    /// # Errors
    /// Names the columns that would answer differently, or no longer, or for the first time.
    pub(crate) fn hold_against(&self, before: &Self, changed: &BTreeSet<TaskName>) -> Result<Promise, TaskError> {
        let names: BTreeSet<&TaskName> =
            before.0.keys().chain(self.0.keys()).filter(|name| !changed.contains(*name)).collect();
        let broken: Vec<_> = names.iter().filter(|name| self.0.get(**name) != before.0.get(**name)).collect();
        if !broken.is_empty() {
            return Err(TaskError::PromiseBroken { columns: list(broken) });
        }
        let mut hash = Sha256::new();
        for name in &names {
            hash.update(name.as_ref().as_bytes());
            hash.update([0]);
            for bits in self.0.get(*name).into_iter().flatten() {
                hash.update(bits.to_le_bytes());
            }
        }
        let digest = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").ok();
            hex
        });
        Ok(Promise { kept: true, digest, columns: names.into_iter().cloned().collect() })
    }
}

/// 128×128 grey pictures, the same on every machine: integers only.
fn probe_faces() -> Vec<Vec<u8>> {
    let mut state = SEED;
    let mut random = || {
        // SplitMix64 (Steele et al. 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) & 0xFF) as usize
    };
    let cell = FACE_SIZE / (LATTICE - 1);
    (0..PROBES)
        .map(|_| {
            let lattice: Vec<usize> = (0..LATTICE * LATTICE).map(|_| random()).collect();
            let mut face = Vec::with_capacity(FACE_SIZE * FACE_SIZE);
            for y in 0..FACE_SIZE {
                for x in 0..FACE_SIZE {
                    let (column, row, dx, dy) = (x / cell, y / cell, x % cell, y % cell);
                    let corner = |right: usize, down: usize| lattice[(row + down) * LATTICE + column + right];
                    let upper = corner(0, 0) * (cell - dx) + corner(1, 0) * dx;
                    let lower = corner(0, 1) * (cell - dx) + corner(1, 1) * dx;
                    face.push(((upper * (cell - dy) + lower * dy) / (cell * cell)) as u8);
                }
            }
            face
        })
        .collect()
}

#[cfg(test)]
#[path = "promise_tests.rs"]
mod tests;
