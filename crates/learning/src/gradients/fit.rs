//! Steps of a column's training, the learning rate's schedule, and when to stop.

use crate::checkpoint::{CheckpointError, Slot};
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use network::{Column, NetworkBackend, TrainBackend};
use serde::{Deserialize, Serialize};

type Train<B> = TrainBackend<B>;

/// A column that learns, and its optimiser.
pub struct ColumnFit<B: NetworkBackend> {
    /// As far as it has learned.
    pub column: Column<Train<B>>,
    optimiser: OptimizerAdaptor<AdamW, Column<Train<B>>, Train<B>>,
}

impl<B: NetworkBackend> ColumnFit<B> {
    /// Begins from `column`; each step takes away `weight_decay` · rate of the weights.
    pub fn new(column: Column<B>, weight_decay: f32) -> Self {
        let optimiser = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(weight_decay).init();
        Self { column: tracked::<B, _>(Column::from_inner(column)), optimiser }
    }

    /// One step of Adam on the gradients of `loss`, which came from [`Self::column`].
    pub fn step(mut self, loss: Tensor<Train<B>, 1>, learning_rate: f64) -> Self {
        let mut gradients = loss.backward();
        let gradients = GradientsParams::from_module::<Train<B>, _>(&mut gradients, &self.column);
        self.column = self.optimiser.step(learning_rate, self.column, gradients);
        self
    }

    pub(crate) fn resumed(self, slot: &Slot, device: &B::Device) -> Result<Self, CheckpointError> {
        Ok(Self {
            column: self.column.load_record(slot.get::<Train<B>, _>("column", device)?),
            optimiser: self.optimiser.load_record(slot.get::<Train<B>, _>("optimiser", device)?),
        })
    }

    pub(crate) fn save(&self, slot: &Slot) -> Result<(), CheckpointError> {
        slot.put::<Train<B>, _>("column", self.column.clone().into_record())?;
        slot.put::<Train<B>, _>("optimiser", self.optimiser.to_record())
    }
}

/// A module that comes from the answering backend is not tracked; training needs it to be.
pub(crate) fn tracked<B: NetworkBackend, M: Module<Train<B>>>(module: M) -> M {
    struct Track;
    impl<B: NetworkBackend> ModuleMapper<Train<B>> for Track {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<Train<B>, D>>) -> Param<Tensor<Train<B>, D>> {
            let (id, value, mapper) = param.consume();
            Param::from_mapped_value(id, value.require_grad(), mapper)
        }
    }
    module.map(&mut Track)
}

/// Share of all steps in which a cosine's rate rises.
const WARM_UP: f32 = 0.05;

/// The rate at a point of a training, [0, 1], along [`Annealing::Cosine`].
pub(crate) fn cosine(highest: f64, at: f32) -> f64 {
    let rising = f64::from((at / WARM_UP).min(1.0));
    highest * rising * (0.5 + 0.5 * f64::from(at.min(1.0) * std::f32::consts::PI).cos())
}

/// Lowers the rate when the training loss stagnates and remembers the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub learning_rate: f64,
    lowest_loss: f32,
    stagnant: u32,
    pub best_validation: f32,
    pub since_best: u32,
}

/// Losses closer than this share count as equal.
const PROGRESS: f32 = 1e-3;

impl Schedule {
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, lowest_loss: f32::MAX, stagnant: 0, best_validation: f32::MAX, since_best: 0 }
    }

    /// After an epoch; true when its validation loss is the best so far.
    pub fn epoch(&mut self, loss: f32, validation: f32, decay: f64, stagnation: u32) -> bool {
        if loss < self.lowest_loss * (1.0 - PROGRESS) {
            self.lowest_loss = loss;
            self.stagnant = 0;
        } else {
            self.stagnant += 1;
            if self.stagnant >= stagnation {
                self.learning_rate *= decay;
                self.stagnant = 0;
            }
        }
        let best = validation < self.best_validation;
        if best {
            self.best_validation = validation;
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_rises_falls_and_ends_at_nothing() {
        assert_eq!(cosine(1.0, 0.0), 0.0);
        assert!(cosine(1.0, 0.05) > 0.99 && (cosine(1.0, 0.5) - 0.5).abs() < 1e-6);
        assert!(cosine(1.0, 1.0) < 1e-6);
    }

    #[test]
    fn the_rate_is_halved_after_two_epochs_without_progress() {
        let mut schedule = Schedule::new(1e-4);
        for loss in [1.0, 0.9, 0.9] {
            schedule.epoch(loss, loss, 0.5, 2);
        }
        assert_eq!(schedule.learning_rate, 1e-4);
        schedule.epoch(0.9, 0.9, 0.5, 2);
        assert_eq!(schedule.learning_rate, 5e-5);
        assert_eq!(schedule.since_best, 2);
    }
}
