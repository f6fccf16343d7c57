//! Pictures of figures: the confusion matrix, and what all pictures share.

use crate::common::make_parent;
use crate::report::Figures;
use anyhow::{Context, anyhow, bail};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, register_font};
use std::path::Path;

/// The letters of pictures, once [`write_picture`] runs.
pub const FONT: &str = "sans";
/// Heights of letters, pixels.
const TEXT: i32 = 18;
const SMALL: i32 = 14;
/// Cells are so high and at least so wide, pixels.
const CELL_HEIGHT: i32 = 52;
const CELL_WIDTH: i32 = 64;
const MARGIN: i32 = 16;
/// More labels would make a picture that no viewer opens.
const MOST_LABELS: usize = 100;
const INK: RGBColor = RGBColor(20, 24, 32);

/// Where things are.
struct Layout {
    cell: (i32, i32),
    left: i32,
    top: i32,
    size: (i32, i32),
}

/// About the width of a text in DejaVu Sans, pixels; rather too much.
fn width(text: &str, height: i32) -> i32 {
    (text.chars().count() as f32 * height as f32 * 0.62).ceil() as i32
}

impl Layout {
    fn new(figures: &Figures, title: &str) -> Self {
        let longest = figures.labels.iter().map(|label| width(label.as_ref(), TEXT)).max().unwrap_or(0);
        let cell = ((longest + 12).clamp(CELL_WIDTH, 2 * CELL_WIDTH), CELL_HEIGHT);
        let count = figures.labels.len() as i32;
        let left = MARGIN + 2 * TEXT + longest + 8;
        // Below the title: "answer", then the labels, upright when they do not fit over their cells.
        let heads = if longest + 12 > cell.0 { longest + 8 } else { TEXT + 8 };
        let top = MARGIN + 3 * TEXT + 8 + heads;
        let right = (left + count * cell.0).max(MARGIN + width(title, TEXT));
        Self { cell, left, top, size: (right + MARGIN, top + count * cell.1 + MARGIN) }
    }

    fn turned(&self, longest: i32) -> bool {
        longest + 12 > self.cell.0
    }
}

/// Light to dark with the share of a row, and ink that can be read on it.
fn shade(share: f32) -> (RGBColor, RGBColor) {
    let mix = |light: u8, dark: u8| (f32::from(light) + (f32::from(dark) - f32::from(light)) * share).round() as u8;
    let paper = RGBColor(mix(248, 16), mix(250, 72), mix(253, 140));
    (paper, if share > 0.6 { WHITE } else { INK })
}

fn font(height: i32, colour: &RGBColor, h: HPos, v: VPos) -> TextStyle<'_> {
    TextStyle::from((FONT, height).into_font()).color(colour).pos(Pos::new(h, v))
}

/// Writes the matrix as PNG: a row per true label, a column per answer, counts, and the row's shares as shades.
///
/// # Errors
/// There are more than 100 labels, or the file cannot be written.
pub fn write_confusion(path: &Path, figures: &Figures, title: &str) -> anyhow::Result<()> {
    if figures.labels.len() > MOST_LABELS {
        bail!("a picture of {} labels cannot be read; up to {MOST_LABELS} are drawn", figures.labels.len());
    }
    let layout = Layout::new(figures, title);
    let size = (layout.size.0 as u32, layout.size.1 as u32);
    write_picture(path, size, |area| draw(area, &layout, figures, title).map_err(|error| error.to_string()))
}

