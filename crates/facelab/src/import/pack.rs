//! A pack: `labels.csv`, and a tar archive of aligned faces.

use super::{Listing, is_taken};
use crate::common::{make_parent, write_file};
use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use network::{FACE_SIZE, FaceCrop};
use std::path::Path;
use vision::align;
use vision::{BgrImage, FaceDetector};

/// A picture is at most so large, pixels.
const MAX_PIXELS: u64 = 100_000_000;
/// Of the faces' JPEGs.
const QUALITY: u8 = 92;

/// How many faces came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the pack.
    pub taken: usize,
    /// Pictures that could not be read, or have no face.
    pub left_out: usize,
}

/// Finds and aligns the face of every picture and writes the pack; `progress` is told how many pictures are done. The face
/// nearest to the middle is taken: that is whom data sets mean.
///
/// # Errors
/// The detector fails, or the disk refuses.
pub fn write_pack(
    listing: &Listing,
    limit: usize,
    detector: &mut dyn FaceDetector,
    out: &Path,
    progress: &mut dyn FnMut(usize),
) -> anyhow::Result<Tally> {
    let archive = out.join("faces.tar");
    make_parent(&archive)?;
    let file = std::fs::File::create(&archive).with_context(|| format!("writing {}", archive.display()))?;
    let mut tar = tar::Builder::new(std::io::BufWriter::new(file));
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("file").chain(listing.columns.iter().copied()))?;
    let mut tally = Tally::default();
    for (number, entry) in listing.entries.iter().enumerate() {
        if !is_taken(number, listing.entries.len(), limit) {
            continue;
        }
        progress(number + 1);
        let Some(face) = face(&entry.picture, detector)? else {
            tally.left_out += 1;
            continue;
        };
        let name = format!("{number:06}.jpg");
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
            .encode(face.as_slice(), FACE_SIZE as u32, FACE_SIZE as u32, image::ExtendedColorType::L8)
            .with_context(|| format!("encoding {name}"))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(jpeg.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, &name, jpeg.as_slice())
            .with_context(|| format!("writing {}", archive.display()))?;
        table.write_record(std::iter::once(&name).chain(&entry.cells))?;
        tally.taken += 1;
    }
    tar.into_inner()
        .and_then(|mut file| std::io::Write::flush(&mut file))
        .with_context(|| format!("writing {}", archive.display()))?;
    let table = table.into_inner().map_err(|error| anyhow::anyhow!("writing labels.csv: {error}"))?;
    write_file(&out.join("labels.csv"), &table)?;
    Ok(tally)
}

/// The aligned face of a picture; nothing when it cannot be read or shows none.
fn face(path: &Path, detector: &mut dyn FaceDetector) -> anyhow::Result<Option<FaceCrop>> {
    let image = match BgrImage::read(path, MAX_PIXELS) {
        Ok(image) => image,
        Err(error) => {
            tracing::warn!("left out: {error}");
            return Ok(None);
        }
    };
    let middle = (image.width() as f32 / 2.0, image.height() as f32 / 2.0);
    let found = detector.detect(&image)?;
    let distance = |roi: &vision::Roi| (roi.center().x - middle.0).hypot(roi.center().y - middle.1);
    let nearest = found.iter().min_by(|a, b| distance(&a.roi).total_cmp(&distance(&b.roi)));
    let aligned = nearest.and_then(|face| align::face(&image, face.landmarks.as_ref(), &face.roi).ok());
    Ok(aligned.map(|face| face.pixels.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Entry;
    use vision::{DetectError, Detection, Point, Roi};

    /// Sees a face in the middle of bright pictures.
    struct Bright;

    impl FaceDetector for Bright {
        fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError> {
            let landmarks = [(40.0, 50.0), (88.0, 50.0), (64.0, 76.0), (45.0, 98.0), (83.0, 98.0)];
            let landmarks = landmarks.map(|(x, y)| Point { x, y });
            let face = Detection {
                roi: Roi { x: 20.0, y: 20.0, width: 88.0, height: 88.0 },
                score: 0.9,
                landmarks: Some(landmarks),
            };
            Ok(if image.data()[0] > 100 { vec![face] } else { Vec::new() })
        }

        fn set_score_threshold(&mut self, _: f32) {}

        fn kind(&self) -> vision::DetectorKind {
            vision::DetectorKind::YuNet
        }
    }

    #[test]
    fn pictures_with_a_face_become_a_pack_that_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |name: &str, grey: u8, cells: [&str; 2]| {
            let picture = dir.path().join(name);
            image::GrayImage::from_pixel(128, 128, image::Luma([grey])).save(&picture).unwrap();
            Entry { picture, cells: cells.map(str::to_owned).into() }
        };
        let mut entries = vec![
            entry("a.png", 200, ["train", "male"]),
            entry("b.png", 20, ["train", "female"]),
            entry("c.png", 150, ["test", "female"]),
        ];
        entries.push(Entry { picture: dir.path().join("missing.png"), cells: vec!["train".into(), String::new()] });
        let listing = Listing { columns: vec!["split", "gender"], entries };
        let out = dir.path().join("pack");
        let tally = write_pack(&listing, 0, &mut Bright, &out, &mut |_| ()).unwrap();
        assert_eq!(tally, Tally { taken: 2, left_out: 2 });
        let pack = learning::data::load_pack(&out, "gender", None).unwrap();
        assert_eq!((pack.train.len(), pack.test.len()), (1, 1));
        assert_eq!(pack.labels.iter().map(ToString::to_string).collect::<Vec<_>>(), ["female", "male"]);
    }
}
