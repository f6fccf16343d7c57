//! The picture with marked faces, for people to look at.

use std::sync::Arc;

use engine::{Attribute, Face, FrameResult};
use r2r::sensor_msgs::msg::CompressedImage;
use r2r::std_msgs::msg::Header;
use vision::{BgrImage, ImageError, draw};

use crate::convert::{text, time};

/// Blue, green, red; told apart by colour-blind people too (Okabe and Ito).
const COLOURS: [[u8; 3]; 6] =
    [[0, 159, 230], [233, 180, 86], [115, 158, 0], [66, 228, 240], [178, 114, 0], [167, 121, 204]];

/// The answer's picture with its faces marked, as JPEG; `None` when the answer came without its picture.
///
/// # Errors
/// When OpenCV cannot draw or encode.
pub(crate) fn annotated(result: FrameResult, jpeg_quality: u8) -> Result<Option<CompressedImage>, ImageError> {
    let Some(image) = result.image else { return Ok(None) };
    let mut image: BgrImage = Arc::unwrap_or_clone(image);
    for face in &result.faces {
        draw::draw_face(&mut image, &face.roi, face.landmarks.as_ref(), &lines(face), colour(face))?;
    }
    Ok(Some(CompressedImage {
        header: Header { stamp: time(result.stamp), frame_id: text(result.frame_id) },
        format: "jpeg".to_owned(),
        data: image.encode_jpeg(jpeg_quality)?,
    }))
}

fn lines(face: &Face) -> Vec<String> {
    std::iter::once(face.track_id.to_string()).chain(face.attributes.iter().map(line)).collect()
}

fn line(attribute: &Attribute) -> String {
    match &attribute.label {
        Some(label) => format!("{}: {label} {:.0}%", attribute.task, 100.0 * attribute.confidence),
        None => format!("{}: unknown {:.0}%", attribute.task, 100.0 * attribute.unknown),
    }
}

/// The same for a track in every frame.
fn colour(face: &Face) -> [u8; 3] {
    let sum: usize = face.track_id.as_str().bytes().map(usize::from).sum();
    COLOURS[sum % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::tests_faces::{result, someone};

    #[test]
    fn faces_are_marked_in_the_picture_of_their_frame() {
        let blank = BgrImage::new(160, 120, vec![0; 160 * 120 * 3]).unwrap();
        let picture = |faces| {
            let result = FrameResult { image: Some(Arc::new(blank.clone())), ..result(faces) };
            annotated(result, 90).unwrap().unwrap()
        };
        let (empty, marked) = (picture(vec![]), picture(vec![someone()]));
        assert_eq!(marked.format, "jpeg");
        assert_eq!((marked.header.stamp.sec, marked.header.frame_id.as_str()), (-3, "camera_optical_frame"));
        let bright = |message: &CompressedImage| {
            let image = vision::encoding::decode_compressed(&message.data, 160 * 120).unwrap();
            image.data().iter().filter(|&&value| value > 100).count()
        };
        assert_eq!(bright(&empty), 0);
        assert!(bright(&marked) > 100);
    }

    #[test]
    fn an_answer_without_its_picture_gives_none() {
        assert!(annotated(result(vec![someone()]), 90).unwrap().is_none());
    }

    #[test]
    fn a_line_names_the_label_or_says_unknown() {
        let mut attribute = someone().attributes.remove(0);
        assert_eq!(line(&attribute), "emotion: happy 70%");
        (attribute.label, attribute.unknown) = (None, 0.8);
        assert_eq!(line(&attribute), "emotion: unknown 80%");
    }
}
