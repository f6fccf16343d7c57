//! Two cameras on one topic: faces cannot be followed from one's picture to the other's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Of so many pictures in a row a third may come from another camera than the one before.
const MIXED: usize = 24;
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Where the newest pictures come from.
#[derive(Default)]
pub(crate) struct Origins {
    /// Frame id, width and height.
    recent: VecDeque<(String, u32, u32)>,
    told: Option<Instant>,
}

impl Origins {
    /// Takes a picture's origin. Names those that alternate, when it is time to tell.
    pub(crate) fn note(&mut self, frame_id: &str, (width, height): (u32, u32), now: Instant) -> Option<String> {
        self.recent.push_back((frame_id.to_owned(), width, height));
        if self.recent.len() > MIXED {
            self.recent.pop_front();
        }
        let changes = self.recent.iter().zip(self.recent.iter().skip(1)).filter(|(a, b)| a != b).count();
        let due = self.told.is_none_or(|at| now.duration_since(at) >= TELL_EVERY);
        if changes < MIXED / 3 || !due {
            return None;
        }
        self.told = Some(now);
        let mut kinds: Vec<_> = self.recent.iter().collect();
        kinds.sort();
        kinds.dedup();
        let named = kinds.iter().map(|(frame_id, width, height)| format!("{width}×{height} of frame '{frame_id}'"));
        Some(named.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_that_alternate_are_told_once_a_minute_and_one_that_changes_is_not() {
        let (mut origins, start) = (Origins::default(), Instant::now());
        let mut note = |second: u32, frame: &str, width: u32| {
            origins.note(frame, (width, 480), start + second * Duration::from_secs(1))
        };
        assert!((0..100).all(|n| note(n, if n < 50 { "a" } else { "b" }, 640).is_none()));
        let told: Vec<String> = (100..230).filter_map(|n| note(n, "a", if n % 2 == 0 { 640 } else { 320 })).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[1].contains("640×480 of frame 'a'") && told[1].contains("320×480"), "{told:?}");
    }
}
