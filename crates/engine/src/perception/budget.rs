//! How much of its time the network may work.

use std::time::{Duration, Instant};

/// What new faces may borrow: whoever comes in is judged at once, also while the others wait for their share of time.
const CREDIT: Duration = Duration::from_millis(500);

/// Which faces may be judged now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Whoever is due.
    All,
    /// Those that were never judged.
    New,
    /// Nobody.
    None,
}

/// Lets the network work for a share of the time: after a batch it rests until the share is kept.
///
/// Time that was not used is not saved up. It is the machine's time, not the frames': the machine is to be spared.
#[derive(Debug)]
pub(crate) struct Budget {
    share: f64,
    /// From then on the share is kept.
    even: Option<Instant>,
}

impl Budget {
    /// `share` in (0, 1]; 1 is no limit.
    pub(crate) fn new(share: f32) -> Self {
        Self { share: f64::from(share), even: None }
    }

    /// Changes the share from the next batch on.
    pub(crate) fn set_share(&mut self, share: f32) {
        self.share = f64::from(share);
    }

    /// A batch that began then took so much of the network's threads.
    pub(crate) fn spend(&mut self, began: Instant, took: Duration) {
        let from = self.even.map_or(began, |even| even.max(began));
        self.even = Some(from + took.div_f64(self.share));
    }

    /// Who may be judged at this moment, and how long until more may.
    pub(crate) fn at(&self, now: Instant) -> (Allowed, Duration) {
        let debt = self.even.map_or(Duration::ZERO, |even| even.saturating_duration_since(now));
        match debt {
            Duration::ZERO => (Allowed::All, Duration::ZERO),
            debt if debt <= CREDIT => (Allowed::New, debt),
            debt => (Allowed::None, debt - CREDIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn after_a_batch_it_rests_until_the_share_is_kept() {
        let (mut budget, start) = (Budget::new(0.25), Instant::now());
        assert_eq!(budget.at(start), (Allowed::All, ms(0)));
        budget.spend(start, ms(20));
        assert_eq!(budget.at(start + ms(20)), (Allowed::New, ms(60)));
        assert_eq!(budget.at(start + ms(80)), (Allowed::All, ms(0)));
        // Long idle time is not saved up.
        budget.spend(start + ms(10_000), ms(20));
        assert_eq!(budget.at(start + ms(10_020)), (Allowed::New, ms(60)));
    }

    #[test]
    fn the_whole_share_needs_no_rest() {
        let (mut budget, start) = (Budget::new(1.0), Instant::now());
        budget.spend(start, ms(20));
        assert_eq!(budget.at(start + ms(20)), (Allowed::All, ms(0)));
    }

    #[test]
    fn new_faces_borrow_but_not_without_end() {
        let (mut budget, start) = (Budget::new(0.1), Instant::now());
        let mut now = start;
        let mut served = 0;
        // A crowd that keeps arriving.
        while budget.at(now).0 != Allowed::None {
            budget.spend(now, ms(20));
            now += ms(20);
            served += 1;
        }
        assert_eq!(served, 3, "20 ms cost 200 ms of a tenth");
        let (_, wait) = budget.at(now);
        assert_eq!(budget.at(now + wait).0, Allowed::New);
    }

    #[test]
    fn the_share_is_kept_over_time() {
        for share in [0.1_f32, 0.5, 0.9] {
            let (mut budget, start) = (Budget::new(share), Instant::now());
            let (mut now, mut worked) = (start, Duration::ZERO);
            for batch in 0..200 {
                let took = ms(5 + batch % 17);
                budget.spend(now, took);
                worked += took;
                now += took;
                while budget.at(now).0 != Allowed::All {
                    now += budget.at(now).1;
                }
            }
            let kept = worked.as_secs_f32() / (now - start).as_secs_f32();
            assert!((kept - share).abs() < 0.01, "{kept} of {share}");
        }
    }
}
