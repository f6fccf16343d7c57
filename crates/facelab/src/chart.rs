//! Lines or points over a number, several charts in one picture.

use crate::figure::{FONT, write_picture};
use plotters::prelude::*;
use std::path::Path;

/// Width and height of a chart, pixels.
const SIZE: (u32, u32) = (480, 340);
/// Heights of letters, pixels.
const TITLE: i32 = 18;
const TEXT: i32 = 14;
const COLOURS: [RGBColor; 8] = [
    RGBColor(16, 72, 140),
    RGBColor(200, 80, 20),
    RGBColor(40, 130, 60),
    RGBColor(120, 60, 140),
    RGBColor(120, 120, 120),
    RGBColor(190, 150, 10),
    RGBColor(10, 150, 160),
    RGBColor(200, 50, 120),
];

/// What a chart draws.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines; both axes begin at 0.
    #[default]
    Lines,
    /// Points alone; the axes span them.
    Points,
    /// The same, x being decimal logarithms.
    PointsOverLogarithm,
}

/// One chart.
#[derive(Debug, Default)]
pub struct Chart {
    pub form: Form,
    /// Above it.
    pub title: String,
    /// Below it.
    pub x: String,
    /// Beside it.
    pub y: String,
    /// Name and points of each line; a single line needs no name.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// Writes charts as PNG, two in a row; one alone has the picture to itself.
///
/// # Errors
/// The file cannot be written.
pub fn write_charts(path: &Path, charts: &[Chart]) -> anyhow::Result<()> {
    let columns = charts.len().clamp(1, 2);
    let rows = charts.len().div_ceil(columns).max(1);
    write_picture(path, (SIZE.0 * columns as u32, SIZE.1 * rows as u32), |area| {
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        for (chart, part) in charts.iter().zip(area.split_evenly((rows, columns))) {
            draw(chart, &part).map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())
    })
}

fn draw<B: DrawingBackend>(
    chart: &Chart,
    area: &DrawingArea<B, plotters::coord::Shift>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let points = || chart.lines.iter().flat_map(|(_, points)| points);
    let span = |value: fn(&(f64, f64)) -> f64| {
        let largest = points().map(value).fold(f64::NEG_INFINITY, f64::max);
        if chart.form == Form::Lines {
            return 0.0..largest.max(f64::MIN_POSITIVE) * 1.08;
        }
        let least = points().map(value).fold(f64::INFINITY, f64::min);
        if least > largest {
            return 0.0..1.0;
        }
        // Values that are all the same have no span of their own.
        let room = if largest > least { (largest - least) * 0.08 } else { 0.5 };
        least - room..largest + room
    };
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, (FONT, TITLE))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(span(|point| point.0), span(|point| point.1))?;
    let power = |x: &f64| format!("{:.0e}", 10f64.powf(*x));
    let mut mesh = context.configure_mesh();
    if chart.form == Form::PointsOverLogarithm {
        mesh.x_label_formatter(&power).x_labels(6);
    }
    mesh.x_desc(&chart.x)
        .y_desc(&chart.y)
        .label_style((FONT, TEXT))
        .axis_desc_style((FONT, TEXT))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, points), colour) in chart.lines.iter().zip(COLOURS.iter().cycle()) {
        let line = match chart.form {
            Form::Lines => points.as_slice(),
            Form::Points | Form::PointsOverLogarithm => &[],
        };
        let line = context.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
        if !name.is_empty() {
            let colour = *colour;
            line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        if points.len() <= 20 || chart.form != Form::Lines {
            context.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        }
    }
    if chart.lines.iter().any(|(name, _)| !name.is_empty()) {
        context
            .configure_series_labels()
            // Lines of accuracy rise to the right.
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .label_font((FONT, TEXT))
            .draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_rises_is_drawn_from_the_lower_left_to_the_upper_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new folder/charts.png");
        let line = ("rising".to_owned(), (0..100).map(|i| (f64::from(i), f64::from(i))).collect());
        let flat = (String::new(), vec![(1.0, 2.0), (2.0, 2.0)]);
        let chart = |lines| Chart { title: "title".into(), x: "x".into(), y: "ms".into(), lines, ..Chart::default() };
        write_charts(&path, &[chart(vec![line]), chart(vec![flat.clone()]), chart(vec![flat])]).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (SIZE.0 * 2, SIZE.1 * 2));
        let blue = |(x, y): &(u32, u32)| picture.get_pixel(*x, *y).0 == [16, 72, 140];
        let first: Vec<(u32, u32)> =
            (0..SIZE.0).flat_map(|x| (0..SIZE.1).map(move |y| (x, y))).filter(blue).filter(|(x, _)| *x < 400).collect();
        let (left, right) = (first.first().unwrap(), first.last().unwrap());
        assert!(left.0 < right.0 && left.1 > right.1, "{left:?} {right:?}");
    }

    #[test]
    fn points_fill_the_chart_however_far_from_zero_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("points.png");
        let lines = vec![(String::new(), vec![(-5.0, 70.1), (-3.0, 70.2), (-4.0, 70.4)])];
        let chart = Chart { form: Form::PointsOverLogarithm, lines, ..Chart::default() };
        write_charts(&path, &[chart]).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), SIZE);
        let blue = |(x, y): &(u32, u32)| picture.get_pixel(*x, *y).0 == [16, 72, 140];
        let drawn: Vec<(u32, u32)> = (0..SIZE.0).flat_map(|x| (0..SIZE.1).map(move |y| (x, y))).filter(blue).collect();
        let width = drawn.last().unwrap().0 - drawn[0].0;
        let heights = || drawn.iter().map(|(_, y)| *y);
        assert!(width > 300 && heights().max().unwrap() - heights().min().unwrap() > 150, "{width}");
        // No line joins them: of three dots of radius 4 there are about 150 pixels.
        assert!(drawn.len() < 250, "{}", drawn.len());
    }

    #[test]
    fn no_points_and_points_that_are_all_the_same_are_drawn_too() {
        let dir = tempfile::tempdir().unwrap();
        for points in [vec![], vec![(0.0, 0.0)], vec![(0.0, 70.0), (0.0, 70.0)]] {
            let path = dir.path().join("points.png");
            write_charts(
                &path,
                &[Chart { form: Form::Points, lines: vec![(String::new(), points)], ..Chart::default() }],
            )
            .unwrap();
            assert_eq!(image::open(&path).unwrap().to_rgb8().dimensions(), SIZE);
        }
    }
}
