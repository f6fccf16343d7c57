//! The learning rate's schedule and when to stop.

use serde::{Deserialize, Serialize};

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
