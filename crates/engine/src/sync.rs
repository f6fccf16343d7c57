//! Locks, ends of threads and panics, as every part of the engine takes them.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Of threads that decode what requests bring: moments of work, which perception goes before.
pub const REQUEST_NICENESS: u32 = 10;

/// Makes this thread nicer than the process was started, for good: going back takes privileges.
pub fn be_nicer(by: u32) {
    if by == 0 {
        return;
    }
    // SAFETY: a plain system call without pointers. −1 is a niceness, too; what is asked for is right then as well.
    let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t) };
    let niceness = now.saturating_add(by.min(39) as i32).min(19);
    // SAFETY: plain system calls without pointers; on Linux the priority is that of this thread alone.
    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t, niceness) };
    if set != 0 {
        tracing::warn!("a thread keeps its normal priority: {}", std::io::Error::last_os_error());
    }
}

/// A poisoned lock is taken all the same: the thread that panicked has reported it, and the state is replaced as a whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
pub(crate) fn said_by(panic: &(dyn Any + Send)) -> &str {
    let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    said.unwrap_or("no reason given")
}

/// Waits for threads, but not longer than `patience` in all; names those that are still busy.
pub(crate) fn join(threads: Vec<(&'static str, JoinHandle<()>)>, patience: Duration) -> Vec<&'static str> {
    let deadline = Instant::now() + patience;
    let mut busy = vec![];
    for (name, thread) in threads {
        // The standard library has no join with a time limit.
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        } else {
            busy.push(name);
        }
    }
    busy
}
