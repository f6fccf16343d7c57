//! Where `annotate` writes: marked videos and pictures, the table, the crops.

use crate::common::make_parent;
use crate::face_table::FaceTable;
use crate::source::{Source, is_picture, is_video};
use anyhow::{Context, bail};
use engine::{AnsweringTask, Attribute, Face, Frame};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vision::align::{self, FACE_SIZE};
use vision::draw::draw_face;
use vision::video::VideoWriter;
use vision::{BgrImage, TrackId};

/// Colours of tracks: blue, green, red; bright enough for any ground.
const COLOURS: [[u8; 3]; 6] =
    [[90, 220, 90], [60, 200, 255], [255, 190, 70], [200, 130, 255], [240, 240, 100], [120, 160, 255]];

/// What was seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames or pictures looked at.
    pub frames: usize,
    /// Pictures that could not be read.
    pub unreadable: usize,
    /// What of a video could not be read.
    pub missing: Option<String>,
    faces: usize,
    empty: usize,
    tracks: BTreeSet<TrackId>,
}

impl Tally {
    /// Counts a frame.
    pub fn add(&mut self, faces: &[Face]) {
        self.frames += 1;
        self.faces += faces.len();
        self.empty += usize::from(faces.is_empty());
        self.tracks.extend(faces.iter().map(|face| face.track_id.clone()));
    }

    /// One line.
    pub fn text(&self) -> String {
        format!(
            "{} frames, {} without a face; {} faces in {} tracks",
            self.frames,
            self.empty,
            self.faces,
            self.tracks.len()
        )
    }
}

/// All that is written.
pub struct Outputs {
    /// Folder, or the file itself for a video or a single picture.
    out: Option<PathBuf>,
    video: Option<VideoWriter>,
    table: Option<FaceTable>,
    crops: Option<PathBuf>,
    /// Name of the input.
    name: String,
    min_quality: f32,
}

