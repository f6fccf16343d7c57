//! Video files and cameras.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use opencv::{
    core::{self, Mat, MatTraitConst, Size},
    imgproc,
    videoio::{self, VideoCaptureTrait, VideoCaptureTraitConst, VideoWriterTrait, VideoWriterTraitConst},
};

use crate::{BgrImage, Rotation, VideoError, image::check_size};

/// A video file or a camera, frame by frame.
pub struct VideoReader {
    capture: videoio::VideoCapture,
    /// The file, so that it can be started again.
    path: Option<PathBuf>,
    /// How a phone was held.
    rotation: Rotation,
}

impl fmt::Debug for VideoReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl VideoReader {
    /// Opens a video file.
    ///
    /// # Errors
    /// [`VideoError::Open`] when it is missing or no video that OpenCV can read.
    pub fn open(path: &Path) -> Result<Self, VideoError> {
        let refused = || VideoError::Open(path.display().to_string());
        if !path.is_file() {
            return Err(refused());
        }
        let name = path.to_str().ok_or_else(refused)?;
        let mut capture = videoio::VideoCapture::from_file(name, videoio::CAP_ANY)?;
        if !capture.is_opened()? {
            return Err(refused());
        }
        let rotation = upright(&mut capture)?;
        Ok(Self { capture, path: Some(path.to_owned()), rotation })
    }

    /// Opens the camera `/dev/video{device}`.
    ///
    /// # Errors
    /// [`VideoError::Open`] when there is no such camera, or it is in use.
    pub fn open_device(device: u32) -> Result<Self, VideoError> {
        let refused = || VideoError::Open(format!("/dev/video{device}"));
        let index = i32::try_from(device).map_err(|_| refused())?;
        let capture = videoio::VideoCapture::new(index, videoio::CAP_ANY)?;
        if !capture.is_opened()? {
            return Err(refused());
        }
        Ok(Self { capture, path: None, rotation: Rotation::None })
    }

    /// The next frame; `None` at the end of the file, or when the camera gives no more.
    ///
    /// # Errors
    /// When a frame has no size that a picture can have.
    pub fn next_frame(&mut self) -> Result<Option<BgrImage>, VideoError> {
        let mut frame = Mat::default();
        if !self.capture.read(&mut frame)? || frame.empty() {
            return Ok(None);
        }
        if frame.channels() == 1 {
            let mut colour = Mat::default();
            imgproc::cvt_color_def(&frame, &mut colour, imgproc::COLOR_GRAY2BGR)?;
            frame = colour;
        }
        let image = BgrImage::from_mat(&frame)?;
        Ok(Some(match self.rotation {
            Rotation::None => image,
            rotation => rotation.upright(&image)?.into_owned(),
        }))
    }

    /// Time of the last frame since the file's begin, seconds; none where the file or the camera does not say.
    pub fn time_s(&self) -> Option<f64> {
        self.property(videoio::CAP_PROP_POS_MSEC).filter(|time| time.is_finite() && *time >= 0.0).map(|time| time / 1e3)
    }

    /// Starts a file again from its first frame; a camera goes on.
    ///
    /// # Errors
    /// As [`VideoReader::open`].
    pub fn rewind(&mut self) -> Result<(), VideoError> {
        // Opened anew: seeking is not exact in all containers.
        if let Some(path) = &self.path {
            *self = Self::open(path)?;
        }
        Ok(())
    }

    /// Frames a second, where the file or the camera says.
    pub fn fps(&self) -> Option<f64> {
        self.property(videoio::CAP_PROP_FPS).filter(|fps| (0.1..=1_000.0).contains(fps))
    }

    /// Frames in the file as its header says, which need not be exact; none for a camera.
    pub fn frame_count(&self) -> Option<u64> {
        self.path.as_ref()?;
        self.property(videoio::CAP_PROP_FRAME_COUNT)
            .filter(|count| (1.0..=1e12).contains(count))
            .map(|count| count as u64)
    }

