//! How faces of strangers scatter, and what tells a person from them.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use network::Person;

/// So many times their mean variance is added to the variance of each of the descriptor's values. Chosen from 0.1, 0.3, 1 and 3 on people of LFW's training
/// and validation parts: less trusts directions in which strangers hardly differ, more is the plain cosine again.
const SHRINKAGE: f64 = 1.0;

/// Mean and covariance of strangers' descriptors.
///
/// A network that learned a teacher's descriptors is surest of a few directions, age and gender above all, in which many strangers are
/// alike. Divided by the strangers' covariance, a difference counts the more, the less strangers differ in its direction:
/// `w = Σ⁻¹(x̄ − μ)` (Hariharan, Malik and Ramanan 2012, "Discriminative decorrelation").
pub(crate) struct Background {
    mean: DVector<f64>,
    /// Of the covariance with [`SHRINKAGE`].
    covariance: Cholesky<f64, Dyn>,
}

impl Background {
    /// Of the descriptors of strangers, `[strangers][values]`; `None` of fewer than two or of those who are all the same.
    pub fn of(strangers: &[Vec<f32>]) -> Option<Self> {
        let (rows, values) = (strangers.len(), strangers.first()?.len());
        let mut centred = DMatrix::from_fn(rows, values, |row, value| f64::from(strangers[row][value]));
        let mean = centred.row_mean().transpose();
        centred.row_iter_mut().for_each(|mut row| row -= mean.transpose());
        let mut covariance = centred.tr_mul(&centred) / (rows.max(2) - 1) as f64;
        let shrinkage = SHRINKAGE * covariance.trace() / values.max(1) as f64;
        (0..values).for_each(|value| covariance[(value, value)] += shrinkage);
        Some(Self { mean, covariance: covariance.cholesky()? })
    }

    /// What tells somebody with these descriptors, one or more, from strangers: the logit is `sharpness` times how many standard
    /// deviations of strangers a face lies from their mean, in this person's direction.
    pub fn person<'a>(&self, descriptors: impl Iterator<Item = &'a [f32]>, sharpness: f64) -> Person {
        let (mut sum, mut count) = (DVector::zeros(self.mean.len()), 0.0);
        for descriptor in descriptors {
            sum.iter_mut().zip(descriptor).for_each(|(sum, value)| *sum += f64::from(*value));
            count += 1.0;
        }
        let difference = sum / f64::max(count, 1.0) - &self.mean;
        let direction = self.covariance.solve(&difference);
        let length = difference.dot(&direction).max(1e-12).sqrt();
        let weights = direction * (sharpness / length);
        let bias = -weights.dot(&self.mean);
        Person { weights: weights.iter().map(|&weight| weight as f32).collect(), bias: bias as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_that_strangers_share_counts_less_than_a_rare_one() {
        // Strangers differ ten times as much in the first value as in the second.
        let strangers: Vec<Vec<f32>> = (0..100)
            .map(|at| {
                let (first, second) = (at % 10, at / 10);
                vec![first as f32 - 4.5 + 7.0, (second as f32 - 4.5) / 10.0 - 2.0, 0.0]
            })
            .collect();
        let background = Background::of(&strangers).unwrap();
        let person = background.person(std::iter::once([8.0, -1.0, 0.0].as_slice()), 4.0);
        let logit = |face: [f32; 3]| person.logit(&face);
        assert!(logit([7.0, -2.0, 0.0]).abs() < 1e-4, "the mean stranger");
        assert!(logit([7.0, -1.0, 0.0]) > logit([8.0, -2.0, 0.0]));
        // Σ = diag(v + s, v/100 + s, s), s a third of the trace: by hand.
        let variance = 8.25 * 100.0 / 99.0;
        let shrinkage = variance * 1.01 / 3.0;
        let (first, second) = (1.0 / (variance + shrinkage), 1.0 / (variance / 100.0 + shrinkage));
        assert!((logit([8.0, -1.0, 0.0]) - 4.0 * f32::sqrt(first + second)).abs() < 1e-3);
    }

    #[test]
    fn strangers_who_are_all_the_same_say_nothing() {
        assert!(Background::of(&[]).is_none());
        assert!(Background::of(&vec![vec![0.5; 4]; 3]).is_none());
    }
}
