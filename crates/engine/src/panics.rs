//! Panics of the engine's threads: the newest of each, and when one is one too many.

use std::time::{Duration, Instant};

use crate::perception::stats::{EngineThread, ThreadFailure};

/// So many panics, each soon after the last, end a thread.
const MOST: u32 = 3;
/// After so long without one, a panic is the first again, and is no longer told.
const WINDOW: Duration = Duration::from_secs(60);

/// The newest panic of each thread.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    newest: Vec<(ThreadFailure, Instant)>,
}

impl Panics {
    /// Counts a panic.
    pub(crate) fn add(&mut self, thread: EngineThread, reason: String, now: Instant) -> ThreadFailure {
        let before = self.newest.iter().find(|(failure, at)| failure.thread == thread && is_recent(*at, now));
        let times = before.map_or(1, |(failure, _)| failure.times + 1);
        let failure = ThreadFailure { thread, reason, times, ended: times >= MOST };
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
    now.saturating_duration_since(at) <= WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_and_is_forgiven_after_a_minute() {
        let (mut panics, start) = (Panics::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (vision, network) = (EngineThread::Vision, EngineThread::Network);
        let times = [(vision, 0), (network, 1), (vision, 50)]
            .map(|(thread, after)| panics.add(thread, "why".to_owned(), at(after)).times);
        assert_eq!(times, [1, 1, 2]);
        let told = |after| panics.told(at(after)).iter().map(|it| it.thread).collect::<Vec<_>>();
        assert_eq!(told(60), [network, vision]);
        assert_eq!(told(100), [vision]);
        assert_eq!(told(200), []);
        assert_eq!(panics.add(vision, "why".to_owned(), at(200)).times, 1);
    }

    #[test]
    fn the_third_panic_soon_after_the_others_ends_the_thread_for_good() {
        let (mut panics, start) = (Panics::default(), Instant::now());
        let ended = [0, 30, 60]
            .map(|after| panics.add(EngineThread::Network, String::new(), start + Duration::from_secs(after)).ended);
        assert_eq!(ended, [false, false, true]);
        assert!(panics.told(start + Duration::from_secs(10_000))[0].ended);
    }
}
