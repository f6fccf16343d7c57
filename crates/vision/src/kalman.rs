//! Where a box is and how fast it moves: one Kalman filter for each of middle x, middle y, width and height.

use crate::Roi;

/// How a box is expected to move, in units of its own size √(width · height).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Motion {
    /// Standard deviation of a measured position or side, in sizes.
    pub(crate) measurement: f64,
    /// Standard deviation of the change of velocity within one second, in sizes per second.
    pub(crate) acceleration: f64,
    /// Time in seconds in which a velocity that is no longer observed falls to 1/e.
    pub(crate) damping_s: f64,
}

/// Sides change less than positions do.
const SIDE_ACCELERATION: f64 = 0.25;
/// A velocity is trusted for this long after the last measurement; from then on it is damped.
const TRUSTED_S: f64 = 0.2;

/// The filtered box.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoxFilter {
    motion: Motion,
    /// Middle x, middle y, width, height.
    axes: [Axis; 4],
    /// Seconds since the last measurement.
    unseen_s: f64,
}

impl BoxFilter {
    /// Starts at `roi` with an unknown velocity.
    pub(crate) fn new(motion: Motion, roi: &Roi) -> Self {
        let size = size(roi);
        let values = values(roi);
        Self {
            motion,
            axes: std::array::from_fn(|i| {
                let speed = motion.acceleration * side_factor(i) * size;
                Axis::new(values[i], motion.measurement * size, speed)
            }),
            unseen_s: 0.0,
        }
    }

    /// Moves the box `dt` seconds (0 or more) on.
    pub(crate) fn predict(&mut self, dt: f64) {
        let size = size(&self.roi());
        let trusted = (TRUSTED_S - self.unseen_s).clamp(0.0, dt);
        for (i, axis) in self.axes.iter_mut().enumerate() {
            let noise = (self.motion.acceleration * side_factor(i) * size).powi(2);
            axis.predict(trusted, f64::INFINITY, noise);
            axis.predict(dt - trusted, self.motion.damping_s, noise);
        }
        self.unseen_s += dt;
    }

    /// Corrects the box by what was measured.
    pub(crate) fn correct(&mut self, roi: &Roi) {
        let variance = (self.motion.measurement * size(roi)).powi(2);
        for (axis, value) in self.axes.iter_mut().zip(values(roi)) {
            axis.correct(value, variance);
        }
        self.unseen_s = 0.0;
    }

    /// The box now; its sides are at least one pixel.
    pub(crate) fn roi(&self) -> Roi {
        let [x, y, width, height] = [0, 1, 2, 3].map(|i| self.axes[i].value);
        let (width, height) = (width.max(1.0), height.max(1.0));
        Roi::new((x - width / 2.0) as f32, (y - height / 2.0) as f32, width as f32, height as f32)
    }
}

fn size(roi: &Roi) -> f64 {
    f64::from(roi.area()).sqrt()
}

fn values(roi: &Roi) -> [f64; 4] {
    let middle = roi.center();
    [middle.x, middle.y, roi.width, roi.height].map(f64::from)
}

fn side_factor(axis: usize) -> f64 {
    if axis < 2 { 1.0 } else { SIDE_ACCELERATION }
}

/// A value and its velocity with their covariance.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    value: f64,
    velocity: f64,
    value_variance: f64,
    covariance: f64,
    velocity_variance: f64,
}

impl Axis {
    fn new(value: f64, deviation: f64, speed_deviation: f64) -> Self {
        Self {
            value,
            velocity: 0.0,
            value_variance: deviation * deviation,
            covariance: 0.0,
            velocity_variance: speed_deviation * speed_deviation,
        }
    }

    /// x ← x + a·v, v ← e·v with e = exp(−dt/damping) and a = ∫e; white acceleration of spectral density `noise`.
    fn predict(&mut self, dt: f64, damping_s: f64, noise: f64) {
        if dt <= 0.0 {
            return;
        }
        let (reach, rest) = if damping_s.is_finite() {
            let rest = (-dt / damping_s.max(1e-6)).exp();
            (damping_s * (1.0 - rest), rest)
        } else {
            (dt, 1.0)
        };
        self.value += reach * self.velocity;
        self.velocity *= rest;
        self.value_variance +=
            2.0 * reach * self.covariance + reach * reach * self.velocity_variance + noise * dt.powi(3) / 3.0;
        self.covariance = rest * (self.covariance + reach * self.velocity_variance) + noise * dt * dt / 2.0;
        self.velocity_variance = rest * rest * self.velocity_variance + noise * dt;
    }

    fn correct(&mut self, measured: f64, variance: f64) {
        let total = self.value_variance + variance;
        if total <= 0.0 {
            self.value = measured;
            return;
        }
        let (value_gain, velocity_gain) = (self.value_variance / total, self.covariance / total);
        let surprise = measured - self.value;
        self.value += value_gain * surprise;
        self.velocity += velocity_gain * surprise;
        self.velocity_variance -= velocity_gain * self.covariance;
        self.covariance *= 1.0 - value_gain;
        self.value_variance *= 1.0 - value_gain;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOTION: Motion = Motion { measurement: 0.05, acceleration: 2.0, damping_s: 0.5 };

    fn at(x: f64) -> Roi {
        Roi::new(x as f32, 100.0, 80.0, 100.0)
    }

    proptest! {
        #[test]
        fn a_steady_motion_is_foretold_with_any_frame_times(
            speed in -150.0f64..150.0,
            times in proptest::collection::vec(0.02f64..0.15, 40),
        ) {
            let mut filter = BoxFilter::new(MOTION, &at(500.0));
            let mut now = 0.0;
            for dt in &times {
                now += dt;
                filter.predict(*dt);
                filter.correct(&at(500.0 + speed * now));
            }
            filter.predict(0.1);
            let expected = 500.0 + speed * (now + 0.1);
            prop_assert!((f64::from(filter.roi().x) - expected).abs() < 3.0);
        }

        #[test]
        fn a_coasting_box_comes_to_rest(speed in -300.0f64..300.0) {
            let mut filter = BoxFilter::new(MOTION, &at(500.0));
            for frame in 1..30 {
                filter.predict(1.0 / 15.0);
                filter.correct(&at(500.0 + speed * f64::from(frame) / 15.0));
            }
            let seen = f64::from(filter.roi().x);
            filter.predict(60.0);
            let travelled = f64::from(filter.roi().x) - seen;
            let limit = speed.abs() * (TRUSTED_S + MOTION.damping_s) * 1.1 + 1.0;
            prop_assert!(travelled.abs() <= limit, "{} of {}", travelled, limit);
        }

        #[test]
        fn one_long_step_equals_many_short_ones(dt in 0.01f64..2.0) {
            let mut filter = BoxFilter::new(MOTION, &at(500.0));
            filter.predict(0.1);
            filter.correct(&at(520.0));
            let mut short = filter.clone();
            filter.predict(dt);
            for _ in 0..100 {
                short.predict(dt / 100.0);
            }
            prop_assert!((filter.roi().x - short.roi().x).abs() < 0.01);
        }
    }
}
