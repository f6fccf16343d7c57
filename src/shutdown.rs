//! The end: on SIGINT and SIGTERM, within two seconds whatever is going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// So long the engine has for ending in good order; then ROS is left all the same.
pub(crate) const CALM: Duration = Duration::from_millis(1000);
/// After so long the process ends without further ado. The system needs some time to clear up behind it.
const PATIENCE: Duration = Duration::from_millis(1600);

/// Tells every thread when it is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The signals that end the node.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them from the system. Must run inside the runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn take() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one and names it.
    pub(crate) async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Does `work` on a thread of its own; whether it was done in `time`, and says so itself.
pub(crate) fn within(time: Duration, work: impl FnOnce() -> bool + Send + 'static) -> bool {
    let start = Instant::now();
    let Ok(thread) = std::thread::Builder::new().name("stop".into()).spawn(work) else { return false };
    while !thread.is_finished() && start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(2));
    }
    thread.is_finished() && thread.join().unwrap_or(false)
}

/// Ends the process with this exit code when the orderly way takes too long. What is on disk is whole at any time.
pub(crate) fn watch(code: i32) {
    let watched = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
        std::thread::sleep(PATIENCE);
        tracing::warn!("stopped the hard way: ROS did not let go");
        end_now(code);
    });
    if let Err(error) = watched {
        tracing::debug!("no watchdog: {error}");
    }
}

/// Ends the process without running what libraries have registered for its end, which may wait for threads.
pub(crate) fn end_now(code: i32) -> ! {
    // SAFETY: takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}
