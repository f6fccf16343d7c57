//! Covers parts of a face, as hands, hair, masks and the picture's edge do.
//!
//! Places are those of an aligned face: eyes at (40, 49) and (88, 49), nose at (64, 76), mouth corners at (45, 98) and (83, 98).

use network::{FACE_SIZE, FaceCrop};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::ops::Range;

/// What is covered.
#[derive(Clone, Copy)]
enum Place {
    Somewhere,
    Mouth,
    Eyes,
    Half,
    /// By something round with fingers, over mouth or cheek.
    Hand,
}

/// Grey values, row by row.
type Pixels = [f32];

/// The face with one part covered, chosen at random.
pub(crate) fn covered(face: &FaceCrop, rng: &mut StdRng) -> FaceCrop {
    changed(face, rng.random(), cover_something)
}

/// What may be wrong with a picture of a face, to see what a task says then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Nothing.
    None,
    /// By squares of 7×7 pixels, twice.
    Blur,
    /// By squares of 31×31 pixels, twice: brightness and shadows are left.
    StrongBlur,
    /// A band over the eyes.
    EyesCovered,
    /// A band over the mouth.
    MouthCovered,
    /// The left, right or lower half.
    HalfCovered,
    /// A band over each.
    MouthAndEyesCovered,
}

impl Corruption {
    /// All of them, the least first.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Blur,
        Self::StrongBlur,
        Self::EyesCovered,
        Self::MouthCovered,
        Self::HalfCovered,
        Self::MouthAndEyesCovered,
    ];

    /// A face with it; the same seed gives the same picture.
    pub fn of(self, face: &FaceCrop, seed: u64) -> FaceCrop {
        changed(face, seed, |pixels, rng| match self {
            Self::None => {}
            Self::Blur => blur(pixels, 3),
            Self::StrongBlur => blur(pixels, 15),
            Self::EyesCovered => cover(pixels, Place::Eyes, rng),
            Self::MouthCovered => cover(pixels, Place::Mouth, rng),
            Self::HalfCovered => cover(pixels, Place::Half, rng),
            Self::MouthAndEyesCovered => {
                cover(pixels, Place::Mouth, rng);
                cover(pixels, Place::Eyes, rng);
            }
        })
    }
}

fn changed(face: &FaceCrop, seed: u64, change: impl FnOnce(&mut Pixels, &mut StdRng)) -> FaceCrop {
    let mut pixels: Vec<f32> = face.iter().map(|&pixel| f32::from(pixel)).collect();
    change(&mut pixels, &mut StdRng::seed_from_u64(seed));
    FaceCrop::from_fn(|at| pixels[at].clamp(0.0, 255.0).round() as u8)
}

/// The face made so that nobody could tell anything of it: mouth and eyes covered, or blurred until nothing is left.
pub(crate) fn illegible(face: &FaceCrop, seed: u64) -> FaceCrop {
    changed(face, seed, |pixels, rng| match rng.random_range(0..4) {
        0 => blur(pixels, rng.random_range(9..20)),
        1 => {
            let (left, top) = (rng.random_range(8..28), rng.random_range(14..34));
            fill(pixels, left..FACE_SIZE - left, top..FACE_SIZE - rng.random_range(2..16), rng);
        }
        _ => {
            cover(pixels, Place::Eyes, rng);
            if rng.random_bool(0.5) {
                cover(pixels, Place::Mouth, rng);
            } else {
                hand(pixels, [0, 1].map(|axis| [64.0, 98.0][axis] + rng.random_range(-6.0..6.0f32)), rng);
            }
        }
    })
}

/// Means of squares of `2 radius + 1` pixels, twice: about a Gaussian of deviation 0.8 radius.
fn blur(pixels: &mut Pixels, radius: usize) {
    for _ in 0..2 {
        for (step, line) in [(1, FACE_SIZE), (FACE_SIZE, 1)] {
            let before = pixels.to_vec();
            for at in 0..FACE_SIZE * FACE_SIZE {
                let (first, place) = (at / FACE_SIZE * line, at % FACE_SIZE);
                let near = place.saturating_sub(radius)..(place + radius + 1).min(FACE_SIZE);
                let count = near.len() as f32;
                pixels[first + place * step] = near.map(|place| before[first + place * step]).sum::<f32>() / count;
            }
        }
    }
}

fn cover_something(pixels: &mut Pixels, rng: &mut StdRng) {
    use Place::{Eyes, Half, Hand, Mouth, Somewhere};
    cover(pixels, [Somewhere, Mouth, Eyes, Half, Hand, Hand][rng.random_range(0..6)], rng);
}

fn cover(pixels: &mut Pixels, place: Place, rng: &mut StdRng) {
    use Place::{Eyes, Half, Hand, Mouth, Somewhere};
    match place {
        Somewhere => {
            let (w, h) = (rng.random_range(16..48), rng.random_range(16..48));
            let (x, y) = (rng.random_range(0..FACE_SIZE - w), rng.random_range(0..FACE_SIZE - h));
            fill(pixels, x..x + w, y..y + h, rng);
        }
        Mouth => band(pixels, [64, 98], [50..90, 24..46], rng),
        Eyes => band(pixels, [64, 49], [80..124, 18..36], rng),
        Half => {
            let middle = rng.random_range(54..74);
            let (x, y) = match rng.random_range(0..3) {
                0 => (0..middle, 0..FACE_SIZE),
                1 => (middle..FACE_SIZE, 0..FACE_SIZE),
                _ => (0..FACE_SIZE, middle + 8..FACE_SIZE),
            };
            fill(pixels, x, y, rng);
        }
        Hand => hand(pixels, [rng.random_range(40.0..88.0), rng.random_range(84.0..112.0)], rng),
    }
}

