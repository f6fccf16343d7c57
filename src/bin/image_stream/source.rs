//! Where pictures come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use engine::NewestSlot;
use vision::BgrImage;
use vision::video::VideoReader;

/// Larger pictures of a folder are refused.
const MAX_PIXELS: u64 = 64_000_000;

/// One video, folder or camera.
pub struct Source {
    name: String,
    kind: Kind,
    /// Frames a second at the source's own speed; `None`: a frame per picture that is asked for.
    fps: Option<f64>,
    /// Frames taken since the source began, this time round.
    taken: u64,
    /// Pictures asked for since then.
    asked: u64,
    current: BgrImage,
}

enum Kind {
    Video(VideoReader),
    Folder { files: Vec<PathBuf>, next: usize },
    Camera(Arc<NewestSlot<BgrImage>>),
}

/// Whether there is a next picture.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Picture,
    End,
}

impl Source {
    /// Opens a file, a folder or `/dev/videoN`, and takes its first picture.
    ///
    /// # Errors
    /// When there is no picture in it.
    pub fn open(path: &Path, every_frame: bool) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut kind = if let Some(device) = device(path) {
            Kind::Camera(camera(device)?)
        } else if path.is_dir() {
            Kind::Folder { files: pictures(path)?, next: 0 }
        } else {
            Kind::Video(VideoReader::open(path)?)
        };
        let fps = match &kind {
            Kind::Video(reader) if !every_frame => reader.fps(),
            _ => None,
        };
        let current = kind.take()?.with_context(|| format!("{name}: no picture in it"))?;
        Ok(Self { name, kind, fps, taken: 1, asked: 0, current })
    }

    /// The picture that [`Self::advance`] came to.
    pub fn picture(&self) -> &BgrImage {
        &self.current
    }

    /// What was opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the picture that [`Self::advance`] came to is the first, this time round.
    pub fn begins(&self) -> bool {
        self.asked == 1
    }

    /// Width over height.
    pub fn aspect(&self) -> f64 {
        f64::from(self.current.width()) / f64::from(self.current.height())
    }

    /// Goes on to the next picture of a stream of `rate` pictures a second. The first call keeps the first picture.
    ///
    /// # Errors
    /// When the source breaks off.
    pub fn advance(&mut self, rate: f64, restart: bool) -> anyhow::Result<Next> {
        let wanted = wanted(self.asked, self.fps.map(|fps| fps / rate));
        self.asked += 1;
        while self.taken < wanted {
            if let Some(picture) = self.kind.take().with_context(|| self.name.clone())? {
                self.current = picture;
                self.taken += 1;
                continue;
            }
            if !restart {
                return Ok(Next::End);
            }
            self.kind.rewind()?;
            self.current = self.kind.take()?.with_context(|| format!("{}: gives no more pictures", self.name))?;
            (self.taken, self.asked) = (1, 1);
            break;
        }
        Ok(Next::Picture)
    }
}

/// Frames that must have been taken for the picture of this number, from 0; `frames` a picture, `None`: one each.
fn wanted(picture: u64, frames: Option<f64>) -> u64 {
    // The small share keeps 0.999… frames from being none.
    frames.map_or(picture, |frames| (picture as f64 * frames + 1e-6) as u64) + 1
}

impl Kind {
    fn take(&mut self) -> anyhow::Result<Option<BgrImage>> {
        match self {
            Self::Video(reader) => Ok(reader.next_frame()?),
            Self::Folder { files, next } => {
                let Some(file) = files.get(*next) else { return Ok(None) };
                *next += 1;
                Ok(Some(BgrImage::read(file, MAX_PIXELS)?))
            }
            Self::Camera(slot) => Ok(slot.take()),
        }
    }

    fn rewind(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Video(reader) => reader.rewind()?,
            Self::Folder { next, .. } => *next = 0,
            Self::Camera(_) => bail!("the camera gives no more pictures"),
        }
        Ok(())
    }
}

/// The number of `/dev/videoN`.
fn device(path: &Path) -> Option<u32> {
    path.to_str()?.strip_prefix("/dev/video")?.parse().ok()
}

/// Reads a camera at its own pace, so that what is published is never old.
fn camera(device: u32) -> anyhow::Result<Arc<NewestSlot<BgrImage>>> {
    let mut reader = VideoReader::open_device(device)?;
    let slot = Arc::new(NewestSlot::default());
    let fill = Arc::clone(&slot);
    std::thread::Builder::new().name("camera".into()).spawn(move || {
        while let Ok(Some(picture)) = reader.next_frame() {
            fill.put(picture);
        }
        fill.close();
    })?;
    Ok(slot)
}

/// The JPEG and PNG files of a folder, by name.
fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
    };
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    let mut files: Vec<PathBuf> = paths.into_iter().filter(is_picture).collect();
    ensure!(!files.is_empty(), "{}: no .jpg, .jpeg or .png in it", folder.display());
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of grey pictures, each with its number as its brightness.
    fn folder(count: u8) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..count {
            let image = BgrImage::new(16, 16, vec![10 * number; 16 * 16 * 3]).unwrap();
            image.write(&dir.path().join(format!("{number:02}.png"))).unwrap();
        }
        fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
        dir
    }

    #[test]
    fn a_folder_is_shown_in_order_and_starts_again() {
        let dir = folder(3);
        let mut source = Source::open(dir.path(), false).unwrap();
        let mut shown = vec![];
        for _ in 0..7 {
            assert_eq!(source.advance(5.0, true).unwrap(), Next::Picture);
            shown.push(source.picture().data()[0]);
            assert_eq!(source.begins(), source.picture().data()[0] == 0);
        }
        assert_eq!(shown, [0, 10, 20, 0, 10, 20, 0]);
    }

    #[test]
    fn without_a_loop_every_picture_is_shown_once() {
        let dir = folder(3);
        let mut source = Source::open(dir.path(), false).unwrap();
        let shown = std::iter::from_fn(|| (source.advance(5.0, false).unwrap() == Next::Picture).then_some(())).count();
        assert_eq!(shown, 3);
    }

    #[test]
    fn a_video_keeps_its_own_speed() {
        let frames =
            |fps: f64, rate: f64| (0..=30).map(|picture| wanted(picture, Some(fps / rate))).collect::<Vec<_>>();
        assert_eq!(frames(30.0, 30.0), (1..=31).collect::<Vec<_>>());
        assert_eq!(frames(30.0, 15.0)[30], 61);
        assert_eq!(frames(15.0, 30.0)[30], 16);
        // A second of a stream is a second of the video, at odd rates too.
        assert_eq!(wanted(15, Some(23.976 / 15.0)), 24);
        assert_eq!(wanted(7, None), 8);
    }

    #[test]
    fn what_has_no_pictures_is_refused_with_its_name() {
        let empty = tempfile::tempdir().unwrap();
        for path in [empty.path().to_owned(), empty.path().join("missing.mp4")] {
            let message = format!("{:#}", Source::open(&path, false).err().unwrap());
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
    }
}
