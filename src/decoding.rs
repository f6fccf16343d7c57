//! The pictures of requests are decoded one request after the other, behind the camera's.
//!
//! A few kilobytes of PNG can be 16 million pixels. Many such requests at once would take gigabytes, and the processors from those
//! who look at faces.

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use engine::{REQUEST_NICENESS, be_nicer, lock};

/// Requests that wait for their turn, at most; each holds its pictures as they came.
const WAITING: usize = 8;

/// Too many requests wait.
#[derive(Debug, thiserror::Error)]
#[error("{WAITING} requests with pictures wait already; try again when one has been answered")]
pub(crate) struct Busy;

/// Who holds the turn may decode.
#[derive(Debug, Default)]
pub(crate) struct Decoding {
    turn: Mutex<()>,
    waiting: AtomicUsize,
}

impl Decoding {
    /// Does `work` when the requests before have been worked on, on a thread of low priority.
    ///
    /// # Errors
    /// [`Busy`] at once.
    pub(crate) fn in_turn<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Busy> {
        // One works, the others wait.
        if self.waiting.fetch_add(1, Ordering::AcqRel) > WAITING {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Busy);
        }
        /// Gives the place back also when the work panics.
        struct Place<'a>(&'a AtomicUsize);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let _place = Place(&self.waiting);
        let _turn = lock(&self.turn);
        let done = thread::scope(|scope| {
            let behind = move || {
                be_nicer(REQUEST_NICENESS);
                work()
            };
            scope.spawn(behind).join()
        });
        match done {
            Ok(done) => Ok(done),
            Err(panicked) => panic::resume_unwind(panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn one_works_eight_wait_and_the_next_is_told_to_come_back() {
        let (decoding, open, alone) = (Decoding::default(), AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let work = || {
                decoding.in_turn(|| {
                    assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    while !open.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                    alone.fetch_sub(1, Ordering::SeqCst);
                })
            };
            let requests: Vec<_> = (0..=WAITING).map(|_| scope.spawn(work)).collect();
            while decoding.waiting.load(Ordering::SeqCst) <= WAITING {
                thread::yield_now();
            }
            assert!(matches!(work(), Err(Busy)));
            open.store(true, Ordering::SeqCst);
            assert!(requests.into_iter().all(|request| request.join().is_ok_and(|done| done.is_ok())));
        });
        assert!(decoding.in_turn(|| ()).is_ok());
    }

    #[test]
    fn work_that_panics_gives_its_place_back() {
        let decoding = Decoding::default();
        for _ in 0..2 * WAITING {
            let panicked = panic::catch_unwind(panic::AssertUnwindSafe(|| decoding.in_turn(|| panic!("broken"))));
            assert!(panicked.is_err());
        }
        assert_eq!(decoding.in_turn(|| 7).ok(), Some(7));
    }
}