/// A rectangle of a random size around about `centre`.
fn band(pixels: &mut Pixels, centre: [i32; 2], size: [Range<i32>; 2], rng: &mut StdRng) {
    let [x, y] = [0, 1].map(|axis| {
        let half = rng.random_range(size[axis].clone()) / 2;
        let middle = centre[axis] + rng.random_range(-6..=6);
        let inside = |at: i32| at.clamp(0, FACE_SIZE as i32) as usize;
        inside(middle - half)..inside(middle + half)
    });
    fill(pixels, x, y, rng);
}

/// One grey, noise, or another part of the same picture.
fn fill(pixels: &mut Pixels, x: Range<usize>, y: Range<usize>, rng: &mut StdRng) {
    let (kind, grey) = (rng.random_range(0..3), rng.random_range(0.0..255.0f32));
    let shift = rng.random_range(FACE_SIZE / 4..FACE_SIZE * 3 / 4);
    let before = (kind == 2).then(|| pixels.to_vec());
    for row in y {
        for column in x.clone() {
            pixels[row * FACE_SIZE + column] = match (&before, kind) {
                (Some(before), _) => before[(row + shift) % FACE_SIZE * FACE_SIZE + (column + shift) % FACE_SIZE],
                (None, 0) => grey,
                (None, _) => rng.random_range(0.0..255.0),
            };
        }
    }
}

/// A palm at `middle` and three or four fingers, about as bright as the nose, darker at their edges.
fn hand(pixels: &mut Pixels, middle: [f32; 2], rng: &mut StdRng) {
    let nose = pixels[76 * FACE_SIZE + 64];
    let tone = (nose * rng.random_range(0.75..1.25f32)).clamp(20.0, 240.0);
    let towards = rng.random_range(0.0..std::f32::consts::TAU);
    // The palm, then fingers beside each other, all along the hand's direction: centre, half axes.
    let mut parts = vec![(middle, [rng.random_range(18.0..30.0f32), rng.random_range(14.0..24.0f32)])];
    let fingers = rng.random_range(3..5);
    let (sin, cos) = towards.sin_cos();
    for finger in 0..fingers {
        let aside = (finger as f32 - (fingers - 1) as f32 / 2.0) * 9.0;
        let out = rng.random_range(22.0..34.0f32);
        let centre = [middle[0] + cos * out - sin * aside, middle[1] + sin * out + cos * aside];
        parts.push((centre, [rng.random_range(14.0..22.0), rng.random_range(4.0..6.0)]));
    }
    for (centre, axes) in parts {
        for row in 0..FACE_SIZE {
            for column in 0..FACE_SIZE {
                let (dx, dy) = (column as f32 - centre[0], row as f32 - centre[1]);
                let (along, across) = ((cos * dx + sin * dy) / axes[0], (cos * dy - sin * dx) / axes[1]);
                let inside = along * along + across * across;
                if inside < 1.0 {
                    let shade = 1.0 - 0.35 * inside * inside;
                    pixels[row * FACE_SIZE + column] = tone * shade + rng.random_range(-4.0..4.0f32);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_illegible_face_mouth_and_eyes_are_gone() {
        // Noise, which a blur takes away, and a cover too.
        let mut rng = StdRng::seed_from_u64(7);
        let face = FaceCrop::from_fn(|_| rng.random());
        for seed in 0..100 {
            let after = illegible(&face, seed);
            for [x, y] in [[40, 49], [88, 49], [64, 98]] {
                let around = (0..81).map(|at| (y - 4 + at / 9) * FACE_SIZE + x - 4 + at % 9);
                let same = around.filter(|&at| after[at].abs_diff(face[at]) < 8).count();
                assert!(same < 40, "seed {seed}: {same} of 81 pixels at {x}, {y} are as they were");
            }
            assert_eq!(after, illegible(&face, seed));
        }
    }

    #[test]
    fn corruptions_leave_what_they_do_not_name() {
        let face = FaceCrop::from_fn(|at| if at / FACE_SIZE % 8 < 4 { 80 } else { 160 });
        let (eye, mouth) = (49 * FACE_SIZE + 40, 98 * FACE_SIZE + 64);
        assert_eq!(Corruption::None.of(&face, 1), face);
        for seed in 0..20 {
            assert_eq!(Corruption::EyesCovered.of(&face, seed)[mouth], face[mouth]);
            assert_eq!(Corruption::MouthCovered.of(&face, seed)[eye], face[eye]);
        }
        let contrast = |face: &FaceCrop| face.iter().map(|&pixel| f32::from(pixel.abs_diff(120))).sum::<f32>();
        let [little, strongly] = [Corruption::Blur, Corruption::StrongBlur].map(|blur| contrast(&blur.of(&face, 1)));
        assert!(strongly < little && little < contrast(&face));
    }

    #[test]
    fn a_part_is_covered_and_a_part_stays() {
        let mut covered_mouth = 0;
        for seed in 0..200 {
            let before: Vec<f32> = (0..FACE_SIZE * FACE_SIZE).map(|at| 60.0 + (at % 97) as f32).collect();
            let mut after = before.clone();
            cover_something(&mut after, &mut StdRng::seed_from_u64(seed));
            let changed = |at: &usize| (before[*at] - after[*at]).abs() > 1e-3;
            let share = (0..after.len()).filter(changed).count() as f32 / after.len() as f32;
            assert!((0.005..0.65).contains(&share), "seed {seed}: {share}");
            assert!(after.iter().all(|value| (-8.0..=320.0).contains(value)), "seed {seed}");
            covered_mouth += u32::from(changed(&(98 * FACE_SIZE + 64)));
        }
        assert!(covered_mouth > 40, "the mouth is covered often: {covered_mouth} of 200");
    }
}
