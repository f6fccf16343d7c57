//! Cameras that are mounted on their side, or upside down.

use std::borrow::Cow;

use opencv::core::{self, Mat};
use serde::{Deserialize, Serialize};

use crate::{BgrImage, ConfigError, ImageError, Point, Roi};

/// By how many degrees a camera's pictures have to be turned to the right until heads are up: 0, 90, 180 or 270.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    /// They are upright.
    #[default]
    None,
    /// A quarter.
    Quarter,
    /// Upside down.
    Half,
    /// A quarter to the left.
    ThreeQuarters,
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }
}

impl TryFrom<u16> for Rotation {
    type Error = ConfigError;

    fn try_from(degrees: u16) -> Result<Self, ConfigError> {
        let all = [Self::None, Self::Quarter, Self::Half, Self::ThreeQuarters];
        let wrong = || ConfigError { name: "rotate", value: degrees.to_string(), range: "0, 90, 180 or 270" };
        all.into_iter().find(|rotation| u16::from(*rotation) == degrees).ok_or_else(wrong)
    }
}

impl Rotation {
    /// A camera's picture with heads up.
    ///
    /// # Errors
    /// When OpenCV cannot turn it.
    pub fn upright(self, image: &BgrImage) -> Result<Cow<'_, BgrImage>, ImageError> {
        let code = match self {
            Self::None => return Ok(Cow::Borrowed(image)),
            Self::Quarter => core::ROTATE_90_CLOCKWISE,
            Self::Half => core::ROTATE_180,
            Self::ThreeQuarters => core::ROTATE_90_COUNTERCLOCKWISE,
        };
        let mut turned = Mat::default();
        core::rotate(&image.as_mat()?, &mut turned, code)?;
        Ok(Cow::Owned(BgrImage::from_mat(&turned)?))
    }

    /// Where a point of the upright picture is in the camera's, which has so many pixels.
    pub fn point_back(self, point: Point, (width, height): (u32, u32)) -> Point {
        // Of the last pixels' centres.
        self.back(point, width as f32 - 1.0, height as f32 - 1.0)
    }

    fn back(self, point: Point, right: f32, bottom: f32) -> Point {
        match self {
            Self::None => point,
            Self::Quarter => Point::new(point.y, bottom - point.x),
            Self::Half => Point::new(right - point.x, bottom - point.y),
            Self::ThreeQuarters => Point::new(right - point.y, point.x),
        }
    }

    /// The same of a box, whose edges lie between pixels.
    pub fn roi_back(self, roi: Roi, (width, height): (u32, u32)) -> Roi {
        let corner = |x: f32, y: f32| self.back(Point::new(x, y), width as f32, height as f32);
        let a = corner(roi.x, roi.y);
        let b = corner(roi.x + roi.width, roi.y + roi.height);
        Roi::new(a.x.min(b.x), a.y.min(b.y), (a.x - b.x).abs(), (a.y - b.y).abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_the_upright_picture_are_found_in_the_cameras() {
        // Each pixel has a colour of its own.
        let image = BgrImage::new(3, 2, (0..18).collect()).unwrap();
        for degrees in [0, 90, 180, 270] {
            let rotation = Rotation::try_from(degrees).unwrap();
            let upright = rotation.upright(&image).unwrap();
            for y in 0..upright.height() {
                for x in 0..upright.width() {
                    let back = rotation.point_back(Point::new(x as f32, y as f32), (3, 2));
                    let at =
                        |picture: &BgrImage, x: u32, y: u32| picture.data()[(y * picture.width() + x) as usize * 3];
                    assert_eq!(at(&upright, x, y), at(&image, back.x as u32, back.y as u32), "{degrees}° {x} {y}");
                }
            }
            // The upper left pixel of the upright picture, to its lower edge's half.
            let roi = rotation.roi_back(Roi::new(0.0, 0.0, 1.0, 0.5), (3, 2));
            let expected = match degrees {
                0 => Roi::new(0.0, 0.0, 1.0, 0.5),
                90 => Roi::new(0.0, 1.0, 0.5, 1.0),
                180 => Roi::new(2.0, 1.5, 1.0, 0.5),
                _ => Roi::new(2.5, 0.0, 0.5, 1.0),
            };
            assert_eq!(roi, expected, "{degrees}°");
        }
        assert!(Rotation::try_from(45).is_err());
    }
}
