//! What a network says of one face at all looks: read once, kept as long as the face.

use super::config::FewShotConfig;
use crate::looks::LOOKS;
use crate::occlusion::illegible;
use half::f16;
use half::slice::HalfFloatSliceExt;
use network::FaceCrop;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// Rows of a reading: the looks, and the face made illegible.
pub(crate) const ROWS: usize = LOOKS.len() + 1;
/// The row of the illegible face.
pub(crate) const ILLEGIBLE: usize = LOOKS.len();
/// Grows whenever the same face would be read in another way.
const RECIPE: &str = "1";

/// What the parts of a network say of a face, part by part: of each of [`LOOKS`], then of the face made illegible.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceReading {
    /// `[part][row]` → `[4 · 4 · C]`.
    parts: Vec<Vec<Vec<f32>>>,
}

impl FaceReading {
    /// Of each part [`ROWS`] rows of the same length; `None` otherwise.
    pub(crate) fn new(parts: Vec<Vec<Vec<f32>>>) -> Option<Self> {
        let fits = |rows: &Vec<Vec<f32>>| rows.len() == ROWS && rows.iter().all(|row| row.len() == rows[0].len());
        (!parts.is_empty() && parts.iter().all(fits)).then_some(Self { parts })
    }

    /// One row of every part.
    pub(crate) fn row(&self, row: usize) -> Vec<Vec<f32>> {
        self.parts.iter().map(|rows| rows[row].clone()).collect()
    }

    /// As bytes (safetensors, f16). `names`: one a part, which say of which weights it is. A part that says the same at each of the
    /// 4×4 pixels takes a sixteenth.
    ///
    /// # Errors
    /// There are not as many names as parts.
    pub fn to_bytes(&self, names: &[String]) -> Result<Vec<u8>, String> {
        if names.len() != self.parts.len() {
            return Err(format!("{} names of {} parts", names.len(), self.parts.len()));
        }
        let halves: Vec<(Vec<usize>, Vec<u8>)> = self.parts.iter().map(|rows| halves(rows)).collect();
        let views = names.iter().zip(&halves).map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(|error| error.to_string())?;
            Ok((name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, String>>()?;
        let recipe = HashMap::from([("recipe".to_owned(), RECIPE.to_owned())]);
        safetensors::serialize(views, Some(recipe)).map_err(|error| error.to_string())
    }

    /// Whether bytes of [`Self::to_bytes`] have parts of these names, and were read as it is done now.
    pub fn is_of(bytes: &[u8], names: &[String]) -> bool {
        let Ok((_, header)) = SafeTensors::read_metadata(bytes) else { return false };
        let recipe = header.metadata().as_ref().and_then(|metadata| metadata.get("recipe"));
        recipe.is_some_and(|recipe| recipe == RECIPE) && names.iter().all(|name| header.info(name).is_some())
    }

    /// Those of [`Self::to_bytes`] with these names, in this order; `None` where one is missing, or was read in another way.
    pub fn from_bytes(bytes: &[u8], names: &[String]) -> Option<Self> {
        if !Self::is_of(bytes, names) {
            return None;
        }
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let parts = names.iter().map(|name| rows(&tensors.tensor(name).ok()?)).collect::<Option<Vec<_>>>()?;
        Self::new(parts)
    }
}

/// Pixels of what a head reads.
pub(crate) const PIXELS: usize = 16;

/// Shape `[rows, pixels, channels]`, with one pixel where all are equal, and little-endian values.
fn halves(rows: &[Vec<f32>]) -> (Vec<usize>, Vec<u8>) {
    let channels = rows.first().map_or(0, Vec::len) / PIXELS;
    let same = |row: &Vec<f32>| channels > 0 && row.chunks(channels).all(|pixel| pixel == &row[..channels]);
    let pixels = if rows.iter().all(same) { 1 } else { PIXELS };
    let kept = rows.iter().flat_map(|row| &row[..pixels * channels]);
    let bytes = kept.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
    (vec![rows.len(), pixels, channels], bytes)
}

fn rows(view: &TensorView<'_>) -> Option<Vec<Vec<f32>>> {
    let &[count, pixels, channels] = view.shape() else { return None };
    if view.dtype() != Dtype::F16 || count != ROWS || channels == 0 || !(pixels == 1 || pixels == PIXELS) {
        return None;
    }
    let halves: Vec<f16> = view.data().chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]])).collect();
    let row = |values: &[f16]| values.to_f32_vec().repeat(PIXELS / pixels);
    let rows: Vec<Vec<f32>> = halves.chunks(pixels * channels).map(row).collect();
    rows.iter().flatten().all(|value| value.is_finite()).then_some(rows)
}

