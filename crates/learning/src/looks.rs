//! Ways of showing one face to the network, whose answers are merged.

use crate::augment::AugmentConfig;
use crate::face::mirrored;
use network::FaceCrop;
use serde::{Deserialize, Serialize};

/// A way of showing a face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// How many times as large, > 0; what lies beyond the picture repeats its border.
    pub zoom: f32,
    /// Whether as a mirror shows it.
    pub mirrored: bool,
}

impl Look {
    /// The face as it is.
    pub const PLAIN: Self = Self::new(1.0, false);

    const fn new(zoom: f32, mirrored: bool) -> Self {
        Self { zoom, mirrored }
    }

    /// The face as this look shows it.
    pub fn at(&self, face: &FaceCrop) -> FaceCrop {
        let shown = match self.zoom {
            1.0 => face.clone(),
            zoom => AugmentConfig { zoom, ..AugmentConfig::none() }.apply(face, 0),
        };
        if self.mirrored { mirrored(&shown) } else { shown }
    }
}

/// How the faces of a track are shown, one look after the other and round again: the network says not quite the same of them,
/// and their mean is right more often than any. Every other one is mirrored, the first is the face as it is.
///
/// Of ten sets of sizes from 0.88 to 1.24 these had the least loss for their number on the validation faces of FairFace and LFW.
pub const LOOKS: [Look; 6] = [
    Look::PLAIN,
    Look::new(1.12, true),
    Look::new(0.88, false),
    Look::new(1.0, true),
    Look::new(1.12, false),
    Look::new(0.88, true),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::LabelledFaces;
    use network::FACE_SIZE;

    fn ramp() -> FaceCrop {
        FaceCrop::from_fn(|at| (at % FACE_SIZE) as u8)
    }

    #[test]
    fn the_first_look_is_at_the_face_as_it_is() {
        assert_eq!(LOOKS[0], Look::PLAIN);
        assert_eq!(Look::PLAIN.at(&ramp()), ramp());
    }

    #[test]
    fn every_size_is_looked_at_both_ways() {
        for look in LOOKS {
            let other = Look { mirrored: !look.mirrored, ..look };
            assert_eq!(LOOKS.iter().filter(|known| **known == look).count(), 1, "{look:?}");
            assert!(LOOKS.contains(&other), "{other:?}");
        }
    }

    #[test]
    fn each_label_is_seen_in_every_way_even_where_labels_alternate() {
        let mut faces = LabelledFaces::new(["a", "b"].map(|label| label.parse().unwrap()).into());
        for at in 0..2 * LOOKS.len() {
            faces.push(ramp(), at % 2);
        }
        let seen = faces.seen_in_turn();
        for class in 0..2 {
            for (nth, look) in LOOKS.iter().enumerate() {
                assert_eq!(seen.faces[2 * nth + class], look.at(&ramp()));
            }
        }
    }

    #[test]
    fn a_larger_face_shows_less_and_a_smaller_one_repeats_its_border() {
        let row = |zoom| Look::new(zoom, false).at(&ramp())[..FACE_SIZE].to_vec();
        let (near, far) = (row(2.0), row(0.5));
        assert_eq!((near[0], near[FACE_SIZE - 1]), (32, 95));
        assert_eq!((far[0], far[16], far[60], far[FACE_SIZE - 1]), (0, 0, 57, 127));
        assert_eq!(Look::new(2.0, true).at(&ramp())[0], 95);
    }
}
