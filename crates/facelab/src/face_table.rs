//! Faces as a table: one row per face and frame, and one for each frame without a face.

use crate::common::make_parent;
use anyhow::Context;
use engine::{AnsweringTask, Face};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Columns before those of the tasks.
const FIXED: [&str; 20] = [
    "file",
    "frame",
    "time_s",
    "track_id",
    "x",
    "y",
    "width",
    "height",
    "score",
    "quality",
    "left_eye_x",
    "left_eye_y",
    "right_eye_x",
    "right_eye_y",
    "nose_x",
    "nose_y",
    "left_mouth_x",
    "left_mouth_y",
    "right_mouth_x",
    "right_mouth_y",
];

/// A CSV file with one row per face and frame, and one for each frame without a face. Until it is finished it has another name, and
/// an older file of its name stays.
pub struct FaceTable {
    /// None once it is finished.
    writer: Option<csv::Writer<File>>,
    path: PathBuf,
    unfinished: PathBuf,
    heads: Vec<AnsweringTask>,
}

/// Names of the columns: the face's place, then per task the label, its probability, the unknown share, the number of
/// judgements behind it, and `task:label` for each label.
fn header(heads: &[AnsweringTask]) -> Vec<String> {
    let mut names: Vec<String> = FIXED.iter().map(|&name| name.to_owned()).collect();
    for head in heads {
        let task = &head.name;
        names.push(task.to_string());
        names.extend(["confidence", "unknown", "observations"].map(|what| format!("{task}_{what}")));
        names.extend(head.labels.iter().map(|label| format!("{task}:{label}")));
    }
    names
}

/// File, frame and time.
fn place(file: &str, frame: usize, time_s: Option<f64>) -> [String; 3] {
    [file.to_owned(), frame.to_string(), time_s.map_or_else(String::new, |time| format!("{time:.3}"))]
}

/// The values of one face, in the header's order; what is not known stays empty.
fn row(file: &str, frame: usize, time_s: Option<f64>, face: &Face, heads: &[AnsweringTask]) -> Vec<String> {
    let pixels = |value: f32| format!("{value:.1}");
    let share = |value: f32| format!("{value:.4}");
    let mut values = place(file, frame, time_s).to_vec();
    values.push(face.track_id.to_string());
    values.extend([face.roi.x, face.roi.y, face.roi.width, face.roi.height].map(pixels));
    values.extend([face.score, face.quality.overall].map(share));
    match &face.landmarks {
        Some(landmarks) => values.extend(landmarks.iter().flat_map(|point| [pixels(point.x), pixels(point.y)])),
        None => values.resize(FIXED.len(), String::new()),
    }
    for head in heads {
        let Some(attribute) = face.attributes.iter().find(|attribute| attribute.task == head.name) else {
            values.resize(values.len() + 4 + head.labels.len(), String::new());
            continue;
        };
        values.push(attribute.label.as_ref().map_or_else(String::new, ToString::to_string));
        values.extend([share(attribute.confidence), share(attribute.unknown), attribute.observations.to_string()]);
        values.extend(attribute.probabilities.iter().map(|&value| share(value)));
    }
    values
}

impl FaceTable {
    /// Begins the file with its header.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, heads: &[AnsweringTask]) -> anyhow::Result<Self> {
        make_parent(path)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let writer = csv::Writer::from_path(&unfinished).with_context(|| format!("writing {}", path.display()))?;
        let mut table = Self { writer: Some(writer), path: path.to_owned(), unfinished, heads: heads.to_vec() };
        table.record(&header(heads))?;
        Ok(table)
    }

    fn record(&mut self, values: &[String]) -> anyhow::Result<()> {
        let writer = self.writer.as_mut().context("the table is finished")?;
        writer.write_record(values).with_context(|| format!("writing {}", self.path.display()))
    }

    /// Adds the faces of a frame; `time_s` is its time in a video.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, file: &str, frame: usize, time_s: Option<f64>, faces: &[Face]) -> anyhow::Result<()> {
        if faces.is_empty() {
            let mut values = place(file, frame, time_s).to_vec();
            values.resize(header(&self.heads).len(), String::new());
            return self.record(&values);
        }
        for face in faces {
            let values = row(file, frame, time_s, face, &self.heads);
            self.record(&values)?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let writing = || format!("writing {}", self.path.display());
        self.writer.take().map_or(Ok(()), |mut writer| writer.flush()).with_context(writing)?;
        std::fs::rename(&self.unfinished, &self.path).with_context(writing)
    }
}

impl Drop for FaceTable {
    /// A run that failed leaves nothing.
    fn drop(&mut self) {
        if self.writer.is_some() {
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Attribute, Stamp};
    use learning::Calibration;
    use vision::{Point, Quality, Roi, TrackId};

    fn head(name: &str, labels: &[&str]) -> AnsweringTask {
        AnsweringTask {
            name: name.parse().unwrap(),
            version: 1,
            labels: labels.iter().map(|label| label.parse().unwrap()).collect(),
            kind: engine::TaskKind::General,
            calibration: Calibration::default(),
        }
    }

    fn face(attributes: Vec<Attribute>) -> Face {
        Face {
            track_id: TrackId::from_sequence(0),
            roi: Roi::new(1.0, 2.0, 30.0, 40.0),
            score: 0.9,
            landmarks: Some([Point::new(5.0, 6.0); 5]),
            quality: Quality { size: 1.0, sharpness: 1.0, frontality: 1.0, brightness: 1.0, overall: 1.0 },
            attributes,
        }
    }

    #[test]
    fn every_row_has_a_value_for_every_column_and_gaps_where_nothing_is_known() {
        let heads = [head("mood", &["calm", "tense, or so"]), head("who", &["ada", "grace"])];
        let mood = Attribute {
            task: heads[0].name.clone(),
            label: None,
            confidence: 0.3,
            unknown: 0.6,
            labels: heads[0].labels.clone(),
            probabilities: vec![0.3, 0.1],
            stamp: Stamp::default(),
            observations: 2,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faces.csv");
        let mut table = FaceTable::create(&path, &heads).unwrap();
        let haar = Face { landmarks: None, ..face(vec![]) };
        table.add("film.mp4", 7, Some(0.28), &[face(vec![mood]), haar]).unwrap();
        table.finish().unwrap();

        let mut reader = csv::Reader::from_path(&path).unwrap();
        let columns = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let value = |row: usize, name: &str| rows[row][columns.iter().position(|c| c == name).unwrap()].to_owned();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (value(0, "frame"), value(0, "time_s"), value(0, "width")),
            ("7".into(), "0.280".into(), "30.0".into())
        );
        assert_eq!((value(0, "mood"), value(0, "mood_unknown")), (String::new(), "0.6000".into()));
        assert_eq!((value(0, "mood_observations"), value(0, "mood:tense, or so")), ("2".into(), "0.1000".into()));
        assert_eq!((value(0, "right_mouth_y"), value(1, "right_mouth_y")), ("6.0".into(), String::new()));
        assert_eq!((value(0, "who:ada"), value(1, "mood:calm")), (String::new(), String::new()));
    }

    #[test]
    fn a_table_that_is_not_finished_leaves_the_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faces.csv");
        std::fs::write(&path, "older").unwrap();
        let mut table = FaceTable::create(&path, &[]).unwrap();
        table.add("film.mp4", 0, Some(0.0), &[]).unwrap();
        drop(table);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "older");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let mut table = FaceTable::create(&path, &[]).unwrap();
        table.add("film.mp4", 3, Some(0.1), &[]).unwrap();
        table.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with("film.mp4,3,0.100,,"), "{text}");
    }
}
