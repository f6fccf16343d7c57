//! The faces that a column was surest of and wrong about, as a picture.

use crate::figure::{FONT, write_picture};
use learning::data::argmax;
use learning::{Calibration, Evaluation, LabelledFaces};
use network::{FACE_SIZE, FaceCrop, Label};
use plotters::prelude::*;
use std::path::Path;

/// Faces on a sheet, and in a row of it.
const MOST: usize = 24;
const PER_ROW: usize = 8;
/// Space between tiles, pixels.
const GAP: i32 = 10;
/// Height of letters, pixels.
const TEXT: i32 = 14;
/// Height of a line of text, pixels.
const LINE: i32 = 18;

/// A wrong answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake<'a> {
    /// 128×128 grey.
    pub face: &'a FaceCrop,
    /// The answer, and its calibrated probability.
    pub answer: (&'a Label, f32),
    /// The data's label, and the probability that the column gave it.
    pub truth: (&'a Label, f32),
}

impl Mistake<'_> {
    fn captions(&self) -> [String; 2] {
        let line = |what: &str, (label, share): (&Label, f32)| format!("{what}: {label} {:.0}%", share * 100.0);
        [line("said", self.answer), line("data", self.truth)]
    }
}

/// The wrong answers, the surest first; 24 at most.
pub fn surest_mistakes<'a>(
    faces: &'a LabelledFaces,
    evaluation: &Evaluation,
    calibration: &Calibration,
) -> Vec<Mistake<'a>> {
    let answers = faces.faces.iter().zip(&evaluation.logits).zip(&evaluation.truth);
    let mut mistakes: Vec<Mistake> = answers
        .filter_map(|((face, logits), &truth)| {
            let answer = argmax(logits);
            let shares = calibration.closed_set(logits);
            let said = |class: usize| (&faces.labels[class], shares[class]);
            (answer != truth).then(|| Mistake { face, answer: said(answer), truth: said(truth) })
        })
        .collect();
    mistakes.sort_by(|a, b| b.answer.1.total_cmp(&a.answer.1));
    mistakes.truncate(MOST);
    mistakes
}

/// Writes them as PNG, each over what was said and what the data says. Without mistakes a row stays empty.
///
/// # Errors
/// The file cannot be written.
pub fn write_mistakes(path: &Path, title: &str, mistakes: &[Mistake]) -> anyhow::Result<()> {
    let side = FACE_SIZE as i32;
    let (across, down) = (side + GAP, side + 2 * LINE + GAP);
    let rows = mistakes.len().div_ceil(PER_ROW).max(1) as i32;
    let size = ((GAP + PER_ROW as i32 * across) as u32, (2 * LINE + rows * down) as u32);
    write_picture(path, size, |area| {
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        let style = (FONT, TEXT).into_font().color(&BLACK);
        area.draw_text(title, &style, (GAP, GAP)).map_err(|error| error.to_string())?;
        for (at, mistake) in mistakes.iter().enumerate() {
            let (x, y) = (GAP + (at % PER_ROW) as i32 * across, 2 * LINE + (at / PER_ROW) as i32 * down);
            let colours: Vec<u8> = mistake.face.iter().flat_map(|&grey| [grey; 3]).collect();
            let tile = BitMapElement::with_owned_buffer((x, y), (FACE_SIZE as u32, FACE_SIZE as u32), colours);
            area.draw(&tile.ok_or("a face of another size")?).map_err(|error| error.to_string())?;
            for (line, caption) in mistake.captions().iter().enumerate() {
                let below = (x, y + side + 4 + line as i32 * LINE);
                area.draw_text(caption, &style, below).map_err(|error| error.to_string())?;
            }
        }
        area.present().map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(rows: &[(u8, [f32; 2], usize)]) -> (LabelledFaces, Evaluation) {
        let labels = ["left", "right"].map(|name| name.parse().unwrap()).to_vec();
        let mut faces = LabelledFaces::new(labels);
        for (grey, _, truth) in rows {
            faces.push(FaceCrop::from_fn(|_| *grey), *truth);
        }
        let logits = rows.iter().map(|(_, logits, _)| logits.to_vec()).collect();
        (faces.clone(), Evaluation { logits, truth: faces.classes() })
    }

    #[test]
    fn the_surest_mistake_comes_first_and_right_answers_not_at_all() {
        let rows = [(10, [9.0, 0.0], 0), (20, [1.0, 0.0], 1), (30, [0.0, 3.0], 0), (40, [0.0, 5.0], 1)];
        let (faces, evaluation) = data(&rows);
        let mistakes = surest_mistakes(&faces, &evaluation, &Calibration::default());
        let said: Vec<(u8, &str, &str)> =
            mistakes.iter().map(|m| (m.face[0], m.answer.0.as_ref(), m.truth.0.as_ref())).collect();
        assert_eq!(said, [(30, "right", "left"), (20, "left", "right")]);
        assert_eq!(mistakes[0].captions(), ["said: right 95%", "data: left 5%"]);
    }

    #[test]
    fn a_sheet_shows_every_mistake_and_has_a_row_more_when_one_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/mistakes.png");
        let rows: Vec<(u8, [f32; 2], usize)> = (0..9).map(|at| (50 + at, [9.0 - f32::from(at), 0.0], 1)).collect();
        let (faces, evaluation) = data(&rows);
        let mistakes = surest_mistakes(&faces, &evaluation, &Calibration::default());
        write_mistakes(&path, "side, 9 faces", &mistakes).unwrap();
        let sheet = image::open(&path).unwrap().to_luma8();
        assert_eq!(sheet.dimensions(), (10 + 8 * 138, 36 + 2 * 174));
        let tile = |column: u32, row: u32| sheet.get_pixel(10 + column * 138 + 60, 36 + row * 174 + 60).0[0];
        assert_eq!((tile(0, 0), tile(7, 0), tile(0, 1), tile(1, 1)), (50, 57, 58, 255));
        write_mistakes(&path, "side, no mistakes", &[]).unwrap();
        assert_eq!(image::open(&path).unwrap().to_luma8().dimensions(), (10 + 8 * 138, 36 + 174));
    }
}
