//! The pictures of a request.

use engine::{Sample, SamplePixels};
use network::{Label, NameError};
use r2r::face_attributes::msg;
use vision::align::from_crop;
use vision::{BgrImage, ImageError, encoding};

use super::frames;

/// How much a request may ask to be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureLimits {
    /// Of one picture.
    pub(crate) pixels: u64,
    /// Of all of a request, which are in memory at once.
    pub(crate) total: u64,
}

impl PictureLimits {
    pub(crate) fn new(max_image_pixels: u64) -> Self {
        Self { pixels: max_image_pixels, total: max_image_pixels.saturating_mul(4) }
    }
}

/// A sample that cannot be taken. `number` counts from 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    #[error("image {number}: {source}")]
    Label { number: usize, source: NameError },
    #[error("image {number} (label '{label}') is empty; fill `image` or `compressed`")]
    Empty { number: usize, label: Label },
    #[error("image {number} (label '{label}') has both `image` and `compressed`; leave one empty")]
    Both { number: usize, label: Label },
    #[error("image {number} (label '{label}'): {source}; shrink it, or raise the node's parameter max_image_pixels")]
    TooLarge { number: usize, label: Label, source: ImageError },
    #[error(
        "image {number} (label '{label}'): {source}; give a JPEG or PNG in `compressed`, \
         or an encoding that the node subscribes to in `image`"
    )]
    Undecodable { number: usize, label: Label, source: ImageError },
    #[error(
        "the request's pictures have more than {total} pixels in all, from image {number} on; \
         send them in several requests with add_samples"
    )]
    TooMany { number: usize, total: u64 },
}

/// Decodes the pictures of a request.
///
/// # Errors
/// The first sample that cannot be taken, by its number and label.
pub(crate) fn samples(samples: Vec<msg::Sample>, limits: PictureLimits) -> Result<Vec<Sample>, SampleError> {
    let mut left = limits.total;
    let one = |(index, sample): (usize, msg::Sample)| {
        let number = index + 1;
        let is_crop = sample.is_crop;
        let (label, image) = decoded(number, sample, limits.pixels)?;
        let pixels = u64::from(image.width()) * u64::from(image.height());
        left = left.checked_sub(pixels).ok_or(SampleError::TooMany { number, total: limits.total })?;
        let pixels = match is_crop {
            true => SamplePixels::Crop(from_crop(&image).pixels.into()),
            false => SamplePixels::Picture(image),
        };
        Ok(Sample { label, pixels })
    };
    samples.into_iter().enumerate().map(one).collect()
}

fn decoded(number: usize, sample: msg::Sample, max_pixels: u64) -> Result<(Label, BgrImage), SampleError> {
    let label = Label::to_teach(sample.label).map_err(|source| SampleError::Label { number, source })?;
    let decoded: Result<BgrImage, ImageError> = match (sample.image.data.is_empty(), sample.compressed.data.is_empty())
    {
        (true, true) => return Err(SampleError::Empty { number, label }),
        (false, false) => return Err(SampleError::Both { number, label }),
        (false, true) => frames::raw(&sample.image, max_pixels),
        (true, false) => encoding::decode_compressed(&sample.compressed.data, max_pixels),
    };
    match decoded {
        Ok(image) => Ok((label, image)),
        Err(source @ ImageError::TooLarge { .. }) => Err(SampleError::TooLarge { number, label, source }),
        Err(source) => Err(SampleError::Undecodable { number, label, source }),
    }
}

#[cfg(test)]
mod tests {
    use r2r::sensor_msgs::msg::CompressedImage;

    use super::*;
    use crate::convert::frames::tests::image;

    const LIMITS: PictureLimits = PictureLimits { pixels: 100, total: 250 };

    fn sample(label: &str, width: u32, height: u32) -> msg::Sample {
        msg::Sample { label: label.to_owned(), image: image(width, height), is_crop: true, ..msg::Sample::default() }
    }

    fn compressed(data: Vec<u8>) -> msg::Sample {
        let compressed = CompressedImage { data, ..CompressedImage::default() };
        msg::Sample { label: "left".to_owned(), compressed, ..msg::Sample::default() }
    }

    fn refused(given: Vec<msg::Sample>) -> String {
        samples(given, LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn raw_and_compressed_samples_keep_label_and_kind() {
        let png = BgrImage::new(8, 4, vec![9; 96]).unwrap().encode_jpeg(90).unwrap();
        let images = samples(vec![sample("at ease", 10, 10), compressed(png)], LIMITS).unwrap();
        let told: Vec<_> =
            images.iter().map(|image| (image.label.as_str(), matches!(image.pixels, SamplePixels::Crop(_)))).collect();
        assert_eq!(told, [("at ease", true), ("left", false)]);
    }

    #[test]
    fn what_cannot_be_taken_is_refused_by_number_with_what_to_do() {
        let good = || sample("left", 4, 4);
        let message = refused(vec![good(), sample("", 4, 4)]);
        assert!(message.starts_with("image 2: ''"), "{message}");

        let message = refused(vec![msg::Sample { label: "left".to_owned(), ..msg::Sample::default() }]);
        assert!(message.contains("image 1 (label 'left') is empty; fill"), "{message}");

        let message = refused(vec![msg::Sample { compressed: compressed(vec![1]).compressed, ..good() }]);
        assert!(message.contains("leave one empty"), "{message}");

        let message = refused(vec![good(), good(), sample("left", 11, 10)]);
        assert!(message.starts_with("image 3 (label 'left')") && message.contains("max_image_pixels"), "{message}");

        let message = refused(vec![compressed(b"not a picture".to_vec())]);
        assert!(message.contains("neither JPEG nor PNG") && message.contains("give a JPEG"), "{message}");
    }

    #[test]
    fn a_request_cannot_fill_the_memory() {
        let message = refused(vec![sample("left", 10, 10), sample("left", 10, 10), sample("left", 10, 10)]);
        assert!(message.contains("from image 3 on") && message.contains("add_samples"), "{message}");
    }
}
