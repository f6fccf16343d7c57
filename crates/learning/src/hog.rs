//! Histograms of oriented gradients (Dalal & Triggs 2005): the floor that any network should beat, and what an encoder may
//! learn to tell beside its labels (Wei et al. 2022, "Masked Feature Prediction").

use network::FACE_SIZE;

/// Faces are averaged down to this side, pixels.
const SIDE: usize = 64;
/// Side of a cell, pixels.
const CELL: usize = 8;
const CELLS: usize = SIDE / CELL;
/// Orientations over half a turn.
const BINS: usize = 9;
/// Blocks of 2×2 cells are cut at this share after their first normalisation.
const CUT: f32 = 0.2;

/// Values of a block of 2×2 cells.
pub(crate) const BLOCK: usize = 4 * BINS;

/// The histograms of the cells of a 128×128 grey face, row by row.
fn cells(face: &[u8]) -> Vec<[f32; BINS]> {
    let step = FACE_SIZE / SIDE;
    let pixel = |x: usize, y: usize| -> f32 {
        let sum: u32 =
            (0..step * step).map(|at| u32::from(face[(y * step + at / step) * FACE_SIZE + x * step + at % step])).sum();
        sum as f32 / (step * step) as f32
    };
    let small: Vec<f32> = (0..SIDE * SIDE).map(|at| pixel(at % SIDE, at / SIDE)).collect();
    let at = |x: usize, y: usize| small[y.min(SIDE - 1) * SIDE + x.min(SIDE - 1)];
    let mut cells = vec![[0.0f32; BINS]; CELLS * CELLS];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let dx = at(x + 1, y) - at(x.saturating_sub(1), y);
            let dy = at(x, y + 1) - at(x, y.saturating_sub(1));
            let turn = dy.atan2(dx).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI * BINS as f32;
            // Shared by the two nearest orientations.
            let (low, share) = ((turn - 0.5).rem_euclid(BINS as f32), dx.hypot(dy));
            let (first, part) = (low as usize % BINS, low.fract());
            let cell = &mut cells[y / CELL * CELLS + x / CELL];
            cell[first] += share * (1.0 - part);
            cell[(first + 1) % BINS] += share * part;
        }
    }
    cells
}

/// The normalised block of cells whose first one is at `x`, `y`.
fn block(cells: &[[f32; BINS]], x: usize, y: usize) -> Vec<f32> {
    let block = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| cells[(y + dy) * CELLS + x + dx]);
    let mut block: Vec<f32> = block.concat();
    normalise(&mut block);
    block.iter_mut().for_each(|value| *value = value.min(CUT));
    normalise(&mut block);
    block
}

/// The descriptor of a 128×128 grey face, 7 · 7 · 4 · 9 values.
pub fn descriptor(face: &[u8]) -> Vec<f32> {
    let cells = cells(face);
    (0..(CELLS - 1) * (CELLS - 1)).flat_map(|at| block(&cells, at % (CELLS - 1), at / (CELLS - 1))).collect()
}

/// The blocks that do not overlap, `[4, 4, 4 · 9]`: one for each pixel that a column's head reads.
pub(crate) fn blocks(face: &[u8]) -> Vec<f32> {
    let cells = cells(face);
    (0..CELLS * CELLS / 4).flat_map(|at| block(&cells, at % (CELLS / 2) * 2, at / (CELLS / 2) * 2)).collect()
}

fn normalise(values: &mut [f32]) {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt() + 1e-6;
    values.iter_mut().for_each(|value| *value /= length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_told_apart_by_their_direction_and_light_does_not_matter() {
        let stripes = |upright: bool, light: u8| -> Vec<f32> {
            let pixel = |at: usize| if upright { at % FACE_SIZE } else { at / FACE_SIZE } / 8 % 2;
            descriptor(&(0..FACE_SIZE * FACE_SIZE).map(|at| light * (1 + pixel(at) as u8)).collect::<Vec<u8>>())
        };
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / 49.0;
        let (upright, flat) = (stripes(true, 60), stripes(false, 60));
        assert_eq!(upright.len(), 7 * 7 * 4 * 9);
        assert!((product(&upright, &stripes(true, 90)) - 1.0).abs() < 1e-3);
        assert!(product(&upright, &flat) < 0.2);
    }

    #[test]
    fn blocks_are_those_of_the_descriptor_that_do_not_overlap() {
        let face: Vec<u8> = (0..FACE_SIZE * FACE_SIZE).map(|at| (at * at / 97 % 251) as u8).collect();
        let (all, apart) = (descriptor(&face), blocks(&face));
        let of = |values: &[f32], at: usize| values[at * BLOCK..(at + 1) * BLOCK].to_vec();
        assert_eq!(apart.len(), 4 * 4 * BLOCK);
        assert_eq!(of(&apart, 4 + 3), of(&all, 2 * (CELLS - 1) + 6));
    }
}
