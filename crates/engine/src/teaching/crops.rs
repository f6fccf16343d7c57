//! Pictures of a request made into the faces that a column learns from.

use std::sync::Mutex;

use learning::Face as FacePixels;
use network::Label;
use vision::align::{align, align_roi, from_crop};
use vision::{AlignError, BgrImage, DetectError, Detection, FaceDetector};

/// One labelled picture.
#[derive(Debug, Clone)]
pub struct SampleImage {
    /// What it shows.
    pub label: Label,
    /// The pixels.
    pub source: ImageSource,
    /// Already a face crop: taken as it is. Otherwise the largest face is found and aligned.
    pub is_crop: bool,
}

/// Where the pixels of a sample are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ImageSource {
    /// Decoded.
    Bgr(BgrImage),
}

/// A sample from which no face can be taken. `number` counts from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CropError {
    /// Nobody is to be seen.
    #[error(
        "image {number} (label '{label}') has no face; give a picture that shows a whole face, \
         or set is_crop when it already is a face crop"
    )]
    NoFace {
        /// Which sample.
        number: usize,
        /// Its label.
        label: Label,
    },
    /// A face was found where none can be cut out.
    #[error(
        "image {number} (label '{label}'): the face cannot be aligned: {source}; give a picture that shows more of it"
    )]
    Align {
        /// Which sample.
        number: usize,
        /// Its label.
        label: Label,
        /// Why.
        source: AlignError,
    },
    /// The detector refuses the picture.
    #[error("image {number} (label '{label}'): face detection: {source}")]
    Detect {
        /// Which sample.
        number: usize,
        /// Its label.
        label: Label,
        /// Why.
        source: DetectError,
    },
}

/// Finds faces in samples with a detector of its own, so that the camera's pictures never wait.
pub(crate) struct Cropper {
    detector: Mutex<Box<dyn FaceDetector>>,
}

impl Cropper {
    pub(crate) fn new(detector: Box<dyn FaceDetector>) -> Self {
        Self { detector: Mutex::new(detector) }
    }

    /// One face per sample, or the first sample that has none.
    pub(crate) fn crop(&self, samples: &[SampleImage]) -> Result<Vec<(Label, FacePixels)>, CropError> {
        let one = |(index, sample): (usize, &SampleImage)| Ok((sample.label.clone(), self.face(index + 1, sample)?));
        samples.iter().enumerate().map(one).collect()
    }

    fn face(&self, number: usize, sample: &SampleImage) -> Result<FacePixels, CropError> {
        let ImageSource::Bgr(image) = &sample.source;
        if sample.is_crop {
            return Ok(from_crop(image).pixels.into());
        }
        let label = || sample.label.clone();
        let detections = {
            let mut detector = self.detector.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            detector.detect(image).map_err(|source| CropError::Detect { number, label: label(), source })?
        };
        let largest = detections.iter().max_by(|a, b| a.roi.area().total_cmp(&b.roi.area()));
        let Some(Detection { roi, landmarks, .. }) = largest else {
            return Err(CropError::NoFace { number, label: label() });
        };
        let aligned = match landmarks {
            Some(landmarks) => align(image, landmarks),
            None => align_roi(image, roi),
        };
        let aligned = aligned.map_err(|source| CropError::Align { number, label: label(), source })?;
        Ok(aligned.pixels.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PaintedFaces, label, picture};

    fn sample(image: BgrImage, is_crop: bool) -> SampleImage {
        SampleImage { label: label("engaged"), source: ImageSource::Bgr(image), is_crop }
    }

    #[test]
    fn the_largest_face_of_a_picture_is_taken() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let both = picture(320, 240, &[(0, 20.0, 20.0, 60.0), (1, 150.0, 40.0, 120.0)]);
        let alone = picture(320, 240, &[(1, 150.0, 40.0, 120.0)]);
        let faces = cropper.crop(&[sample(both, false), sample(alone, false)]).unwrap();
        assert_eq!(faces[0].1.len(), 128 * 128);
        assert_eq!(faces[0], faces[1]);
    }

    #[test]
    fn a_picture_without_a_face_is_refused_by_number_and_label() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let empty = picture(320, 240, &[]);
        let someone = picture(320, 240, &[(0, 20.0, 20.0, 100.0)]);
        let message = cropper.crop(&[sample(someone, false), sample(empty, false)]).unwrap_err().to_string();
        assert!(message.starts_with("image 2 (label 'engaged') has no face"), "{message}");
    }

    #[test]
    fn a_crop_is_taken_as_it_is() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let faces = cropper.crop(&[sample(picture(128, 128, &[]), true)]).unwrap();
        assert_eq!(faces[0].1.len(), 128 * 128);
    }
}
