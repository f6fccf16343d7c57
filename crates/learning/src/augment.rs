//! Random changes of a face that do not change its label.

use crate::occlusion;
use network::{FACE_PIXELS, FACE_SIZE, FaceCrop};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// How strongly faces are changed; zeros leave them as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Every face is shown so many times as large, > 0. Above 1 the middle of what is shown moves from the picture's towards that
    /// of brows and mouth, which it is from 2 on.
    pub zoom: f32,
    /// Left and right exchanged in half of the faces.
    pub mirror: bool,
    /// Largest rotation to either side, degrees.
    pub rotation: f32,
    /// Largest change of size, as a share.
    pub scale: f32,
    /// Largest shift to any side, as a share of the side.
    pub shift: f32,
    /// Largest change of contrast, as a share.
    pub contrast: f32,
    /// Largest change of brightness, as a share of white.
    pub brightness: f32,
    /// Share of faces whose top rows are replaced by their border, as crops near a picture's edge are.
    pub top_border: f32,
    /// Share of faces of which a part is covered: the mouth, the eyes, a half, or some place, also by a hand.
    pub occlusion: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            mirror: true,
            rotation: 8.0,
            scale: 0.08,
            shift: 0.04,
            contrast: 0.25,
            brightness: 0.12,
            top_border: 0.1,
            occlusion: 0.1,
        }
    }
}

impl AugmentConfig {
    /// Leaves faces as they are.
    pub fn none() -> Self {
        Self {
            zoom: 1.0,
            mirror: false,
            rotation: 0.0,
            scale: 0.0,
            shift: 0.0,
            contrast: 0.0,
            brightness: 0.0,
            top_border: 0.0,
            occlusion: 0.0,
        }
    }

    /// A changed copy; the same seed gives the same copy.
    pub fn apply(&self, face: &FaceCrop, seed: u64) -> FaceCrop {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut around = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
        let (angle, size) = (around(self.rotation).to_radians(), self.zoom * (1.0 + around(self.scale)));
        let side = FACE_SIZE as f32;
        let (dx, dy) = (around(self.shift) * side, around(self.shift) * side);
        let (gain, offset) = (1.0 + around(self.contrast), around(self.brightness) * 255.0);
        let mirror = self.mirror && rng.random_bool(0.5);
        let lowered = BELOW_CENTRE * (self.zoom - 1.0).clamp(0.0, 1.0);
        // Before the face is moved: places of eyes and mouth are known there.
        let covered = (rng.random::<f32>() < self.occlusion).then(|| occlusion::covered(face, &mut rng));
        let mut pixels = similarity(covered.as_ref().unwrap_or(face), mirror, angle, size, [dx, dy], lowered);
        for pixel in &mut pixels {
            *pixel = ((*pixel - 127.5) * gain + 127.5 + offset).clamp(0.0, 255.0);
        }
        if rng.random::<f32>() < self.top_border {
            let rows = rng.random_range(1..FACE_SIZE / 4);
            let (top, rest) = pixels.split_at_mut(rows * FACE_SIZE);
            for row in top.chunks_exact_mut(FACE_SIZE) {
                row.copy_from_slice(&rest[..FACE_SIZE]);
            }
        }
        FaceCrop::from_fn(|at| pixels[at].round() as u8)
    }
}

/// How far the middle of brows and mouth lies below the picture's, pixels.
const BELOW_CENTRE: f32 = 5.5;

/// Turns, scales and shifts around a point so far below the centre, which is shown in the centre; with bilinear sampling and a
/// replicated border.
fn similarity(face: &FaceCrop, mirror: bool, angle: f32, size: f32, [dx, dy]: [f32; 2], lowered: f32) -> Vec<f32> {
    let centre = (FACE_SIZE as f32 - 1.0) / 2.0;
    let (sin, cos) = (angle.sin() / size, angle.cos() / size);
    let last = (FACE_SIZE - 1) as f32;
    let mut out = Vec::with_capacity(FACE_PIXELS);
    for y in 0..FACE_SIZE {
        let v = y as f32 - centre - dy;
        for x in 0..FACE_SIZE {
            let u = x as f32 - centre - dx;
            let from_x = cos * u + sin * v + centre;
            let from_y = (cos * v - sin * u + centre + lowered).clamp(0.0, last);
            let from_x = if mirror { last - from_x } else { from_x }.clamp(0.0, last);
            let (x0, y0) = (from_x as usize, from_y as usize);
            let (x1, y1) = ((x0 + 1).min(FACE_SIZE - 1), (y0 + 1).min(FACE_SIZE - 1));
            let (fx, fy) = (from_x - x0 as f32, from_y - y0 as f32);
            let at = |x: usize, y: usize| f32::from(face[y * FACE_SIZE + x]);
            let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
            let bottom = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
            out.push(top * (1.0 - fy) + bottom * fy);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> FaceCrop {
        FaceCrop::from_fn(|at| (at % FACE_SIZE) as u8)
    }

    #[test]
    fn without_changes_a_face_stays_as_it_is() {
        assert_eq!(AugmentConfig::none().apply(&ramp(), 7), ramp());
    }

    #[test]
    fn the_same_seed_gives_the_same_face_and_another_seed_another() {
        let config = AugmentConfig::default();
        assert_eq!(config.apply(&ramp(), 7), config.apply(&ramp(), 7));
        assert_ne!(config.apply(&ramp(), 7), config.apply(&ramp(), 8));
    }

    #[test]
    fn zooming_shows_the_middle_as_large() {
        let zoomed = AugmentConfig { zoom: 2.0, ..AugmentConfig::none() }.apply(&ramp(), 7);
        let row = &zoomed[..FACE_SIZE];
        assert_eq!((row[0], row[FACE_SIZE - 1]), (32, 95));
        assert!(row.is_sorted());
        let tall = FaceCrop::from_fn(|at| (at / FACE_SIZE) as u8);
        let zoomed = AugmentConfig { zoom: 2.0, ..AugmentConfig::none() }.apply(&tall, 7);
        assert_eq!((zoomed[0], zoomed[FACE_PIXELS - 1]), (37, 101), "from the brows to below the mouth");
    }

    #[test]
    fn mirroring_exchanges_left_and_right() {
        let config = AugmentConfig { mirror: true, ..AugmentConfig::none() };
        let mirrored = FaceCrop::from_fn(|at| (FACE_SIZE - 1 - at % FACE_SIZE) as u8);
        let found: Vec<FaceCrop> = (0..20).map(|seed| config.apply(&ramp(), seed)).collect();
        assert!(found.iter().all(|face| *face == ramp() || *face == mirrored));
        assert!(found.contains(&mirrored) && found.contains(&ramp()));
    }
}
