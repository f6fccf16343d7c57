//! Points, boxes and the five landmarks of a face.

use serde::{Deserialize, Serialize};

/// A position in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// The point at (`x`, `y`).
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// The distance to `other` in pixels.
    pub fn distance(&self, other: &Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point half-way to `other`.
    pub fn midpoint(&self, other: &Self) -> Self {
        Self::new((self.x + other.x) / 2.0, (self.y + other.y) / 2.0)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// The five landmarks, named by where they are in the picture: left eye, right eye, nose, left and right mouth corner.
///
/// The eye that is left in the picture is the person's right eye.
pub type Landmarks = [Point; 5];

/// A box in pixels of the frame; it may reach over the frame's border, see [`Roi::clipped`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Roi {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, 0 or more.
    pub width: f32,
    /// Height, 0 or more.
    pub height: f32,
}

/// The item with the largest box.
pub fn largest<T>(items: &[T], roi: impl Fn(&T) -> &Roi) -> Option<&T> {
    items.iter().max_by(|a, b| roi(a).area().total_cmp(&roi(b).area()))
}

impl Roi {
    /// The box with its top left corner at (`x`, `y`).
    pub const fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self { x, y, width, height }
    }

    /// The area in square pixels; 0 for a box with a side below 0.
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// The middle of the box.
    pub fn center(&self) -> Point {
        Point::new(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Intersection over union, 0 to 1; 0 when either box is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let shared = width * height;
        let union = self.area() + other.area() - shared;
        if union > 0.0 { (shared / union).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The part of the box inside a frame of `width` × `height` pixels; empty when it lies outside.
    pub fn clipped(&self, width: u32, height: u32) -> Self {
        let (right, bottom) = (width as f32, height as f32);
        let x = self.x.clamp(0.0, right);
        let y = self.y.clamp(0.0, bottom);
        Self {
            x,
            y,
            width: ((self.x + self.width).clamp(0.0, right) - x).max(0.0),
            height: ((self.y + self.height).clamp(0.0, bottom) - y).max(0.0),
        }
    }

    /// The box grown about its middle by `factor` in both directions.
    pub fn scaled(&self, factor: f32) -> Self {
        let middle = self.center();
        let (width, height) = (self.width * factor, self.height * factor);
        Self::new(middle.x - width / 2.0, middle.y - height / 2.0, width, height)
    }

    /// Whether all four numbers are finite and both sides are above 0.
    pub(crate) fn is_proper(&self) -> bool {
        let finite = [self.x, self.y, self.width, self.height].iter().all(|value| value.is_finite());
        finite && self.width > 0.0 && self.height > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_is_one_for_equal_boxes_and_zero_for_separate_or_empty_ones() {
        let roi = Roi::new(10.0, 20.0, 30.0, 40.0);
        assert_eq!(roi.iou(&roi), 1.0);
        assert_eq!(roi.iou(&Roi::new(40.0, 20.0, 30.0, 40.0)), 0.0);
        assert_eq!(roi.iou(&Roi::new(20.0, 30.0, 0.0, 0.0)), 0.0);
        let half = roi.iou(&Roi::new(10.0, 20.0, 15.0, 40.0));
        assert!((half - 0.5).abs() < 1e-6);
    }

    #[test]
    fn clipping_keeps_only_what_is_inside_the_frame() {
        let roi = Roi::new(-10.0, 90.0, 30.0, 30.0);
        assert_eq!(roi.clipped(100, 100), Roi::new(0.0, 90.0, 20.0, 10.0));
        assert_eq!(Roi::new(200.0, 0.0, 10.0, 10.0).clipped(100, 100).area(), 0.0);
    }
}
