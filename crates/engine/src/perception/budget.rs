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

/// Lets the network work for a share of the time: after a batch it rests until the share is kept. New faces may borrow; once that is
/// used up everybody waits until nothing is owed, so that a crowd that keeps arriving does not keep those who stay from their turn.
///
/// Time that was not used is not saved up. It is the machine's time, not the frames': the machine is to be spared.
#[derive(Debug)]
pub(crate) struct Budget {
    share: f64,
    /// From then on the share is kept.
    even: Option<Instant>,
    /// New faces have borrowed all that they may.
    used_up: bool,
}

impl Budget {
    /// `share` in (0, 1]; 1 is no limit.
    pub(crate) fn new(share: f32) -> Self {
        Self { share: f64::from(share), even: None, used_up: false }
    }

    /// Changes the share from now on; what is owed by the share of before is forgotten.
    pub(crate) fn set_share(&mut self, share: f32) {
        if self.share != f64::from(share) {
            *self = Self::new(share);
        }
    }

    /// A batch that began then took so much of the network's threads.
    pub(crate) fn spend(&mut self, began: Instant, took: Duration) {
        let from = self.even.map_or(began, |even| even.max(began));
        let even = from + took.div_f64(self.share);
        self.even = Some(even);
        self.used_up |= even.saturating_duration_since(began) > CREDIT;
    }

    /// Who may be judged at this moment, and how long until more may.
    pub(crate) fn at(&mut self, now: Instant) -> (Allowed, Duration) {
        let debt = self.even.map_or(Duration::ZERO, |even| even.saturating_duration_since(now));
        self.used_up &= debt > Duration::ZERO;
        match debt {
            Duration::ZERO => (Allowed::All, debt),
            _ if self.used_up => (Allowed::None, debt),
            _ => (Allowed::New, debt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SchedulerConfig;
    use crate::perception::scheduler::{Candidate, Scheduler};
    use crate::testing::track;

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
        assert_eq!(budget.at(now + wait - ms(1)).0, Allowed::None);
        assert_eq!(budget.at(now + wait).0, Allowed::All);
    }

    #[test]
    fn who_stays_is_judged_although_newcomers_never_end() {
        let config = SchedulerConfig { refresh_hz: 10.0, max_batch: 4, ..SchedulerConfig::default() };
        for share in [0.05_f32, 0.2, 0.5] {
            let (mut budget, mut scheduler) = (Budget::new(share), Scheduler::new(config));
            let (start, mut judged) = (Instant::now(), 0);
            // A frame every 50 ms, with someone new in each.
            for frame in 0..600_usize {
                let now = start + ms(50 * frame as u64);
                let face = |number| Candidate { track: track(number), stamp: frame as f64 * 0.05, quality: 0.9 };
                let chosen = scheduler.select(&[face(0), face(1000 + frame)], budget.at(now).0);
                judged += usize::from(chosen.contains(&track(0)));
                if !chosen.is_empty() {
                    budget.spend(now, ms(15 * chosen.len() as u64));
                }
            }
            assert!(judged >= 15, "share {share}: {judged} times in 30 s");
        }
    }

    #[test]
    fn a_larger_share_owes_nothing_of_the_smaller_one() {
        let (mut budget, start) = (Budget::new(0.01), Instant::now());
        budget.spend(start, ms(1000));
        assert_eq!(budget.at(start + ms(1000)).0, Allowed::None);
        budget.set_share(0.01);
        assert_eq!(budget.at(start + ms(1000)).0, Allowed::None);
        budget.set_share(1.0);
        assert_eq!(budget.at(start + ms(1000)).0, Allowed::All);
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