/// Whether both paths exist and are the same.
fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Outputs {
    /// Decides where things go; nothing is written yet.
    ///
    /// # Errors
    /// An output would overwrite the input, or its name does not suit what goes there.
    pub fn new(source: &Source, input: &Path, out: Option<&Path>, crops: Option<&Path>) -> anyhow::Result<Self> {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let out = out.map(|out| destination(source, input, out)).transpose()?;
        for output in out.iter().map(PathBuf::as_path).chain(crops) {
            if same(output, input) {
                bail!("{} is the input; choose another place for the output", output.display());
            }
        }
        Ok(Self { out, video: None, table: None, crops: crops.map(Path::to_owned), name, min_quality: 0.0 })
    }

    /// Begins the table. Crops below `min_quality`, which the engine would not judge, are left out.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn begin(&mut self, csv: Option<&Path>, heads: &[AnsweringTask], min_quality: f32) -> anyhow::Result<()> {
        self.table = csv.map(|path| FaceTable::create(path, heads)).transpose()?;
        self.min_quality = min_quality;
        Ok(())
    }

    /// Takes a video's frame; `fps` is that of the frames taken.
    ///
    /// # Errors
    /// The disk refuses, or the codec does.
    pub fn frame(&mut self, number: usize, time: f64, fps: f64, frame: Frame, faces: &[Face]) -> anyhow::Result<()> {
        if let Some(table) = &mut self.table {
            table.add(&self.name, number, Some(time), faces)?;
        }
        self.crop(faces, &frame.image, |_, face| format!("{}/{number:06}.png", face.track_id).into())?;
        let Some(path) = &self.out else { return Ok(()) };
        let writer = match &mut self.video {
            Some(writer) => writer,
            None => {
                make_parent(path)?;
                self.video.insert(VideoWriter::create(path, frame.image.width(), frame.image.height(), fps)?)
            }
        };
        writer.write(&marked(frame.image, faces)?).with_context(|| format!("writing {}", path.display()))
    }

    /// Takes a picture; `file` is its name below the input.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn picture(&mut self, number: usize, file: &Path, frame: Frame, faces: &[Face]) -> anyhow::Result<()> {
        if let Some(table) = &mut self.table {
            table.add(&file.display().to_string(), number, None, faces)?;
        }
        let (folder, stem) = (file.parent().unwrap_or(Path::new("")), file.file_stem().unwrap_or_default());
        self.crop(faces, &frame.image, |at, _| {
            folder.join(format!("{number:06}_{}_{}.png", stem.to_string_lossy(), at + 1))
        })?;
        let Some(out) = &self.out else { return Ok(()) };
        let path = if is_picture(out) { out.clone() } else { out.join(file) };
        make_parent(&path)?;
        Ok(marked(frame.image, faces)?.write(&path)?)
    }

    fn crop(&self, faces: &[Face], image: &BgrImage, name: impl Fn(usize, &Face) -> PathBuf) -> anyhow::Result<()> {
        let Some(crops) = &self.crops else { return Ok(()) };
        for (at, face) in faces.iter().enumerate().filter(|(_, face)| face.quality.overall >= self.min_quality) {
            // A face that cannot be aligned is not judged either.
            let Ok(aligned) = align::face(image, face.landmarks.as_ref(), &face.roi) else { continue };
            let path = crops.join(name(at, face));
            make_parent(&path)?;
            let side = FACE_SIZE as u32;
            image::save_buffer(&path, aligned.pixels.as_slice(), side, side, image::ExtendedColorType::L8)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Completes video and table.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(self) -> anyhow::Result<()> {
        if let Some(video) = self.video {
            video.finish()?;
        }
        self.table.map_or(Ok(()), FaceTable::finish)
    }
}

/// The file for a video or a single picture, or the folder for pictures.
fn destination(source: &Source, input: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    match source {
        Source::Video(_) if is_video(out) => Ok(out.to_owned()),
        Source::Video(_) if is_picture(out) => bail!("{} is a video; --out must be one, or a folder", input.display()),
        Source::Video(_) => Ok(out.join(input.with_extension("mp4").file_name().unwrap_or_default())),
        Source::Pictures { .. } if is_video(out) => bail!("{} is no video; --out must not be one", input.display()),
        Source::Pictures { .. } if input.is_dir() && is_picture(out) => {
            bail!("{} is a folder; --out must be one too", input.display())
        }
        // So that a folder with the picture in it is not taken for another place.
        Source::Pictures { .. } if input.is_file() && !is_picture(out) => {
            Ok(out.join(input.file_name().unwrap_or_default()))
        }
        Source::Pictures { .. } => Ok(out.to_owned()),
    }
}

/// `task: label 93%`, or what is unknown.
fn line(attribute: &Attribute) -> String {
    match &attribute.label {
        Some(label) => format!("{}: {label} {:.0}%", attribute.task, attribute.confidence * 100.0),
        None => format!("{}: unknown {:.0}%", attribute.task, attribute.unknown * 100.0),
    }
}

fn marked(mut image: BgrImage, faces: &[Face]) -> anyhow::Result<BgrImage> {
    for face in faces {
        let lines: Vec<String> =
            std::iter::once(face.track_id.to_string()).chain(face.attributes.iter().map(line)).collect();
        let sum: usize = face.track_id.as_str().bytes().map(usize::from).sum();
        draw_face(&mut image, &face.roi, face.landmarks.as_ref(), &lines, COLOURS[sum % COLOURS.len()])?;
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(dir: &Path) -> Source {
        Source::Pictures { root: dir.to_owned(), files: vec!["a.jpg".into()] }
    }

    #[test]
    fn an_output_that_would_overwrite_its_input_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let picture = dir.path().join("a.jpg");
        std::fs::write(&picture, b"").unwrap();
        let source = pictures(dir.path());
        // The folder onto itself, a picture onto itself, and a picture into its own folder.
        for (input, out) in [(dir.path(), dir.path()), (&*picture, &*picture), (&*picture, dir.path())] {
            let refused = Outputs::new(&source, input, Some(out), None).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|message| message.contains("is the input")), "{}", out.display());
        }
        assert!(Outputs::new(&source, dir.path(), Some(&dir.path().join("marked")), None).is_ok());
    }

    #[test]
    fn a_video_goes_to_the_file_named_or_into_the_folder_named() {
        let (input, source) = (Path::new("in/talk.webm"), Source::Video("in/talk.webm".into()));
        let to = |out: &str| destination(&source, input, Path::new(out));
        assert_eq!(to("marked.avi").unwrap(), Path::new("marked.avi"));
        assert_eq!(to("marked").unwrap(), Path::new("marked/talk.mp4"));
        assert!(to("marked.png").is_err());
    }

    #[test]
    fn the_tally_counts_frames_faces_and_tracks() {
        let face = |number| Face {
            track_id: TrackId::from_sequence(number),
            roi: vision::Roi::new(0.0, 0.0, 10.0, 10.0),
            score: 1.0,
            landmarks: None,
            quality: vision::Quality { size: 1.0, sharpness: 1.0, frontality: 1.0, brightness: 1.0, overall: 1.0 },
            attributes: vec![],
        };
        let mut tally = Tally::default();
        for faces in [vec![face(0), face(1)], vec![], vec![face(1)]] {
            tally.add(&faces);
        }
        assert_eq!(tally.text(), "3 frames, 1 without a face; 3 faces in 2 tracks");
    }
}
