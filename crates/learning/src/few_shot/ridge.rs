//! Ridge classification in the dual: as many unknowns as faces, and what each face would be taken for without itself comes
//! for nothing (the closed form of leave-one-out; Rifkin & Lippert 2007).

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Weighted ridge regression of class shares, for all penalties at once.
pub(crate) struct Ridge {
    /// Of the weighted, centred Gram matrix.
    eigen: SymmetricEigen<f64, nalgebra::Dyn>,
    /// `√weight`, with mean square 1.
    root: DVector<f64>,
    /// Weighted mean of the targets, `[classes]`.
    mean: DVector<f64>,
    /// Weighted, centred targets, `[rows, classes]`.
    targets: DMatrix<f64>,
    /// The same in the basis of the eigenvectors.
    rotated: DMatrix<f64>,
}

impl Ridge {
    /// `gram [rows, rows]`: products of all rows with all rows; `targets [rows, classes]`; weights ≥ 0.
    pub fn new(gram: &DMatrix<f64>, targets: &DMatrix<f64>, weights: &[f64]) -> Self {
        let rows = gram.nrows();
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let share = DVector::from_iterator(rows, weights.iter().map(|weight| weight / total));
        let root = share.map(|share| (share * rows as f64).sqrt());
        // Products of rows from which the weighted mean row was taken.
        let to_mean = gram * &share;
        let mean_square = share.dot(&to_mean);
        let centred = DMatrix::from_fn(rows, rows, |i, j| {
            (gram[(i, j)] - to_mean[i] - to_mean[j] + mean_square) * root[i] * root[j]
        });
        let mean = targets.tr_mul(&share);
        let targets = DMatrix::from_fn(rows, targets.ncols(), |i, class| (targets[(i, class)] - mean[class]) * root[i]);
        let eigen = SymmetricEigen::new(centred);
        let rotated = eigen.eigenvectors.tr_mul(&targets);
        Self { eigen, root, mean, targets, rotated }
    }

    /// Mean of the eigenvalues: what a penalty is measured by.
    pub fn scale(&self) -> f64 {
        self.eigen.eigenvalues.mean().max(f64::MIN_POSITIVE)
    }

    /// Scores `[rows, classes]` that each row would be given by a fit without the rows of its group; `groups` are disjoint
    /// lists of rows.
    pub fn held_out(&self, penalty: f64, groups: &[Vec<usize>]) -> DMatrix<f64> {
        let rows = self.root.len();
        let classes = self.targets.ncols();
        let shrink = self.eigen.eigenvalues.map(|value| value.max(0.0) / (value.max(0.0) + penalty));
        let fitted =
            &self.eigen.eigenvectors * DMatrix::from_fn(rows, classes, |i, class| shrink[i] * self.rotated[(i, class)]);
        let residual = &self.targets - fitted;
        let mut scores = DMatrix::zeros(rows, classes);
        for group in groups.iter().filter(|group| !group.is_empty()) {
            // (1 − H) of the group, with the leverage of the mean.
            let within = DMatrix::from_fn(group.len(), group.len(), |a, b| {
                let (i, j) = (group[a], group[b]);
                let (a_row, b_row) = (self.eigen.eigenvectors.row(i), self.eigen.eigenvectors.row(j));
                let products = a_row.iter().zip(b_row.iter()).map(|(a, b)| a * b);
                let leverage: f64 = products.zip(shrink.iter()).map(|(product, shrink)| product * shrink).sum();
                let mean = self.root[i] * self.root[j] / rows as f64;
                f64::from(u8::from(a == b)) - leverage - mean
            });
            let own = DMatrix::from_fn(group.len(), classes, |a, class| residual[(group[a], class)]);
            // A group without which nothing is left to fit on has no answer: its rows get the mean.
            let left_out = within.lu().solve(&own).unwrap_or_else(|| own.clone());
            for (a, &i) in group.iter().enumerate() {
                for class in 0..classes {
                    let target = self.targets[(i, class)] - left_out[(a, class)];
                    scores[(i, class)] = self.mean[class] + target / self.root[i].max(f64::MIN_POSITIVE);
                }
            }
        }
        scores
    }