    fn property(&self, name: i32) -> Option<f64> {
        self.capture.get(name).ok()
    }
}

/// Takes the turning of a phone's video over from OpenCV, which turned to the wrong side where OpenCV before 4.7 meets FFmpeg from 5
/// on: that one no longer has the tag `rotate`, and the display matrix counts the other way round.
fn upright(capture: &mut videoio::VideoCapture) -> Result<Rotation, VideoError> {
    if !capture.set(videoio::CAP_PROP_ORIENTATION_AUTO, 0.0)? {
        return Ok(Rotation::None);
    }
    let told = capture.get(videoio::CAP_PROP_ORIENTATION_META)?;
    let degrees = told.rem_euclid(360.0).round() as u16 % 360;
    let rotation = Rotation::try_from(degrees).unwrap_or_default();
    let (major, minor) = (core::CV_VERSION_MAJOR, core::CV_VERSION_MINOR);
    let reversed = (major, minor) < (4, 7) && avcodec(&core::get_build_information()?).is_some_and(|major| major >= 59);
    Ok(match rotation {
        Rotation::Quarter if reversed => Rotation::ThreeQuarters,
        Rotation::ThreeQuarters if reversed => Rotation::Quarter,
        rotation => rotation,
    })
}

/// The major version of FFmpeg's decoders that OpenCV was built with: `avcodec: YES (59.37.100)`.
fn avcodec(build: &str) -> Option<u32> {
    let line = build.lines().find(|line| line.trim_start().starts_with("avcodec:"))?;
    line.split_once('(')?.1.split('.').next()?.parse().ok()
}

/// Writes frames to a video file: MJPG in `.avi`, mp4v in `.mp4`, `.mov` and `.mkv`.
pub struct VideoWriter {
    writer: videoio::VideoWriter,
    size: (u32, u32),
}

impl fmt::Debug for VideoWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoWriter").field("size", &self.size).finish_non_exhaustive()
    }
}

impl VideoWriter {
    /// Creates the file for frames of `width` × `height` pixels, shown `fps` times a second.
    ///
    /// # Errors
    /// [`VideoError::Container`], [`VideoError::Rate`], a size that no picture can have, or [`VideoError::Open`] when the
    /// file cannot be written.
    pub fn create(path: &Path, width: u32, height: u32, fps: f64) -> Result<Self, VideoError> {
        check_size(width, height)?;
        if !(fps.is_finite() && fps > 0.0) {
            return Err(VideoError::Rate(fps));
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let [a, b, c, d] = match ending.as_deref() {
            Some("avi") => ['M', 'J', 'P', 'G'],
            Some("mp4" | "mov" | "mkv") => ['m', 'p', '4', 'v'],
            _ => return Err(VideoError::Container(path.to_owned())),
        };
        let refused = || VideoError::Open(path.display().to_string());
        let name = path.to_str().ok_or_else(refused)?;
        let codec = videoio::VideoWriter::fourcc(a, b, c, d)?;
        let size = Size::new(width as i32, height as i32);
        let writer = videoio::VideoWriter::new(name, codec, fps, size, true)?;
        if !writer.is_opened()? {
            return Err(refused());
        }
        Ok(Self { writer, size: (width, height) })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// [`VideoError::FrameSize`] when it has another size than the video.
    pub fn write(&mut self, image: &BgrImage) -> Result<(), VideoError> {
        let found = (image.width(), image.height());
        if found != self.size {
            return Err(VideoError::FrameSize { expected: self.size, found });
        }
        self.writer.write(&image.as_mat().map_err(VideoError::OpenCv)?)?;
        Ok(())
    }

    /// Completes the file; dropping the writer does so too, but cannot report an error.
    ///
    /// # Errors
    /// When the container cannot be completed.
    pub fn finish(mut self) -> Result<(), VideoError> {
        Ok(self.writer.release()?)
    }
}