/// Writes what is drawn as PNG.
///
/// # Errors
/// It cannot be drawn, or the file cannot be written.
pub fn write_picture(
    path: &Path,
    (width, height): (u32, u32),
    draw: impl FnOnce(&DrawingArea<BitMapBackend, plotters::coord::Shift>) -> Result<(), String>,
) -> anyhow::Result<()> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("the font does not load"))?;
    let mut pixels = vec![255; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(&area).map_err(|error| anyhow!("drawing {}: {error}", path.display()))?;
    drop(area);
    make_parent(path)?;
    let picture = image::RgbImage::from_raw(width, height, pixels).context("a picture of another size was drawn")?;
    picture.save_with_format(path, image::ImageFormat::Png).with_context(|| format!("writing {}", path.display()))
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    layout: &Layout,
    figures: &Figures,
    title: &str,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let &Layout { cell: (cw, ch), left, top, .. } = layout;
    area.fill(&WHITE)?;
    area.draw_text(title, &font(TEXT, &INK, HPos::Left, VPos::Top), (MARGIN, MARGIN))?;
    let middle = (left + cw * figures.labels.len() as i32 / 2, top + ch * figures.labels.len() as i32 / 2);
    area.draw_text("answer", &font(SMALL, &INK, HPos::Center, VPos::Top), (middle.0, MARGIN + TEXT + 12))?;
    let upright = font(SMALL, &INK, HPos::Center, VPos::Center).transform(FontTransform::Rotate270);
    area.draw_text("truth", &upright, (MARGIN + SMALL / 2, middle.1))?;
    let longest = figures.labels.iter().map(|label| width(label.as_ref(), TEXT)).max().unwrap_or(0);
    for (at, label) in figures.labels.iter().enumerate() {
        let along = at as i32;
        let (x, y) = (left + along * cw + cw / 2, top + along * ch + ch / 2);
        area.draw_text(label.as_ref(), &font(TEXT, &INK, HPos::Right, VPos::Center), (left - 8, y))?;
        if layout.turned(longest) {
            let style = font(TEXT, &INK, HPos::Left, VPos::Center).transform(FontTransform::Rotate270);
            area.draw_text(label.as_ref(), &style, (x, top - 8))?;
        } else {
            area.draw_text(label.as_ref(), &font(TEXT, &INK, HPos::Center, VPos::Bottom), (x, top - 8))?;
        }
    }
    for (truth, row) in figures.confusion.iter().enumerate() {
        let total = row.iter().sum::<u32>().max(1) as f32;
        for (answer, &count) in row.iter().enumerate() {
            let share = count as f32 / total;
            let (paper, ink) = shade(share);
            let (x, y) = (left + answer as i32 * cw, top + truth as i32 * ch);
            area.draw(&Rectangle::new([(x, y), (x + cw - 2, y + ch - 2)], paper.filled()))?;
            let centre = x + cw / 2 - 1;
            area.draw_text(&count.to_string(), &font(TEXT, &ink, HPos::Center, VPos::Center), (centre, y + ch / 3))?;
            if count > 0 {
                let percent = format!("{:.0}%", share * 100.0);
                area.draw_text(&percent, &font(SMALL, &ink, HPos::Center, VPos::Center), (centre, y + ch * 3 / 4))?;
            }
        }
    }
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use learning::Calibration;

    fn figures(names: &[&str], truth: &[usize], answers: &[usize]) -> Figures {
        let labels: Vec<network::Label> = names.iter().map(|name| name.parse().unwrap()).collect();
        let logits: Vec<Vec<f32>> =
            answers.iter().map(|&a| (0..names.len()).map(|at| f32::from(u8::from(at == a))).collect()).collect();
        Figures::new(&labels, &logits, truth, &Calibration::default())
    }

    #[test]
    fn a_cell_is_the_darker_the_more_of_its_row_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new folder/confusion.png");
        let figures = figures(&["left", "right"], &[0, 0, 0, 0, 1], &[0, 0, 0, 1, 1]);
        write_confusion(&path, &figures, "side, 5 faces").unwrap();
        let picture = image::open(&path).unwrap().to_luma8();
        let layout = Layout::new(&figures, "side, 5 faces");
        let corner = |truth: i32, answer: i32| {
            let (x, y) = (layout.left + answer * layout.cell.0 + 2, layout.top + truth * layout.cell.1 + 2);
            picture.get_pixel(x as u32, y as u32).0[0]
        };
        assert!(corner(0, 0) < corner(0, 1), "{} {}", corner(0, 0), corner(0, 1));
        assert!(corner(1, 1) < corner(0, 0) && corner(1, 0) > corner(0, 1));
        // Letters beside the rows: something dark between the margin and the matrix.
        let inked =
            (0..layout.left as u32).any(|x| picture.get_pixel(x, (layout.top + layout.cell.1 / 2) as u32).0[0] < 100);
        assert!(inked);
    }

    #[test]
    fn long_labels_stay_inside_the_picture() {
        let names = ["a rather long label of a task", "another one of these long labels"];
        let figures = figures(&names, &[0, 1], &[0, 0]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("confusion.png");
        write_confusion(&path, &figures, "title").unwrap();
        let picture = image::open(&path).unwrap().to_luma8();
        let (w, h) = picture.dimensions();
        let clear = |x: u32, y: u32| picture.get_pixel(x, y).0[0] == 255;
        assert!((0..h).all(|y| clear(0, y) && clear(w - 1, y)) && (0..w).all(|x| clear(x, 0) && clear(x, h - 1)));
    }
}
