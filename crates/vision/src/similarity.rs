//! Turning, scaling and shifting: what alignment does to a picture.

use serde::{Deserialize, Serialize};

use crate::{AlignError, Landmarks, Point};

/// Turns, scales and shifts: x′ = a·x − b·y + tx, y′ = b·x + a·y + ty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Scale · cos(angle).
    pub a: f64,
    /// Scale · sin(angle).
    pub b: f64,
    /// Shift to the right.
    pub tx: f64,
    /// Shift downwards.
    pub ty: f64,
}

impl Similarity {
    /// The similarity that takes `from` to `to` with the least squared error (Umeyama 1991, without reflection).
    ///
    /// With both point sets about their means: a = Σ p·q / Σ |p|², b = Σ p×q / Σ |p|².
    ///
    /// # Errors
    /// [`AlignError::DegenerateLandmarks`] when a coordinate is not finite, or when the points of one set coincide or
    /// are mirrored so that no scale above 0 fits.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Result<Self, AlignError> {
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut spread, mut dot, mut cross) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
            let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
            spread += px * px + py * py;
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
        }
        let (a, b) = (dot / spread, cross / spread);
        let similarity = Self {
            a,
            b,
            tx: to_mean.0 - (a * from_mean.0 - b * from_mean.1),
            ty: to_mean.1 - (b * from_mean.0 + a * from_mean.1),
        };
        let usable = spread > 1e-3 && similarity.is_finite() && similarity.scale() > 1e-6;
        usable.then_some(similarity).ok_or(AlignError::DegenerateLandmarks)
    }

    /// Where `point` goes.
    pub fn apply(&self, point: Point) -> Point {
        let (x, y) = self.apply_exact(f64::from(point.x), f64::from(point.y));
        Point::new(x as f32, y as f32)
    }

    /// The way back; made of infinities when the scale is 0.
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }

    /// Pixels of the target to one of the source.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// The turn in radians, clockwise as seen (y points downwards).
    pub fn angle(&self) -> f64 {
        self.b.atan2(self.a)
    }

    pub(crate) fn apply_exact(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    pub(crate) fn is_finite(&self) -> bool {
        [self.a, self.b, self.tx, self.ty].iter().all(|value| value.is_finite())
    }
}

fn mean(points: &Landmarks) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + f64::from(point.x), y + f64::from(point.y)));
    (x / count, y / count)
}
