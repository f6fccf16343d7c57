//! Pictures of a request made into the faces that a column learns from.

use std::sync::Mutex;

use network::{FaceCrop, Label};
use vision::{AlignError, BgrImage, DetectError, FaceDetector, align};

use crate::model::samples::LabelledFace;
use crate::sync::lock;

/// What a task is taught from.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it shows.
    pub label: Label,
    /// The pixels.
    pub pixels: SamplePixels,
}

/// The pixels of a sample.
#[derive(Debug, Clone)]
pub enum SamplePixels {
    /// A picture, whose largest face is found and aligned.
    Picture(BgrImage),
    /// An aligned face, 128×128 grey, taken as it is.
    Crop(FaceCrop),
}

impl From<LabelledFace> for Sample {
    fn from(LabelledFace { label, face }: LabelledFace) -> Self {
        Self { label, pixels: SamplePixels::Crop(face) }
    }
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
    pub(crate) fn crop(&self, samples: Vec<Sample>) -> Result<Vec<LabelledFace>, CropError> {
        let one = |(index, Sample { label, pixels }): (usize, Sample)| {
            let face = match pixels {
                SamplePixels::Crop(face) => face,
                SamplePixels::Picture(image) => self.face(index + 1, &label, &image)?,
            };
            Ok(LabelledFace { label, face })
        };
        samples.into_iter().enumerate().map(one).collect()
    }

    fn face(&self, number: usize, label: &Label, image: &BgrImage) -> Result<FaceCrop, CropError> {
        let label = || label.clone();
        let detections = {
            let mut detector = lock(&self.detector);
            detector.detect(image).map_err(|source| CropError::Detect { number, label: label(), source })?
        };
        let Some(largest) = vision::largest(&detections, |found| &found.roi) else {
            return Err(CropError::NoFace { number, label: label() });
        };
        let aligned = align::face(image, largest.landmarks.as_ref(), &largest.roi);
        let aligned = aligned.map_err(|source| CropError::Align { number, label: label(), source })?;
        Ok(aligned.pixels.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PaintedFaces, label, picture};

    fn sample(image: BgrImage) -> Sample {
        Sample { label: label("engaged"), pixels: SamplePixels::Picture(image) }
    }

    #[test]
    fn the_largest_face_of_a_picture_is_taken() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let both = picture(320, 240, &[(0, 20.0, 20.0, 60.0), (1, 150.0, 40.0, 120.0)]);
        let alone = picture(320, 240, &[(1, 150.0, 40.0, 120.0)]);
        let faces = cropper.crop(vec![sample(both), sample(alone)]).unwrap();
        assert_eq!(faces[0].face, faces[1].face);
    }

    #[test]
    fn a_picture_without_a_face_is_refused_by_number_and_label() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let empty = picture(320, 240, &[]);
        let someone = picture(320, 240, &[(0, 20.0, 20.0, 100.0)]);
        let message = cropper.crop(vec![sample(someone), sample(empty)]).unwrap_err().to_string();
        assert!(message.starts_with("image 2 (label 'engaged') has no face"), "{message}");
    }

    #[test]
    fn a_crop_is_taken_as_it_is() {
        let cropper = Cropper::new(Box::new(PaintedFaces));
        let crop = LabelledFace { label: label("engaged"), face: FaceCrop::from_fn(|_| 7) };
        assert_eq!(cropper.crop(vec![crop.clone().into()]).unwrap()[0].face, crop.face);
    }
}
