//! Max-pooling that halves the sides: 3×3 at stride 2 with a padding of 1, and 2×2.

use rayon::prelude::*;

/// The pixels of `side` that output `at` covers.
fn window(at: usize, side: usize) -> std::ops::Range<usize> {
    (2 * at).saturating_sub(1)..(2 * at + 2).min(side)
}

/// `x [n, side, side, c]` → `y [n, ⌈side/2⌉, ⌈side/2⌉, c]`.
///
/// # Panics
/// When a slice has another length.
pub fn max_pool(n: usize, side: usize, c: usize, x: &[f32], y: &mut [f32]) {
    let out = side.div_ceil(2);
    assert!(x.len() == n * side * side * c && y.len() == n * out * out * c, "sizes of a pooling");
    y.par_chunks_exact_mut((out * c).max(1)).enumerate().for_each(|(row, y)| {
        let (picture, row) = (&x[row / out * side * side * c..][..side * side * c], row % out);
        for (column, y) in y.chunks_exact_mut(c).enumerate() {
            y.fill(f32::NEG_INFINITY);
            for line in window(row, side) {
                for pixel in window(column, side) {
                    for (y, x) in y.iter_mut().zip(&picture[(line * side + pixel) * c..][..c]) {
                        *y = y.max(*x);
                    }
                }
            }
        }
    });
}

/// The largest of each 2×2 pixels: `x [n, h, w, c]` → `y [n, h/2, w/2, c]`.
///
/// # Panics
/// When a slice has another length, or a side is odd.
pub fn max_pool_2(n: usize, [h, w]: [usize; 2], c: usize, x: &[f32], y: &mut [f32]) {
    assert!(h.is_multiple_of(2) && w.is_multiple_of(2), "sides of a pooling");
    assert!(x.len() == n * h * w * c && y.len() * 4 == x.len(), "sizes of a pooling");
    let line = w * c;
    y.par_chunks_exact_mut((line / 2).max(1)).zip(x.par_chunks_exact((2 * line).max(1))).for_each(|(y, pair)| {
        let (upper, lower) = pair.split_at(line);
        for (x, y) in y.chunks_exact_mut(c).enumerate() {
            let (upper, lower) = (&upper[2 * x * c..][..2 * c], &lower[2 * x * c..][..2 * c]);
            for (i, y) in y.iter_mut().enumerate() {
                *y = upper[i].max(upper[c + i]).max(lower[i].max(lower[c + i]));
            }
        }
    });
}

/// Gradient to the input: each output's gradient goes to the first pixel, row by row, that has its value.
///
/// # Panics
/// When a slice has another length.
pub fn max_pool_backward(n: usize, side: usize, c: usize, x: &[f32], y: &[f32], gradient: &[f32], dx: &mut [f32]) {
    let out = side.div_ceil(2);
    assert!(x.len() == n * side * side * c && y.len() == n * out * out * c, "sizes of a pooling");
    assert!(dx.len() == x.len() && gradient.len() == y.len(), "sizes of a pooling's gradient");
    if dx.is_empty() {
        return;
    }
    let (picture, pooled) = (side * side * c, out * out * c);
    dx.par_chunks_exact_mut(picture).enumerate().for_each(|(at, dx)| {
        let (x, y) = (&x[at * picture..][..picture], &y[at * pooled..][..pooled]);
        let gradient = &gradient[at * pooled..][..pooled];
        dx.fill(0.0);
        // All bits of a channel whose gradient is still to be given: masks, where branches would go channel by channel.
        let mut open = vec![u32::MAX; c];
        for row in 0..out {
            for column in 0..out {
                let place = (row * out + column) * c;
                let (y, gradient) = (&y[place..][..c], &gradient[place..][..c]);
                open.fill(u32::MAX);
                for line in window(row, side) {
                    for pixel in window(column, side) {
                        let place = (line * side + pixel) * c;
                        let (x, dx) = (&x[place..][..c], &mut dx[place..][..c]);
                        let values = x.iter().zip(y).zip(gradient);
                        for ((dx, open), ((x, y), gradient)) in dx.iter_mut().zip(&mut open).zip(values) {
                            let hit = *open & u32::from(x == y).wrapping_neg();
                            *dx += f32::from_bits(gradient.to_bits() & hit);
                            *open &= !hit;
                        }
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_nine_goes_on_and_gets_the_gradient() {
        let x: Vec<f32> = (0..16).map(|i| [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0][i % 8] + i as f32 * 0.01).collect();
        let mut y = vec![0.0; 4];
        max_pool(1, 4, 1, &x, &mut y);
        assert_eq!(y, [x[5], x[5], x[13], x[13]]);
        let mut dx = vec![f32::NAN; 16];
        max_pool_backward(1, 4, 1, &x, &y, &[1.0, 2.0, 4.0, 8.0], &mut dx);
        let mut expected = vec![0.0; 16];
        (expected[5], expected[13]) = (3.0, 12.0);
        assert_eq!(dx, expected);
    }

    #[test]
    fn of_equal_values_one_gets_the_gradient() {
        let x = vec![1.0; 2 * 16 * 3];
        let mut y = vec![0.0; 2 * 4 * 3];
        max_pool(2, 4, 3, &x, &mut y);
        let mut dx = vec![0.0; x.len()];
        max_pool_backward(2, 4, 3, &x, &y, &vec![1.0; y.len()], &mut dx);
        assert_eq!(dx.iter().sum::<f32>(), y.len() as f32);
    }
}
