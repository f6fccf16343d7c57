//! The weights that learn.

use super::trunk::Trunk;
use crate::checkpoint::{CheckpointError, Slot};
use burn::module::{AutodiffModule, Module};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use network::{NetworkBackend, TrainBackend};

type Train<B> = TrainBackend<B>;

/// The trunk that learns, its optimiser, and the weights' running mean.
pub(super) struct Fit<B: NetworkBackend> {
    pub trunk: Trunk<Train<B>>,
    pub optimiser: OptimizerAdaptor<AdamW, Trunk<Train<B>>, Train<B>>,
    pub mean: Option<Trunk<B>>,
}

impl<B: NetworkBackend> Fit<B> {
    pub fn resume(&mut self, slot: &Slot, device: &B::Device) -> Result<(), CheckpointError> {
        self.trunk = self.trunk.clone().load_record(slot.get::<Train<B>, _>("trunk", device)?);
        self.optimiser = self.optimiser.clone().load_record(slot.get::<Train<B>, _>("optimiser", device)?);
        if let Some(mean) = self.mean.take() {
            self.mean = Some(mean.load_record(slot.get::<B, _>("mean", device)?));
        }
        Ok(())
    }

    pub fn save(&self, slot: &Slot) -> Result<(), CheckpointError> {
        slot.put::<Train<B>, _>("trunk", self.trunk.clone().into_record())?;
        slot.put::<Train<B>, _>("optimiser", self.optimiser.to_record())?;
        self.mean.iter().try_for_each(|mean| slot.put::<B, _>("mean", mean.clone().into_record()))
    }

    pub fn step(&mut self, loss: Tensor<Train<B>, 1>, rate: f64) {
        let mut gradients = loss.backward();
        let gradients = GradientsParams::from_module::<Train<B>, _>(&mut gradients, &self.trunk);
        self.trunk = self.optimiser.step(rate, self.trunk.clone(), gradients);
    }

    /// The weights that would ship.
    pub fn best(&self) -> Trunk<B> {
        self.mean.clone().unwrap_or_else(|| self.trunk.valid())
    }
}
