//! Who belongs to whom: pairs of rows and columns with the largest sum of scores.

/// Assigns rows to columns, each at most once, so that the sum of the scores of the pairs is the largest possible.
///
/// Pairs with a score below `least` are not made. `scores` is `[rows][columns]`, each 0 or more; the pairs come in the
/// order of the rows. This is the Hungarian method with potentials (Kuhn 1955, Munkres 1957), O(n³).
pub(crate) fn assign(scores: &[Vec<f32>], least: f32) -> Vec<(usize, usize)> {
    let rows = scores.len();
    let columns = scores.first().map_or(0, Vec::len);
    let n = rows.max(columns);
    // Padding to a square and pairs that may not be made count as nothing gained.
    let cost = |row: usize, column: usize| -> f64 {
        let score = scores.get(row).and_then(|row| row.get(column)).copied();
        -score.filter(|&score| score >= least).map_or(0.0, f64::from)
    };
    // One-based, as in the usual statement: row 0 and column 0 stand for "not yet".
    let (mut row_potential, mut column_potential) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let mut row_of = vec![0; n + 1];
    for row in 1..=n {
        let (mut slack, mut used) = (vec![f64::INFINITY; n + 1], vec![false; n + 1]);
        let mut previous = vec![0; n + 1];
        row_of[0] = row;
        let mut column = 0;
        while row_of[column] != 0 {
            used[column] = true;
            let here = row_of[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for candidate in (1..=n).filter(|&candidate| !used[candidate]) {
                let reduced = cost(here - 1, candidate - 1) - row_potential[here] - column_potential[candidate];
                if reduced < slack[candidate] {
                    slack[candidate] = reduced;
                    previous[candidate] = column;
                }
                if slack[candidate] < step {
                    step = slack[candidate];
                    next = candidate;
                }
            }
            for candidate in 0..=n {
                if used[candidate] {
                    row_potential[row_of[candidate]] += step;
                    column_potential[candidate] -= step;
                } else {
                    slack[candidate] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            let before = previous[column];
            row_of[column] = row_of[before];
            column = before;
        }
    }
    let mut pairs: Vec<(usize, usize)> = (1..=n)
        .map(|column| (row_of[column] - 1, column - 1))
        .filter(|&(row, column)| row < rows && column < columns && scores[row][column] >= least)
        .collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest sum by trying everything.
    fn best(scores: &[Vec<f32>], least: f32, row: usize, used: &mut Vec<bool>) -> f32 {
        if row == scores.len() {
            return 0.0;
        }
        let mut top = best(scores, least, row + 1, used);
        for column in 0..used.len() {
            if !used[column] && scores[row][column] >= least {
                used[column] = true;
                top = top.max(scores[row][column] + best(scores, least, row + 1, used));
                used[column] = false;
            }
        }
        top
    }

    proptest! {
        #[test]
        fn no_other_assignment_has_a_larger_sum(
            rows in 0usize..5,
            columns in 0usize..5,
            values in proptest::collection::vec(0.0f32..1.0, 25),
            least in 0.01f32..0.6,
        ) {
            let scores: Vec<Vec<f32>> =
                (0..rows).map(|row| values[row * 5..][..columns].to_vec()).collect();
            let pairs = assign(&scores, least);
            let sum: f32 = pairs.iter().map(|&(row, column)| scores[row][column]).sum();
            let top = best(&scores, least, 0, &mut vec![false; columns]);
            prop_assert!((sum - top).abs() < 1e-4, "{} instead of {}", sum, top);
            let mut taken = vec![false; columns];
            for (row, column) in pairs {
                prop_assert!(scores[row][column] >= least);
                prop_assert!(!std::mem::replace(&mut taken[column], true));
            }
        }
    }

    #[test]
    fn the_best_single_pair_gives_way_to_two_good_ones() {
        let scores = vec![vec![0.9, 0.8], vec![0.7, 0.0]];
        assert_eq!(assign(&scores, 0.2), [(0, 1), (1, 0)]);
    }
}
