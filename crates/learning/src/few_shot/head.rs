//! From a ridge regression to the weights of a head.

use super::group::Group;
use super::ridge::Ridge;
use nalgebra::DVector;
use network::LinearHead;

/// Penalties that are tried, as multiples of the mean eigenvalue.
pub(crate) const PENALTIES: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Penalty where no face can be left out.
pub(crate) const PENALTY: f64 = 1.0;
/// Scores of ridge regression lie about between 0 and 1; logits are so many times as large, then the temperature follows.
pub(crate) const SHARPNESS: f64 = 10.0;

/// The fit on all rows as weights.
pub(crate) fn head(groups: &[Group], mix: &[usize], ridge: &Ridge, penalty: f64, classes: usize) -> LinearHead {
    let dual = ridge.solve(penalty) * SHARPNESS;
    let mut parts: Vec<Vec<f32>> = groups
        .iter()
        .enumerate()
        .map(|(at, group)| if mix.contains(&at) { group.weights(&dual) } else { vec![0.0; group.x.ncols() * classes] })
        .collect();
    // What the mean row is given is the mean target.
    let share: DVector<f64> = ridge.row_means();
    let mut bias: DVector<f64> = ridge.target_means() * SHARPNESS;
    for &group in mix {
        bias -= (&groups[group].gram * &dual).tr_mul(&share);
    }
    // The rows had their channels' means taken away; what the network gives has them.
    for (part, group) in parts.iter().zip(groups) {
        for (value, weights) in part.chunks(classes).enumerate() {
            let mean = f64::from(group.mean[value % group.mean.len()]);
            bias.iter_mut().zip(weights).for_each(|(bias, weight)| *bias -= mean * f64::from(*weight));
        }
    }
    let sources = parts.split_off(1);
    LinearHead { own: parts.remove(0), sources, bias: bias.iter().map(|bias| *bias as f32).collect() }
}
