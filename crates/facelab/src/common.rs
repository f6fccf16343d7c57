//! What every command shares.

use anyhow::Context;
use network::{DeviceChoice, DeviceKind, choose_device};
use std::io::IsTerminal;

/// Settings of every command.
#[derive(Debug, Clone)]
pub struct Common {
    /// Print nothing but errors and results.
    pub quiet: bool,
    /// Device the network runs on.
    pub device: DeviceChoice,
    /// CPU threads; 0 takes all cores.
    pub threads: usize,
}

impl Common {
    /// Starts the log and the thread pool; once a program.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn set_up(&self) -> anyhow::Result<()> {
        let fallback = if self.quiet { "error" } else { "info" };
        let filter = tracing_subscriber::EnvFilter::try_from_env("FACELAB_LOG").unwrap_or_else(|_| fallback.into());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .without_time()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .init();
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build_global()
            .with_context(|| format!("starting {} threads", self.threads))
    }

    /// Runs `work` for the device that can be had, after saying which and why.
    ///
    /// # Errors
    /// The device cannot be used, or `work` failed.
    pub fn on_device<T>(&self, work: impl FnOnce(DeviceKind) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (kind, why) = choose_device(self.device)?;
        self.say(format!("device {why}"));
        work(kind)
    }

    /// Says something to the person at the terminal, unless `--quiet`.
    pub fn say(&self, message: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{message}");
        }
    }
}
