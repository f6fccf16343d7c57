//! What can go wrong between a camera and an aligned face.

use std::{ops::RangeBounds, path::PathBuf};

use thiserror::Error;

/// The longest side of a picture in pixels; OpenCV's resampling counts them in signed 16-bit numbers.
pub const MAX_SIDE: u32 = 32_767;

/// A picture that cannot be read, made or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Width or height is 0 or above [`MAX_SIDE`].
    #[error("a picture of {width}×{height} pixels: each side must be 1 to {max}", max = MAX_SIDE)]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The bytes do not fill the picture.
    #[error("{width}×{height} pixels take {expected} bytes, there are {found}")]
    Length {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes that the size asks for.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A row is said to be shorter than its pixels.
    #[error("step {step} is too short for a row of {row} bytes")]
    Step {
        /// Bytes from one row to the next, as the message says.
        step: u32,
        /// Bytes that one row's pixels take.
        row: u64,
    },
    /// The encoding is none of those that [`crate::encoding::decode_raw`] lists.
    #[error("encoding {0:?} is not supported")]
    Encoding(String),
    /// The size does not suit the encoding (YUV 4:2:2 needs an even width, Bayer at least 3×3).
    #[error("encoding {encoding} cannot be {width}×{height}: {reason}")]
    EncodingSize {
        /// The encoding.
        encoding: &'static str,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What it needs.
        reason: &'static str,
    },
    /// The header says that the decoded picture is larger than allowed.
    #[error("a picture of {width}×{height} is above the limit of {max_pixels} pixels")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit, in pixels.
        max_pixels: u64,
    },
    /// Neither JPEG nor PNG.
    #[error("the data is neither JPEG nor PNG nor TIFF")]
    Format,
    /// A JPEG, PNG or TIFF that does not decode.
    #[error("the picture does not decode: {0}")]
    Decode(String),
    /// A picture that cannot be written as JPEG or PNG.
    #[error("the picture does not encode: {0}")]
    Encode(String),
    /// JPEG quality outside 1 to 100.
    #[error("JPEG quality {0} is not in 1..=100")]
    Quality(u8),
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture file that does not decode or encode.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ImageError>,
    },
    /// OpenCV reports an error of its own.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// A value of a configuration that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} = {value} is not in {range}")]
pub struct ConfigError {
    /// The field.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub range: &'static str,
}

impl ConfigError {
    /// Refuses `value` unless it is in `allowed`, which `range` spells out.
    pub(crate) fn check<T: PartialOrd + ToString>(
        name: &'static str,
        value: T,
        allowed: impl RangeBounds<T>,
        range: &'static str,
    ) -> Result<(), Self> {
        if allowed.contains(&value) {
            return Ok(());
        }
        Err(Self { name, value: value.to_string(), range })
    }
}

/// A detector that cannot be opened or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The model file is missing.
    #[error("no face detection model at {}", .0.display())]
    Missing(PathBuf),
    /// The model file is not the model it should be.
    #[error("{}: not a {expected} model: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// The model that was asked for.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No model was named at all.
    #[error("no face detection model: give a YuNet model or a Haar cascade")]
    NoModel,
    /// The model answered with tensors of another shape than it should.
    #[error("output {name}: expected {expected} values, found {found}")]
    Output {
        /// Name of the output.
        name: &'static str,
        /// Values that it should have.
        expected: usize,
        /// Values that it has.
        found: usize,
    },
    /// The model does not fit the picture.
    #[error("the network cannot be evaluated: {0}")]
    Network(String),
    /// A value of [`crate::DetectorConfig`] is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The picture cannot be prepared for the model.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// OpenCV reports an error of its own.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// A face that cannot be brought to the template.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmarks coincide or are not numbers: no similarity fits them.
    #[error("the landmarks are degenerate")]
    DegenerateLandmarks,
    /// The box is empty or not made of numbers.
    #[error("the region is degenerate")]
    DegenerateRoi,
    /// Nothing of the aligned square lies in the picture.
    #[error("the face lies outside the picture")]
    Outside,
}

/// A video that cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The file or device does not open.
    #[error("cannot open {0}")]
    Open(String),
    /// The file's ending names no container that can be written.
    #[error("{}: only .avi (MJPG) and .mp4, .mov, .mkv (mp4v) can be written", .0.display())]
    Container(PathBuf),
    /// The frame rate is not a positive number.
    #[error("a frame rate of {0} is not above 0")]
    Rate(f64),
    /// A frame has another size than the video.
    #[error("a frame of {found:?} pixels in a video of {expected:?}")]
    FrameSize {
        /// Width and height of the video.
        expected: (u32, u32),
        /// Width and height of the frame.
        found: (u32, u32),
    },
    /// A frame that is no picture.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// OpenCV reports an error of its own.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}
