//! Where in the largest face the tasks look, while somebody wants to see it.

use std::sync::atomic::{AtomicBool, Ordering};

use engine::{EngineConfig, Explained, Explainer, Face, FrameResult, NewestSlot};
use r2r::Publisher;
use r2r::sensor_msgs::msg::CompressedImage;
use r2r::std_msgs::msg::Header;
use vision::{BgrImage, ImageError, align, draw};

use crate::convert::{text, time};

/// Side of a tile, pixels.
const SIDE: usize = 128;
/// Height of the line of text above each row, pixels.
const LINE: usize = 24;
/// Blue, green, red.
const INK: [u8; 3] = [255, 255, 255];

/// Explains newest frames until the slot is closed; loads weights when there is somebody to see it, and gives them up
/// after.
pub(crate) fn explain_loop(
    frames: &NewestSlot<FrameResult>,
    publisher: &Publisher<CompressedImage>,
    wanted: &AtomicBool,
    config: &EngineConfig,
    jpeg_quality: impl Fn() -> u8,
) {
    let mut explainer: Option<Explainer> = None;
    while let Some(result) = frames.take() {
        if !wanted.load(Ordering::Relaxed) {
            explainer = None;
            continue;
        }
        match explanation(result, &mut explainer, config, jpeg_quality()) {
            Ok(Some(picture)) => {
                if let Err(error) = publisher.publish(&picture) {
                    tracing::debug!("no explanation: {error}");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("no explanation: {error}"),
        }
    }
}

/// Where a task looks in a face of an answer, as JPEG; `None` where the face cannot be seen whole, or the task says nothing.
///
/// # Errors
/// The weights cannot be loaded, or OpenCV cannot draw.
pub(crate) fn of_face(
    result: &FrameResult,
    track: &str,
    task: &str,
    config: &EngineConfig,
    jpeg_quality: u8,
) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error>> {
    let face = result.faces.iter().find(|face| face.track_id.as_str() == track);
    explained(result, face, &mut None, config, jpeg_quality, |explained| explained.task.as_str() == task)
}

/// The sheet of the wanted tasks for a face, as JPEG.
fn explained(
    result: &FrameResult,
    face: Option<&Face>,
    explainer: &mut Option<Explainer>,
    config: &EngineConfig,
    jpeg_quality: u8,
    wanted: impl Fn(&Explained) -> bool,
) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error>> {
    let (Some(image), Some(face)) = (result.image.as_ref(), face) else { return Ok(None) };
    // A face at the edge of the picture may not be there in the next one.
    let Ok(aligned) = align::face(image, face.landmarks.as_ref(), &face.roi) else { return Ok(None) };
    let explainer = match explainer {
        Some(explainer) => explainer,
        None => explainer.insert(Explainer::open(config)?),
    };
    let mut found = explainer.explain(aligned.pixels.as_slice())?;
    found.retain(wanted);
    if found.is_empty() {
        return Ok(None);
    }
    Ok(Some(sheet(aligned.pixels.as_slice(), face.track_id.as_str(), &found)?.encode_jpeg(jpeg_quality)?))
}

fn explanation(
    result: FrameResult,
    explainer: &mut Option<Explainer>,
    config: &EngineConfig,
    jpeg_quality: u8,
) -> Result<Option<CompressedImage>, Box<dyn std::error::Error>> {
    let largest = vision::largest(&result.faces, |face| &face.roi);
    let jpeg = explained(&result, largest, explainer, config, jpeg_quality, |_| true)?;
    let header = Header { stamp: time(result.stamp), frame_id: text(result.frame_id) };
    Ok(jpeg.map(|data| CompressedImage { header, format: "jpeg".to_owned(), data }))
}

/// A row of tiles for each task.
fn sheet(face: &[u8], track: &str, found: &[Explained]) -> Result<BgrImage, ImageError> {
    let tiles = network::Explanation::TILES.len();
    let (width, row) = (tiles * SIDE, LINE + SIDE);
    let mut data = vec![0u8; width * row * found.len().max(1) * 3];
    for (at, explained) in found.iter().enumerate() {
        for (column, tile) in explained.explanation.tiles(face).iter().enumerate() {
            for (y, pixels) in tile.chunks(SIDE * 3).enumerate() {
                let start = ((at * row + LINE + y) * width + column * SIDE) * 3;
                for (to, rgb) in data[start..start + SIDE * 3].chunks_mut(3).zip(pixels.chunks(3)) {
                    to.copy_from_slice(&[rgb[2], rgb[1], rgb[0]]);
                }
            }
        }
    }
    let mut image = BgrImage::new(width as u32, (row * found.len().max(1)) as u32, data)?;
    for (at, explained) in found.iter().enumerate() {
        let line =
            format!("{track}  {}: {}  (logit {:.1})", explained.task, explained.label, explained.explanation.logit);
        draw::draw_text(&mut image, 4, (at * row) as i32 + 2, &[line], INK)?;
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::Explanation;

    #[test]
    fn a_sheet_has_a_row_of_tiles_for_each_task() {
        let pixels = SIDE * SIDE;
        let explained = |task: &str| Explained {
            task: task.parse().unwrap(),
            label: "up".parse().unwrap(),
            explanation: Explanation {
                class: 0,
                logit: 2.5,
                guided: vec![0.0; pixels],
                cam: vec![1.0; pixels],
                encoder_cam: vec![0.0; pixels],
            },
        };
        let image = sheet(&vec![77; pixels], "abc", &[explained("mood"), explained("age")]).unwrap();
        assert_eq!((image.width(), image.height()), (640, 304));
        let pixel = |x: usize, y: usize| &image.data()[(y * 640 + x) * 3..][..3];
        assert_eq!(pixel(64, 152 + 24 + 64), [77, 77, 77]);
        let (red, blue) = (pixel(2 * 128 + 64, 100), pixel(4 * 128 + 64, 100));
        assert!(red[2] > red[0] && blue[0] > blue[2], "{red:?} {blue:?}");
    }
}
