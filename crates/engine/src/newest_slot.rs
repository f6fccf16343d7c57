//! A place for one item: the newest wins, what it pushes out is counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::sync::lock;

/// Hands items from one thread to another, never holding more than one, so that nothing old is ever worked on.
#[derive(Debug)]
pub struct NewestSlot<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    item: Option<T>,
    put: u64,
    dropped: u64,
    closed: bool,
}

impl<T> Default for NewestSlot<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { item: None, put: 0, dropped: 0, closed: false }), filled: Condvar::new() }
    }
}

impl<T> NewestSlot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code that can panic runs under this lock.
        lock(&self.state)
    }

    /// Puts an item in; one that still waits is dropped. After [`Self::close`] the new item is dropped.
    pub fn put(&self, item: T) {
        let mut state = self.lock();
        state.put += 1;
        if state.closed {
            state.dropped += 1;
            return;
        }
        let old = state.item.replace(item);
        state.dropped += u64::from(old.is_some());
        drop(state);
        self.filled.notify_one();
        // `old` may be a whole picture: freed outside the lock.
        drop(old);
    }

    /// Waits for an item; `None` once the slot is closed.
    pub fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(item) = state.item.take() {
                return Some(item);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The item that waits, if any.
    pub fn try_take(&self) -> Option<T> {
        self.lock().item.take()
    }

    /// Lets every waiter go; from now on [`Self::take`] answers `None`.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.dropped += u64::from(state.item.take().is_some());
        drop(state);
        self.filled.notify_all();
    }

    /// Items put in so far, and how many of them were dropped unseen.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.put, state.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_item_wins_and_the_others_are_counted() {
        let slot = NewestSlot::default();
        for item in 1..=5 {
            slot.put(item);
        }
        assert_eq!(slot.take(), Some(5));
        assert_eq!(slot.try_take(), None);
        assert_eq!(slot.counts(), (5, 4));
    }

    #[test]
    fn closing_frees_a_waiting_thread() {
        let slot = Arc::new(NewestSlot::<u8>::default());
        let waiter = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.take()
        });
        slot.close();
        assert_eq!(waiter.join().unwrap(), None);
        slot.put(1);
        assert_eq!(slot.take(), None);
        assert_eq!(slot.counts(), (1, 1));
    }

    #[test]
    fn items_come_out_in_order_and_none_is_lost_uncounted() {
        let slot = Arc::new(NewestSlot::default());
        let reader = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                let mut seen = vec![];
                while let Some(item) = slot.take() {
                    seen.push(item);
                }
                seen
            }
        });
        for item in 0..10_000_u32 {
            slot.put(item);
        }
        slot.close();
        let seen = reader.join().unwrap();
        assert!(seen.is_sorted_by(|a, b| a < b));
        let (put, dropped) = slot.counts();
        assert_eq!(put, 10_000);
        assert_eq!(seen.len() as u64 + dropped, put);
    }

    proptest! {
        #[test]
        fn every_item_is_either_taken_dropped_or_waiting(puts_and_takes in prop::collection::vec(any::<bool>(), 0..100)) {
            let slot = NewestSlot::default();
            let (mut put, mut taken, mut newest) = (0_u64, 0_u64, None);
            for is_put in puts_and_takes {
                if is_put {
                    put += 1;
                    slot.put(put);
                    newest = Some(put);
                } else {
                    let item = slot.try_take();
                    prop_assert_eq!(item, newest.take());
                    taken += u64::from(item.is_some());
                }
            }
            let (counted, dropped) = slot.counts();
            prop_assert_eq!(counted, put);
            prop_assert_eq!(put, taken + dropped + u64::from(newest.is_some()));
        }
    }
}
