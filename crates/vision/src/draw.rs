//! Faces marked in a picture, for people to look at.

use opencv::{
    core::{MatTraitConst, Point as Pixel, Rect, Scalar},
    imgproc,
};

use crate::{BgrImage, ImageError, Landmarks, Roi};

const FONT: i32 = imgproc::FONT_HERSHEY_SIMPLEX;
const BLACK: [u8; 3] = [0, 0, 0];

/// Draws a face's box, its landmarks, and `lines` of text below the box (above it where there is more room).
///
/// `colour` is blue, green, red. Text is outlined in black, so that it can be read on any ground, and kept inside the
/// picture; letters outside ASCII are shown as `?`, which is what the font has for them.
///
/// # Errors
/// When OpenCV cannot draw.
pub fn draw_face(
    image: &mut BgrImage,
    roi: &Roi,
    landmarks: Option<&Landmarks>,
    lines: &[String],
    colour: [u8; 3],
) -> Result<(), ImageError> {
    let (width, height) = (image.width(), image.height());
    let style = Style::of(width, height);
    let visible = roi.clipped(width, height);
    let frame =
        Rect::new(visible.x as i32, visible.y as i32, (visible.width as i32).max(1), (visible.height as i32).max(1));
    {
        let mut mat = image.as_mat_mut()?;
        for (thickness, shade) in [(style.stroke + 2, BLACK), (style.stroke, colour)] {
            let line = imgproc::LINE_8;
            imgproc::rectangle(&mut mat, frame, scalar(shade), thickness, line, 0)?;
        }
        let columns = 0.0..width as f32;
        let rows = 0.0..height as f32;
        for point in landmarks.into_iter().flatten() {
            if !columns.contains(&point.x) || !rows.contains(&point.y) {
                continue;
            }
            let middle = Pixel::new(point.x.round() as i32, point.y.round() as i32);
            let line = imgproc::LINE_AA;
            let radius = style.stroke + 1;
            imgproc::circle(&mut mat, middle, radius + 1, scalar(BLACK), -1, line, 0)?;
            imgproc::circle(&mut mat, middle, radius, scalar(colour), -1, line, 0)?;
        }
    }
    let needed = style.line_height * lines.len() as i32;
    let below = height as i32 - (frame.y + frame.height);
    let top = if needed <= below || below >= frame.y {
        frame.y + frame.height + style.stroke + 2
    } else {
        frame.y - needed - style.stroke - 2
    };
    draw_text(image, frame.x, top, lines, colour)
}

/// Draws outlined `lines` of text with the upper left corner at (`left`, `top`), moved so that they fit if they can.
///
/// # Errors
/// When OpenCV cannot draw.
pub fn draw_text(
    image: &mut BgrImage,
    left: i32,
    top: i32,
    lines: &[String],
    colour: [u8; 3],
) -> Result<(), ImageError> {
    let style = Style::of(image.width(), image.height());
    let mut mat = image.as_mat_mut()?;
    let lowest = mat.rows() - style.line_height * lines.len() as i32 - 2;
    let top = top.clamp(0, lowest.max(0));
    for (index, line) in lines.iter().enumerate() {
        let line = drawable(line);
        let mut baseline = 0;
        let size = imgproc::get_text_size(&line, FONT, style.font, style.stroke, &mut baseline)?;
        let left = left.clamp(0, (mat.cols() - size.width - 2).max(0));
        let base = top + style.line_height * (index as i32 + 1) - baseline;
        let at = Pixel::new(left + 1, base);
        for (thickness, shade) in [(style.stroke + 2, BLACK), (style.stroke, colour)] {
            let (font, line_type) = (style.font, imgproc::LINE_AA);
            imgproc::put_text(&mut mat, &line, at, FONT, font, scalar(shade), thickness, line_type, false)?;
        }
    }
    Ok(())
}

/// A line in the letters that the font has: others as they sound, and what has no sound as `?`.
fn drawable(line: &str) -> String {
    let sounds = deunicode::deunicode_with_tofu(line, "?");
    sounds.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// Sizes that suit the picture's.
struct Style {
    font: f64,
    stroke: i32,
    line_height: i32,
}

impl Style {
    fn of(width: u32, height: u32) -> Self {
        let unit = (f64::from(width.min(height)) / 480.0).clamp(0.6, 4.0);
        Self { font: 0.45 * unit, stroke: unit.round().max(1.0) as i32, line_height: (18.0 * unit).ceil() as i32 }
    }
}

fn scalar([blue, green, red]: [u8; 3]) -> Scalar {
    Scalar::new(f64::from(blue), f64::from(green), f64::from(red), 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_the_font_has_not_are_drawn_as_they_sound() {
        assert_eq!(drawable("who: Zoë 97%"), "who: Zoe 97%");
        assert_eq!(drawable("Олег"), "Oleg");
        assert_eq!(drawable("北京").replace(' ', ""), "BeiJing");
        assert_eq!(drawable("a\n"), "a?");
    }
}