    /// The fit on all rows: the share of each row in the weights to each class, `[rows, classes]`. It sums to 0 for each
    /// class, so it does not matter whether rows are centred before they are added up.
    pub fn solve(&self, penalty: f64) -> DMatrix<f64> {
        let (rows, classes) = self.rotated.shape();
        let scaled = DMatrix::from_fn(rows, classes, |i, class| {
            self.rotated[(i, class)] / (self.eigen.eigenvalues[i].max(0.0) + penalty)
        });
        let mut dual = &self.eigen.eigenvectors * scaled;
        for (i, mut row) in dual.row_iter_mut().enumerate() {
            row *= self.root[i];
        }
        dual
    }

    /// Share of each row in the weighted mean row.
    pub fn row_means(&self) -> DVector<f64> {
        self.root.map(|root| root * root / self.root.len() as f64)
    }

    /// Weighted mean of the targets.
    pub fn target_means(&self) -> &DVector<f64> {
        &self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scores of `x` by a fit on the other rows, the long way.
    fn by_hand(x: &DMatrix<f64>, y: &DMatrix<f64>, weights: &[f64], penalty: f64, left_out: &[usize]) -> DMatrix<f64> {
        let kept: Vec<usize> = (0..x.nrows()).filter(|i| !left_out.contains(i)).collect();
        let (xk, yk) = (x.select_rows(&kept), y.select_rows(&kept));
        let w = DVector::from_iterator(kept.len(), kept.iter().map(|&i| weights[i]));
        let total = w.sum();
        let (xm, ym) = (xk.tr_mul(&w) / total, yk.tr_mul(&w) / total);
        let xc = DMatrix::from_fn(kept.len(), x.ncols(), |i, j| xk[(i, j)] - xm[j]);
        let yc = DMatrix::from_fn(kept.len(), y.ncols(), |i, j| yk[(i, j)] - ym[j]);
        let wx = DMatrix::from_fn(kept.len(), x.ncols(), |i, j| xc[(i, j)] * w[i]);
        let normal = xc.tr_mul(&wx) + DMatrix::identity(x.ncols(), x.ncols()) * penalty;
        let beta = normal.lu().solve(&wx.tr_mul(&yc)).unwrap();
        DMatrix::from_fn(left_out.len(), y.ncols(), |a, class| {
            let row = DVector::from_fn(x.ncols(), |j, _| x[(left_out[a], j)] - xm[j]);
            ym[class] + row.dot(&beta.column(class))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_said_without_a_group_is_what_a_fit_without_it_says(
            values in prop::collection::vec(-1.0f64..1.0, 12 * 5),
            weights in prop::collection::vec(0.2f64..3.0, 12),
            penalty in 0.05f64..5.0,
        ) {
            let x = DMatrix::from_row_slice(12, 5, &values);
            let y = DMatrix::from_fn(12, 3, |i, class| f64::from(u8::from(i % 3 == class)));
            let ridge = Ridge::new(&(&x * x.transpose()), &y, &weights);
            // Weights have mean 1 inside; the penalty belongs to them.
            let mean = weights.iter().sum::<f64>() / 12.0;
            let groups: Vec<Vec<usize>> = (0..6).map(|i| vec![i, i + 6]).collect();
            let found = ridge.held_out(penalty, &groups);
            for group in &groups {
                let expected = by_hand(&x, &y, &weights, penalty * mean, group);
                for (a, &i) in group.iter().enumerate() {
                    for class in 0..3 {
                        prop_assert!((found[(i, class)] - expected[(a, class)]).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn weights_from_the_dual_are_those_of_the_primal() {
        let x = DMatrix::from_fn(9, 4, |i, j| ((i * 7 + j * 3) as f64 * 0.7).sin());
        let y = DMatrix::from_fn(9, 2, |i, class| f64::from(u8::from(i % 2 == class)));
        let ridge = Ridge::new(&(&x * x.transpose()), &y, &[1.0; 9]);
        let mean = x.tr_mul(&ridge.row_means());
        let centred = DMatrix::from_fn(9, 4, |i, j| x[(i, j)] - mean[j]);
        let weights = x.tr_mul(&ridge.solve(0.3));
        let expected =
            (centred.tr_mul(&centred) + DMatrix::identity(4, 4) * 0.3).lu().solve(&centred.tr_mul(&y)).unwrap();
        assert!((weights - expected).amax() < 1e-9);
    }
}
