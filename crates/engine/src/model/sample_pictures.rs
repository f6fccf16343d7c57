//! The files of crops: 128×128 grey PNG, encrypted where there is a key.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, ImageResult};
use network::{FACE_SIZE, FaceCrop, FaceCropError};

use crate::model::disk::{self, Access, Links};
use crate::model::sample_cipher::{self, SampleCipher};
use crate::model::sample_error::SampleError;

/// Of a stored picture: 128×128 grey pixels take 16 KB as they are, what was read of them ([`super::sample_reading`]) 57 KB and as much
/// for each column with blocks that tasks draw from.
pub(crate) const MAX_PICTURE_BYTES: u64 = (2 << 20) + 1024;

/// A folder's pictures by number.
pub(crate) fn pictures(folder: &Path) -> Result<Vec<(u32, PathBuf)>, SampleError> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SampleError::io(folder)(error)),
        // It could lead to pictures of others.
        Ok(found) if !found.is_dir() => {
            return Err(SampleError::io(folder)(io::Error::new(
                io::ErrorKind::InvalidInput,
                "is no folder, or a link to one",
            )));
        }
        Ok(_) => {}
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(SampleError::io(folder))? {
        let entry = entry.map_err(SampleError::io(folder))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".png")).and_then(|stem| stem.parse().ok());
        found.extend(number.map(|number: u32| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// A crop as 128×128 grey PNG.
pub(crate) fn encode(face: &FaceCrop) -> ImageResult<Vec<u8>> {
    let mut png = Vec::new();
    let side = FACE_SIZE as u32;
    PngEncoder::new(&mut png).write_image(face.as_slice(), side, side, ExtendedColorType::L8)?;
    Ok(png)
}

pub(crate) fn write_picture(
    folder: &Path,
    path: &Path,
    face: &FaceCrop,
    cipher: Option<&SampleCipher>,
) -> Result<(), SampleError> {
    let png = encode(face).map_err(|error| SampleError::io(path)(io::Error::other(error)))?;
    let bytes = match cipher {
        Some(cipher) => cipher.encrypt(&png).map_err(|said| SampleError::io(path)(io::Error::other(said)))?,
        None => png,
    };
    let mut part = disk::unfinished(folder, Access::Private).map_err(SampleError::io(folder))?;
    io::Write::write_all(&mut part, &bytes).map_err(SampleError::io(path))?;
    disk::keep(part, path, Access::Private).map_err(SampleError::io(path))
}

pub(crate) fn read_picture(path: &Path, cipher: Option<&SampleCipher>) -> Result<FaceCrop, SampleError> {
    decode(path, &read_plain(path, cipher)?)
}

/// The bytes of a picture as they were before they were encrypted.
pub(crate) fn read_plain(path: &Path, cipher: Option<&SampleCipher>) -> Result<Vec<u8>, SampleError> {
    let bytes = read_stored(path)?;
    match (sample_cipher::is_encrypted(&bytes), cipher) {
        (false, _) => Ok(bytes),
        (true, None) => Err(SampleError::Encrypted { path: path.to_path_buf() }),
        (true, Some(cipher)) => {
            cipher.decrypt(&bytes).ok_or_else(|| SampleError::Encrypted { path: path.to_path_buf() })
        }
    }
}

/// The crop in a picture; the path is for messages.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<FaceCrop, SampleError> {
    let wrong = |found: String| SampleError::Picture { path: path.to_path_buf(), found };
    let reader = || ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    // Imported folders may hold anything: look at the size before decoding.
    let (width, height) = reader().into_dimensions().map_err(|error| wrong(error.to_string()))?;
    if (width, height) != (FACE_SIZE as u32, FACE_SIZE as u32) {
        return Err(wrong(format!("{width}x{height} pixels")));
    }
    let picture = reader().decode().map_err(|error| wrong(error.to_string()))?;
    match picture {
        image::DynamicImage::ImageLuma8(grey) => {
            grey.into_raw().try_into().map_err(|error: FaceCropError| wrong(error.to_string()))
        }
        other => Err(wrong(format!("{:?}", other.color()))),
    }
}

/// Whether a picture is encrypted, by its first bytes: a start looks at all of them.
pub(crate) fn starts_encrypted(path: &Path) -> Result<bool, SampleError> {
    let start = disk::read_start(path, sample_cipher::MAGIC.len() as u64, Links::Refused);
    Ok(sample_cipher::is_encrypted(&start.map_err(SampleError::io(path))?))
}

/// The bytes of a file, encrypted or not.
pub(crate) fn read_stored(path: &Path) -> Result<Vec<u8>, SampleError> {
    disk::read_file(path, MAX_PICTURE_BYTES, Links::Refused).map_err(SampleError::io(path))
}
