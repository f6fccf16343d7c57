//! The 1€ filter (Casiez, Roussel and Vogel 2012): still where the signal is still, quick where it moves.

use crate::HeadPose;

/// Cut-off of a signal that stands still, Hz.
const MIN_CUTOFF_HZ: f64 = 1.0;
/// What speed adds to the cut-off, Hz per unit and second: metres, and parts of a quaternion.
const BETA: f64 = 2.0;
/// Cut-off of the speed itself, Hz.
const SPEED_CUTOFF_HZ: f64 = 1.0;

/// Weight of a new value after so many seconds.
fn weight(cutoff_hz: f64, interval_s: f64) -> f64 {
    let tau = 1.0 / (std::f64::consts::TAU * cutoff_hz);
    1.0 / (1.0 + tau / interval_s)
}

/// Filters several values with one speed, so that a direction is not bent.
#[derive(Debug, Clone, PartialEq)]
struct OneEuro<const N: usize> {
    value: [f64; N],
    speed: [f64; N],
}

impl<const N: usize> OneEuro<N> {
    fn new(value: [f64; N]) -> Self {
        Self { value, speed: [0.0; N] }
    }

    fn update(&mut self, value: [f64; N], interval_s: f64) -> [f64; N] {
        let of_speed = weight(SPEED_CUTOFF_HZ, interval_s);
        for (speed, (new, old)) in self.speed.iter_mut().zip(value.iter().zip(&self.value)) {
            *speed += of_speed * ((new - old) / interval_s - *speed);
        }
        let speed = self.speed.iter().map(|speed| speed * speed).sum::<f64>().sqrt();
        let of_value = weight(MIN_CUTOFF_HZ + BETA * speed, interval_s);
        for (old, new) in self.value.iter_mut().zip(value) {
            *old += of_value * (new - *old);
        }
        self.value
    }
}

/// Steadies the pose of one head.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SteadyPose {
    state: Option<(f64, OneEuro<3>, OneEuro<4>)>,
}

impl SteadyPose {
    /// Takes the pose that was measured at `seconds`; gives the steady one. Time that stands still or goes back begins anew.
    pub fn update(&mut self, pose: HeadPose, seconds: f64) -> HeadPose {
        match &mut self.state {
            Some((before, position, rotation)) if seconds > *before => {
                let interval_s = seconds - *before;
                *before = seconds;
                // A quaternion and its negative are the same rotation: the nearer one.
                let same: f64 = pose.rotation.iter().zip(rotation.value).map(|(a, b)| a * b).sum();
                let sign = if same < 0.0 { -1.0 } else { 1.0 };
                let position = position.update(pose.position, interval_s);
                let turned = rotation.update(pose.rotation.map(|value| sign * value), interval_s);
                let norm = turned.iter().map(|value| value * value).sum::<f64>().sqrt();
                HeadPose { position, rotation: turned.map(|value| value / norm) }
            }
            _ => {
                self.state = Some((seconds, OneEuro::new(pose.position), OneEuro::new(pose.rotation)));
                pose
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64) -> HeadPose {
        HeadPose { position: [x, 0.0, 1.0], rotation: [0.0, 0.0, 0.0, 1.0] }
    }

    #[test]
    fn a_head_that_is_still_is_shown_still() {
        let mut steady = SteadyPose::default();
        // A centimetre of noise, alternating, at 15 Hz.
        let shown: Vec<f64> = (0..60)
            .map(|frame| steady.update(at(if frame % 2 == 0 { 0.005 } else { -0.005 }), f64::from(frame) / 15.0))
            .map(|pose| pose.position[0])
            .collect();
        let noise = shown[30..].iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert!(noise < 0.0025, "{noise}");
    }

    #[test]
    fn a_head_that_moves_is_followed() {
        let mut steady = SteadyPose::default();
        let last = (0..60).map(|frame| (f64::from(frame) / 30.0, f64::from(frame) / 15.0));
        let lag = last.map(|(x, seconds)| x - steady.update(at(x), seconds).position[0]).last().unwrap();
        assert!((0.0..0.1).contains(&lag), "{lag} m behind at 0.5 m/s");
    }

    #[test]
    fn the_sign_of_a_quaternion_does_not_turn_a_head_around() {
        let mut steady = SteadyPose::default();
        let looking = |sign: f64| HeadPose { rotation: [0.0, 0.0, 0.6 * sign, 0.8 * sign], ..at(0.0) };
        for frame in 0..10 {
            let sign = if frame % 2 == 0 { 1.0 } else { -1.0 };
            let shown = steady.update(looking(sign), f64::from(frame) / 15.0);
            assert!((shown.rotation[2].abs() - 0.6).abs() < 1e-9, "{shown:?}");
        }
    }

    #[test]
    fn time_that_goes_back_begins_anew() {
        let mut steady = SteadyPose::default();
        steady.update(at(0.0), 5.0);
        assert_eq!(steady.update(at(1.0), 5.0), at(1.0));
        assert_eq!(steady.update(at(2.0), 1.0), at(2.0));
    }
}
