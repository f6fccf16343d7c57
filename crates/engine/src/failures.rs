//! What ended or shook the engine's threads: the newest panic of each.

use std::time::{Duration, Instant};

use crate::perception::stats::{EngineThread, ThreadFailure};

/// So many panics, each soon after the last, end a thread.
const PANICS: u32 = 3;
/// After so long without one, a panic is the first again, and is no longer told.
pub(crate) const FORGIVEN: Duration = Duration::from_secs(60);

/// The newest panic of each thread.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    newest: Vec<(ThreadFailure, Instant)>,
}

impl Failures {
    /// Counts a panic.
    pub(crate) fn add(&mut self, thread: EngineThread, reason: String, now: Instant) -> ThreadFailure {
        let before = self.newest.iter().find(|(failure, at)| failure.thread == thread && is_recent(*at, now));
        let times = before.map_or(1, |(failure, _)| failure.times + 1);
        let failure = ThreadFailure { thread, reason, times, ended: times >= PANICS };
        self.newest.retain(|(failure, _)| failure.thread != thread);
        self.newest.push((failure.clone(), now));
        failure
    }

    /// Those that ended a thread, and those of the last minute.
    pub(crate) fn told(&self, now: Instant) -> Vec<ThreadFailure> {
        let told = self.newest.iter().filter(|(failure, at)| failure.ended || is_recent(*at, now));
        told.map(|(failure, _)| failure.clone()).collect()
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= FORGIVEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_and_is_forgiven_after_a_minute() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (vision, network) = (EngineThread::Vision, EngineThread::Network);
        let times = [(vision, 0), (network, 1), (vision, 50)]
            .map(|(thread, after)| failures.add(thread, "why".to_owned(), at(after)).times);
        assert_eq!(times, [1, 1, 2]);
        let told = |after| failures.told(at(after)).iter().map(|it| it.thread).collect::<Vec<_>>();
        assert_eq!(told(60), [network, vision]);
        assert_eq!(told(100), [vision]);
        assert_eq!(told(200), []);
        assert_eq!(failures.add(vision, "why".to_owned(), at(200)).times, 1);
    }

    #[test]
    fn the_third_panic_soon_after_the_others_ends_the_thread_for_good() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let ended = [0, 30, 60]
            .map(|after| failures.add(EngineThread::Network, String::new(), start + Duration::from_secs(after)).ended);
        assert_eq!(ended, [false, false, true]);
        assert!(failures.told(start + Duration::from_secs(10_000))[0].ended);
    }
}