/// A face as a row of its reading sees it: the first look is at the face as it is, others are changed at random (`config.augment`), in
/// the same way whenever the same face is read.
pub(crate) fn shown(face: &FaceCrop, row: usize, config: &FewShotConfig) -> FaceCrop {
    let seed = seed_of(face) ^ ((row as u64) << 40);
    match row {
        0 => face.clone(),
        ILLEGIBLE => illegible(face, seed),
        look => config.augment.apply(&LOOKS[look].at(face), seed),
    }
}

/// FNV-1a, which is the same in every build: what is kept of a face was read with this seed.
fn seed_of(face: &FaceCrop) -> u64 {
    let add = |hash: u64, pixel: &u8| (hash ^ u64::from(*pixel)).wrapping_mul(0x0000_0100_0000_01b3);
    face.as_slice().iter().fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> FaceReading {
        let part = |channels: usize, flat: bool| {
            (0..ROWS)
                .map(|row| {
                    (0..PIXELS * channels)
                        .map(|at| (row + if flat { at % channels } else { at }) as f32 / 8.0)
                        .collect()
                })
                .collect()
        };
        FaceReading::new(vec![part(4, false), part(6, true)]).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_reading_comes_back_part_by_part() {
        let bytes = reading().to_bytes(&names(&["encoder", "age"])).unwrap();
        assert_eq!(FaceReading::from_bytes(&bytes, &names(&["encoder", "age"])), Some(reading()));
        let alone = FaceReading::from_bytes(&bytes, &names(&["age"])).unwrap();
        assert_eq!(alone.row(3), [reading().row(3)[1].clone()]);
        assert_eq!(FaceReading::from_bytes(&bytes, &names(&["encoder", "gender"])), None);
        // The part that says the same everywhere takes little.
        let values = 2 * ROWS * (PIXELS * 4 + 6);
        assert!(bytes.len() < values + 400, "{}", bytes.len());
    }

    #[test]
    fn what_is_broken_or_of_another_recipe_is_no_reading() {
        let all = names(&["encoder", "age"]);
        let bytes = reading().to_bytes(&all).unwrap();
        for cut in (0..bytes.len()).step_by(7) {
            assert_eq!(FaceReading::from_bytes(&bytes[..cut], &all), None);
        }
        let text = String::from_utf8_lossy(&bytes).replace("\"recipe\":\"1\"", "\"recipe\":\"0\"");
        assert_eq!(FaceReading::from_bytes(text.as_bytes(), &all), None);
        assert!(reading().to_bytes(&names(&["encoder"])).is_err());
        let mut infinite = reading();
        infinite.parts[0][2][1] = f32::INFINITY;
        assert_eq!(FaceReading::from_bytes(&infinite.to_bytes(&all).unwrap(), &all), None);
    }

    #[test]
    fn the_same_face_is_shown_in_the_same_ways() {
        let face = FaceCrop::from_fn(|at| (at % 251) as u8);
        let config = FewShotConfig::default();
        let all = |face: &FaceCrop| (0..ROWS).map(|row| shown(face, row, &config)).collect::<Vec<_>>();
        assert_eq!(all(&face), all(&face));
        assert_eq!(all(&face)[0], face);
        let distinct: std::collections::BTreeSet<FaceCrop> = all(&face).into_iter().collect();
        assert_eq!(distinct.len(), ROWS);
        // Whatever changes these changes what kept readings are of: RECIPE grows with it.
        let seeds: Vec<u64> = all(&face).iter().map(seed_of).collect();
        assert_eq!(
            (RECIPE, seeds.iter().fold(0, |sum: u64, seed| sum.rotate_left(9) ^ seed)),
            ("1", 7_172_800_366_844_825_220)
        );
    }
}
