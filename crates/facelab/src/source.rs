//! What `annotate` reads: a video, a picture, or a folder of pictures.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Endings of pictures that are read, lower case.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];
/// Endings of videos that are written, lower case.
const VIDEOS: [&str; 4] = ["avi", "mp4", "mov", "mkv"];

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file of moving pictures.
    Video(PathBuf),
    /// Pictures that have nothing to do with each other.
    Pictures {
        /// The folder that their names are relative to.
        root: PathBuf,
        /// Relative paths, sorted.
        files: Vec<PathBuf>,
    },
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Whether a file's name says that it is a picture.
pub fn is_picture(path: &Path) -> bool {
    has_ending(path, &PICTURES)
}

/// Whether a file's name is one that a video can be written to.
pub fn is_video(path: &Path) -> bool {
    has_ending(path, &VIDEOS)
}

impl Source {
    /// Looks at what `path` is: a folder, a picture by its ending, else a video.
    ///
    /// # Errors
    /// It is missing, cannot be read, or is a folder without pictures.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let kind = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
        if kind.is_dir() {
            let mut files = Vec::new();
            collect(path, Path::new(""), &mut files)?;
            if files.is_empty() {
                bail!("{} holds no .jpg or .png picture", path.display());
            }
            files.sort();
            return Ok(Self::Pictures { root: path.to_owned(), files });
        }
        match path.file_name() {
            Some(name) if is_picture(path) => {
                let root = path.parent().unwrap_or(Path::new("")).to_owned();
                Ok(Self::Pictures { root, files: vec![name.into()] })
            }
            _ => Ok(Self::Video(path.to_owned())),
        }
    }
}

/// Pictures below `root`/`below`, as paths relative to `root`.
fn collect(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let folder = root.join(below);
    let reading = || format!("reading {}", folder.display());
    for entry in std::fs::read_dir(&folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let relative = below.join(entry.file_name());
        // Links to folders are not followed: they may lead in a circle.
        if entry.file_type().with_context(reading)?.is_dir() {
            collect(root, &relative, files)?;
        } else if is_picture(&relative) {
            files.push(relative);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_pictures_in_order_with_their_subfolders() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b")).unwrap();
        for name in ["b/2.PNG", "b/1.jpg", "a.jpeg", "notes.txt"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let Source::Pictures { files, .. } = Source::open(dir.path()).unwrap() else { panic!("not pictures") };
        assert_eq!(files, ["a.jpeg", "b/1.jpg", "b/2.PNG"].map(PathBuf::from));
    }

    #[test]
    fn a_file_is_a_picture_by_its_ending_and_else_a_video() {
        let dir = tempfile::tempdir().unwrap();
        let (picture, video) = (dir.path().join("one.JPG"), dir.path().join("film.webm"));
        for path in [&picture, &video] {
            std::fs::write(path, b"").unwrap();
        }
        let expected = Source::Pictures { root: dir.path().to_owned(), files: vec!["one.JPG".into()] };
        assert_eq!(Source::open(&picture).unwrap(), expected);
        assert_eq!(Source::open(&video).unwrap(), Source::Video(video));
    }

    #[test]
    fn a_missing_file_and_a_folder_without_pictures_are_errors_with_their_names() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Source::open(dir.path()).unwrap_err().to_string().contains("no .jpg or .png"));
        let missing = dir.path().join("missing.mp4");
        assert!(Source::open(&missing).unwrap_err().to_string().contains("missing.mp4"));
    }
}
