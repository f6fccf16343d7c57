//! Pictures from files and to files.

use std::{fs, path::Path};

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::{BgrImage, ImageError, encoding};

/// The most bytes of a JPEG or PNG file that a pixel may take; a file above that is not worth reading.
const MAX_FILE_BYTES_PER_PIXEL: u64 = 16;

impl BgrImage {
    /// Reads a JPEG or PNG file; a picture turned by its EXIF orientation is put upright.
    ///
    /// # Errors
    /// [`ImageError::Io`] when the file cannot be read, [`ImageError::File`] with the reason of
    /// [`encoding::decode_compressed`] when it is no such picture or has more than `max_pixels`.
    pub fn read(path: &Path, max_pixels: u64) -> Result<Self, ImageError> {
        let io = |source| ImageError::Io { path: path.to_owned(), source };
        let length = fs::metadata(path).map_err(io)?.len();
        if length > max_pixels.saturating_mul(MAX_FILE_BYTES_PER_PIXEL).saturating_add(1 << 20) {
            return Err(io(std::io::Error::new(
                std::io::ErrorKind::FileTooLarge,
                format!("{length} bytes are too many for a picture of {max_pixels} pixels"),
            )));
        }
        let bytes = fs::read(path).map_err(io)?;
        encoding::decode_compressed(&bytes, max_pixels).map_err(|source| in_file(path, source))
    }

    /// Encodes the picture as JPEG of `quality` 1 to 100.
    ///
    /// # Errors
    /// [`ImageError::Quality`] when `quality` is out of range.
    pub fn encode_jpeg(&self, quality: u8) -> Result<Vec<u8>, ImageError> {
        if !(1..=100).contains(&quality) {
            return Err(ImageError::Quality(quality));
        }
        let mut bytes = Vec::new();
        self.encode(JpegEncoder::new_with_quality(&mut bytes, quality))?;
        Ok(bytes)
    }

    /// Writes a `.png`, `.jpg` or `.jpeg` file (JPEG at quality 92).
    ///
    /// # Errors
    /// [`ImageError::File`] with [`ImageError::Format`] for any other ending, [`ImageError::Io`] when the file cannot be
    /// written.
    pub fn write(&self, path: &Path) -> Result<(), ImageError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let bytes = match ending.as_deref() {
            Some("png") => {
                let mut bytes = Vec::new();
                self.encode(PngEncoder::new(&mut bytes)).map(|()| bytes)
            }
            Some("jpg" | "jpeg") => self.encode_jpeg(92),
            _ => Err(ImageError::Format),
        }
        .map_err(|source| in_file(path, source))?;
        fs::write(path, bytes).map_err(|source| ImageError::Io { path: path.to_owned(), source })
    }

    fn encode(&self, encoder: impl ImageEncoder) -> Result<(), ImageError> {
        let mut rgb = self.data().to_vec();
        rgb.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
        encoder
            .write_image(&rgb, self.width(), self.height(), ExtendedColorType::Rgb8)
            .map_err(|error| ImageError::Encode(error.to_string()))
    }
}

fn in_file(path: &Path, source: ImageError) -> ImageError {
    ImageError::File { path: path.to_owned(), source: Box::new(source) }
}
