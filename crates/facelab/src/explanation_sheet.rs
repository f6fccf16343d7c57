//! Explanations as a picture: a row for each face and task, as the paper's Fig. 4.

use crate::figure::{FONT, write_picture};
use anyhow::Context;
use network::{Explanation, FACE_SIZE};
use plotters::prelude::*;
use std::path::Path;

/// Space between tiles, pixels.
const GAP: i32 = 8;
/// Height of letters, pixels.
const TEXT: i32 = 14;
/// Height of a line of text, pixels.
const LINE: i32 = 22;

/// One row of the sheet.
pub struct Line {
    /// 128×128 grey.
    pub face: Vec<u8>,
    /// Below it.
    pub caption: String,
    pub explanation: Explanation,
}

/// Writes the sheet as PNG.
///
/// # Errors
/// The file cannot be written.
pub fn write_sheet(path: &Path, lines: &[Line]) -> anyhow::Result<()> {
    let side = FACE_SIZE as i32;
    let width = GAP + Explanation::TILES.len() as i32 * (side + GAP);
    let row = side + LINE;
    let height = LINE + lines.len() as i32 * row + GAP;
    write_picture(path, (width as u32, height as u32), |area| {
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        let style = (FONT, TEXT).into_font().color(&BLACK);
        for (at, title) in Explanation::TILES.iter().enumerate() {
            let place = (GAP + at as i32 * (side + GAP), 5);
            area.draw_text(title, &style, place).map_err(|error| error.to_string())?;
        }
        for (at, line) in lines.iter().enumerate() {
            let top = LINE + at as i32 * row;
            for (column, tile) in line.explanation.tiles(&line.face).into_iter().enumerate() {
                let place = (GAP + column as i32 * (side + GAP), top);
                let tile = BitMapElement::with_owned_buffer(place, (FACE_SIZE as u32, FACE_SIZE as u32), tile)
                    .ok_or("a tile of another size")?;
                area.draw(&tile).map_err(|error| error.to_string())?;
            }
            area.draw_text(&line.caption, &style, (GAP, top + side + 3)).map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())
    })
    .with_context(|| format!("drawing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_row_for_each_line_and_shows_the_face_and_the_map() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.png");
        let pixels = FACE_SIZE * FACE_SIZE;
        let explanation = Explanation {
            class: 0,
            logit: 1.0,
            guided: (0..pixels).map(|at| at as f32 - 8000.0).collect(),
            cam: (0..pixels).map(|at| f32::from(u8::from(at % FACE_SIZE < 64))).collect(),
            encoder_cam: vec![0.0; pixels],
        };
        let line = || Line { face: vec![90; pixels], caption: "task: label".into(), explanation: explanation.clone() };
        write_sheet(&path, &[line(), line()]).unwrap();
        let sheet = image::open(&path).unwrap().to_rgb8();
        assert_eq!(sheet.dimensions(), (8 + 5 * 136, 22 + 2 * 150 + 8));
        let tile = |column: u32, x: u32| sheet.get_pixel(8 + column * 136 + x, 22 + 150 + 64).0;
        assert_eq!(tile(0, 10), [90; 3]);
        let (looked_at, other) = (tile(2, 10), tile(2, 100));
        assert!(looked_at[0] > looked_at[2] && other[2] > other[0], "{looked_at:?} {other:?}");
    }
}
