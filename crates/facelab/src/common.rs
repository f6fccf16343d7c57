//! What every command shares.

use anyhow::Context;
use network::{DeviceChoice, DeviceKind, choose_device};
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
#[cfg(feature = "perception")]
use std::path::PathBuf;

/// Settings of every command.
#[derive(Debug, Clone)]
pub struct Common {
    /// No progress and no notes.
    pub quiet: bool,
    /// Device the network runs on.
    pub device: DeviceChoice,
    /// CPU threads; 0 takes all cores.
    pub threads: usize,
    /// Train with products of bfloat16 where the processor has a matrix unit for them.
    pub bfloat16: bool,
}

/// What a model that is made is called.
#[derive(Debug, clap::Args)]
pub struct NewModel {
    /// Name of the model
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Licence of the weights, SPDX
    #[arg(long, default_value = "Apache-2.0")]
    pub licence: String,
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
        #[cfg(feature = "perception")]
        if self.threads > 0 {
            vision::set_threads(i32::try_from(self.threads).unwrap_or(i32::MAX))?;
        }
        if self.bfloat16 && !network::use_bfloat16(true) {
            tracing::warn!("--bfloat16: this processor has no matrix unit for it, training goes on in f32");
        }
        network::use_threads(self.threads, "compute").with_context(|| format!("starting {} threads", self.threads))
    }

    /// The device that can be had, and a line that says which and why.
    ///
    /// # Errors
    /// The device that was asked for cannot be had.
    pub fn device(&self) -> anyhow::Result<(DeviceKind, String)> {
        let (kind, why) = choose_device(self.device)?;
        tracing::debug!("device {why}");
        Ok((kind, why))
    }

    /// Says something to the person at the terminal, unless `--quiet`.
    pub fn say(&self, message: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{message}");
        }
    }
}

/// Writes a result to standard output. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing to standard output"),
        _ => Ok(()),
    }
}

/// Writes a file, and the folders that lead to it.
///
/// # Errors
/// The disk refuses.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    make_parent(path)?;
    std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Writes a value as indented JSON.
///
/// # Errors
/// The disk refuses.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).with_context(|| format!("writing {}", path.display()))?;
    text.push('\n');
    write_file(path, text.as_bytes())
}

/// Makes the folder that a file goes to.
///
/// # Errors
/// The disk refuses.
pub fn make_parent(path: &Path) -> anyhow::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display())),
        None => Ok(()),
    }
}

/// The command as it was typed, for reports.
pub fn command_line() -> String {
    let typed = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("facelab".to_owned()).chain(typed).collect::<Vec<_>>().join(" ")
}

/// That a model may be made in a folder: asked before the hours that it takes to make one.
///
/// # Errors
/// There is one already.
pub fn require_no_model(out: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !out.join(engine::MANIFEST).exists(),
        "{} holds a model already; choose another --out",
        out.display()
    );
    Ok(())
}

/// Where face detectors are looked for.
#[cfg(feature = "perception")]
#[derive(Debug, clap::Args)]
pub struct DetectorFiles {
    /// YuNet's ONNX file [default: FACE_ATTRIBUTES_YUNET of the environment, which scripts/setup's env.sh sets]
    #[arg(long, value_name = "FILE")]
    yunet: Option<PathBuf>,
    /// Haar cascade for when YuNet cannot be had [default: FACE_ATTRIBUTES_HAAR of the environment]
    #[arg(long, value_name = "FILE")]
    haar: Option<PathBuf>,
}

#[cfg(feature = "perception")]
impl DetectorFiles {
    /// YuNet's file, as given or from the environment.
    pub fn yunet(&self) -> Option<PathBuf> {
        Self::or_environment(self.yunet.as_ref(), "FACE_ATTRIBUTES_YUNET")
    }

    /// The Haar cascade's file, as given or from the environment.
    pub fn haar(&self) -> Option<PathBuf> {
        Self::or_environment(self.haar.as_ref(), "FACE_ATTRIBUTES_HAAR")
    }

    fn or_environment(given: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        given.cloned().or_else(|| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from))
    }
}
