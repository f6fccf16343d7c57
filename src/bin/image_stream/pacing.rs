//! When the next picture is due.

use std::time::{Duration, Instant};

/// Evenly spaced times that do not drift: each is counted from the start.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    rate: f64,
    next: u64,
    late: u64,
}

impl Pace {
    pub fn new(start: Instant, rate: f64) -> Self {
        Self { start, rate, next: 0, late: 0 }
    }

    /// How long to wait for the next picture. Times that have passed altogether are left out and counted, or the stream
    /// would run behind for ever.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let reached = (now.saturating_duration_since(self.start).as_secs_f64() * self.rate) as u64;
        if reached > self.next {
            self.late += reached - self.next;
            self.next = reached;
        }
        let due = self.start + Duration::from_secs_f64(self.next as f64 / self.rate);
        self.next += 1;
        due.saturating_duration_since(now)
    }

    /// Times that were left out.
    pub fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_between_pictures_does_not_add_up() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 15.0);
        let mut now = start;
        for _ in 0..150 {
            now += pace.wait(now);
            // Publishing takes a while.
            now += Duration::from_millis(20);
        }
        let last = now - Duration::from_millis(20) - start;
        assert!((last.as_secs_f64() - 149.0 / 15.0).abs() < 1e-3, "{last:?}");
        assert_eq!(pace.late(), 0);
    }

    #[test]
    fn a_pause_is_counted_and_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 10.0);
        let mut now = start + pace.wait(start);
        now += Duration::from_millis(1050);
        assert_eq!(pace.wait(now), Duration::ZERO);
        assert_eq!(pace.late(), 9);
        let next = pace.wait(now);
        assert!((next.as_secs_f64() - 0.05).abs() < 1e-6, "{next:?}");
    }
}
