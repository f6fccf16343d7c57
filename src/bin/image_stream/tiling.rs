//! Several pictures in one.

use std::ops::Range;

use vision::{BgrImage, ImageError};

use crate::cli::{Fit, Size};

/// A place in the whole picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Cell {
    fn columns(&self) -> Range<usize> {
        self.x as usize..(self.x + self.width) as usize
    }
}

/// Cells of equal size for sources of these aspects (width / height), row by row, the last row centred. Of all grids, the
/// one in which the smallest picture is largest.
pub fn grid(size: Size, aspects: &[f64], fit: Fit) -> Vec<Cell> {
    let count = aspects.len().max(1) as u32;
    let area = |columns: u32| {
        let (width, height) = (f64::from(size.width / columns), f64::from(size.height / count.div_ceil(columns)));
        let shown = |aspect: &f64| match fit {
            // Height of the whole picture when it is shown at the scale that fits the cell.
            Fit::Contain => height.min(width / aspect),
            Fit::Cover => height.max(width / aspect),
        };
        aspects.iter().map(|aspect| shown(aspect).powi(2) * aspect).fold(f64::INFINITY, f64::min)
    };
    let columns = (1..=count).max_by(|a, b| area(*a).total_cmp(&area(*b)).then(b.cmp(a))).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let (width, height) = (size.width / columns, size.height / rows);
    let cell = |index: u32| {
        let (row, column) = (index / columns, index % columns);
        let in_row = columns.min(count - row * columns);
        let margin = (size.width - in_row * width) / 2;
        Cell { x: margin + column * width, y: row * height, width, height }
    };
    (0..count).map(cell).collect()
}

/// Puts a picture into a cell of `canvas`, which holds `canvas_width` pixels a row.
///
/// # Errors
/// When OpenCV cannot scale it.
pub fn place(canvas: &mut [u8], canvas_width: u32, cell: Cell, picture: &BgrImage, fit: Fit) -> Result<(), ImageError> {
    let (across, down) =
        (f64::from(cell.width) / f64::from(picture.width()), f64::from(cell.height) / f64::from(picture.height()));
    let scale = match fit {
        Fit::Contain => across.min(down),
        Fit::Cover => across.max(down),
    };
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let small = picture.resized(scaled(picture.width()), scaled(picture.height()))?;
    // Middle on middle: where the picture is larger its edges are cut, where it is smaller bars stay.
    let (from_x, to_x, width) = centred(small.width(), cell.width);
    let (from_y, to_y, height) = centred(small.height(), cell.height);
    let row = canvas_width as usize * 3;
    for line in 0..height {
        let from = ((from_y + line) * small.width() + from_x) as usize * 3;
        let to = (cell.y + to_y + line) as usize * row + (cell.columns().start + to_x as usize) * 3;
        let length = width as usize * 3;
        canvas[to..to + length].copy_from_slice(&small.data()[from..from + length]);
    }
    Ok(())
}

/// First pixel of the picture, first pixel of the cell, and number of pixels, one way.
fn centred(picture: u32, cell: u32) -> (u32, u32, u32) {
    (picture.saturating_sub(cell) / 2, cell.saturating_sub(picture) / 2, picture.min(cell))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VGA: Size = Size { width: 640, height: 480 };

    #[test]
    fn three_landscape_videos_share_a_picture_at_half_size() {
        let cells = grid(VGA, &[16.0 / 9.0; 3], Fit::Contain);
        let corners: Vec<(u32, u32)> = cells.iter().map(|cell| (cell.x, cell.y)).collect();
        assert_eq!(corners, [(0, 0), (320, 0), (160, 240)]);
        assert!(cells.iter().all(|cell| (cell.width, cell.height) == (320, 240)));
    }

    #[test]
    fn one_source_has_the_whole_picture_and_two_upright_ones_stand_side_by_side() {
        assert_eq!(grid(VGA, &[1.0], Fit::Contain), [Cell { x: 0, y: 0, width: 640, height: 480 }]);
        let cells = grid(VGA, &[0.5, 0.5], Fit::Contain);
        assert_eq!((cells[1].x, cells[1].y), (320, 0));
    }

    fn filled(width: u32, height: u32) -> BgrImage {
        BgrImage::new(width, height, vec![255; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn a_contained_picture_is_whole_between_bars_and_a_covering_one_leaves_none() {
        let cell = Cell { x: 10, y: 20, width: 40, height: 40 };
        let bright = |fit| {
            let mut canvas = vec![0; 60 * 70 * 3];
            place(&mut canvas, 60, cell, &filled(80, 40), fit).unwrap();
            let lit = |(index, value): (usize, &u8)| (*value == 255).then_some((index / 3 % 60, index / 3 / 60));
            canvas.iter().enumerate().filter_map(lit).collect::<std::collections::BTreeSet<_>>()
        };
        let contained = bright(Fit::Contain);
        assert_eq!(contained.len(), 40 * 20);
        assert_eq!((contained.first(), contained.last()), (Some(&(10, 30)), Some(&(49, 49))));
        let covering = bright(Fit::Cover);
        assert_eq!(covering.len(), 40 * 40);
    }

    proptest! {
        #[test]
        fn cells_lie_inside_the_picture_and_do_not_overlap(
            (width, height) in (16..2000_u32, 16..2000_u32),
            aspects in prop::collection::vec(0.3..3.0_f64, 1..12),
        ) {
            for fit in [Fit::Contain, Fit::Cover] {
                let cells = grid(Size { width, height }, &aspects, fit);
                prop_assert_eq!(cells.len(), aspects.len());
                for (index, a) in cells.iter().enumerate() {
                    prop_assert!(a.x + a.width <= width && a.y + a.height <= height);
                    for b in &cells[..index] {
                        let apart = a.x >= b.x + b.width || b.x >= a.x + a.width || a.y >= b.y + b.height || b.y >= a.y + a.height;
                        prop_assert!(apart, "{a:?} {b:?}");
                    }
                }
            }
        }

        #[test]
        fn any_picture_fits_any_cell((w, h) in (1..90_u32, 1..90_u32), (cw, ch) in (1..60_u32, 1..60_u32)) {
            for fit in [Fit::Contain, Fit::Cover] {
                let mut canvas = vec![0; 64 * 64 * 3];
                place(&mut canvas, 64, Cell { x: 2, y: 3, width: cw, height: ch }, &filled(w, h), fit).unwrap();
            }
        }
    }
}
