//! Explanations as pictures for people.

use crate::explain::Explanation;

/// Share of a map's pixels that are shown at full strength.
const CLIPPED: f32 = 0.005;

impl Explanation {
    /// What [`Self::tiles`] shows, in its order.
    pub const TILES: [&'static str; 5] = ["face", "guided backprop.", "Grad-CAM", "guided Grad-CAM", "encoder's CAM"];

    /// Pictures of 128×128 RGB pixels: the `face` (grey), guided backpropagation, Grad-CAM over the face, guided Grad-CAM, the
    /// encoder's Grad-CAM over the face.
    pub fn tiles(&self, face: &[u8]) -> [Vec<u8>; 5] {
        let grey = |values: Vec<u8>| -> Vec<u8> { values.into_iter().flat_map(|value| [value; 3]).collect() };
        [
            grey(face.to_vec()),
            grey(signed(&self.guided)),
            overlay(face, &self.cam),
            grey(signed(&self.guided_cam())),
            overlay(face, &self.encoder_cam),
        ]
    }
}

/// Grey at 0, white where brightness speaks for the label, black where darkness does.
fn signed(values: &[f32]) -> Vec<u8> {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    let last = sizes.len().saturating_sub(1);
    let top = sizes.get(((sizes.len() as f32 * (1.0 - CLIPPED)) as usize).min(last)).copied();
    let top = top.unwrap_or(1.0).max(f32::MIN_POSITIVE);
    values.iter().map(|value| (127.5 + 127.5 * (value / top).clamp(-1.0, 1.0)) as u8).collect()
}

/// The face under a map from blue (0) over green and yellow to red (1).
fn overlay(face: &[u8], map: &[f32]) -> Vec<u8> {
    let ramp = |at: f32, middle: f32| (1.5 - (4.0 * at - middle).abs()).clamp(0.0, 1.0);
    let colour = |grey: u8, colour: f32| (f32::from(grey) * 0.55 + colour * 255.0 * 0.45) as u8;
    let pixels = face.iter().zip(map);
    pixels.flat_map(|(&grey, &at)| [3.0, 2.0, 1.0].map(|middle| colour(grey, ramp(at, middle)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_red_and_the_rest_blue() {
        let pixels = crate::FACE_PIXELS;
        let explanation = Explanation {
            class: 0,
            logit: 1.0,
            guided: (0..pixels).map(|at| at as f32 - 8000.0).collect(),
            cam: (0..pixels).map(|at| f32::from(u8::from(at == 5))).collect(),
            encoder_cam: vec![0.0; pixels],
        };
        let [face, guided, cam, _, encoder] = explanation.tiles(&vec![90; pixels]);
        assert_eq!((face.len(), &face[..3]), (pixels * 3, &[90u8; 3][..]));
        assert!(guided[0] < 10 && guided[pixels * 3 - 1] > 245);
        assert!(cam[5 * 3] > cam[5 * 3 + 2] && cam[0] < cam[2]);
        assert_eq!(encoder[..3], cam[..3]);
    }
}
