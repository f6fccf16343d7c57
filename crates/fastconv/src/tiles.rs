//! One-dimensional transforms of F(4, 3) with the points 0, ±1, ±2 (Lavin & Gray 2016), on [`LANES`](crate::simd::LANES)
//! channels at once, and the two-dimensional ones made of them.

use crate::simd::{LANES, Lanes, combine};

/// Input side of a tile.
pub(crate) const T: usize = 6;
/// Output side of a tile.
pub(crate) const O: usize = 4;
/// Products per tile and channel pair.
pub(crate) const POINTS: usize = T * T;

const BT: [[f32; T]; T] = [
    [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
    [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
    [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
    [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
    [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
    [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
];
const AT: [[f32; T]; O] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
    [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
    [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
];
const A: [[f32; O]; T] = transpose(AT);
pub(crate) const G: [[f32; 3]; T] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];
const GT: [[f32; T]; 3] = transpose(G);

const fn transpose<const R: usize, const C: usize>(m: [[f32; C]; R]) -> [[f32; R]; C] {
    let mut t = [[0.0; R]; C];
    let mut r = 0;
    while r < R {
        let mut c = 0;
        while c < C {
            t[c][r] = m[r][c];
            c += 1;
        }
        r += 1;
    }
    t
}

/// `M · d · Mᵀ` for a matrix of lanes.
#[inline(always)]
fn both_sides<const FROM: usize, const TO: usize>(
    m: &[[f32; FROM]; TO],
    d: &[[Lanes; FROM]; FROM],
) -> [[Lanes; TO]; TO] {
    let mut half = [[[0.0; LANES]; FROM]; TO];
    for column in 0..FROM {
        let mut values = [[0.0; LANES]; FROM];
        for row in 0..FROM {
            values[row] = d[row][column];
        }
        for row in 0..TO {
            half[row][column] = combine(m[row], &values);
        }
    }
    let mut out = [[[0.0; LANES]; TO]; TO];
    for row in 0..TO {
        for column in 0..TO {
            out[row][column] = combine(m[column], &half[row]);
        }
    }
    out
}

/// `Bᵀ d B`: input patch to the transform domain.
#[inline(always)]
pub(crate) fn input(d: &[[Lanes; T]; T]) -> [[Lanes; T]; T] {
    both_sides(&BT, d)
}

/// `Aᵀ m A`: products to outputs.
#[inline(always)]
pub(crate) fn output(m: &[[Lanes; T]; T]) -> [[Lanes; O]; O] {
    both_sides(&AT, m)
}

/// `A y Aᵀ`: output gradients to the transform domain.
#[inline(always)]
pub(crate) fn gradient(y: &[[Lanes; O]; O]) -> [[Lanes; T]; T] {
    both_sides(&A, y)
}

/// `G g Gᵀ`: kernel to the transform domain.
#[inline(always)]
pub(crate) fn weight(g: &[[Lanes; 3]; 3]) -> [[Lanes; T]; T] {
    both_sides(&G, g)
}

/// `Gᵀ u G`: gradient of the transformed kernel to that of the kernel.
#[inline(always)]
pub(crate) fn weight_gradient(u: &[[Lanes; T]; T]) -> [[Lanes; 3]; 3] {
    both_sides(&GT, u)
}
