//! The log of a training.

use anyhow::Context;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// One JSON object a line, appended, so that a resumed training goes on in the same file.
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens or begins a log.
    pub fn append(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| format!("opening {}", path.display()))?, path: path.to_owned() })
    }

    /// Adds a line.
    pub fn write(&mut self, record: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(record)?;
        writeln!(self.file, "{line}").with_context(|| format!("writing {}", self.path.display()))
    }
}

/// What went wrong while a training was being watched: it ends the training, and is what the command fails with.
#[derive(Default)]
pub struct Failure(Option<anyhow::Error>);

impl Failure {
    /// Lets the training go on, or ends it and keeps why.
    pub fn watch(&mut self, written: anyhow::Result<()>) -> ControlFlow<()> {
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.0 = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// What was kept, or else the training's own error.
    pub fn or(self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        self.0.unwrap_or_else(|| error.into())
    }
}
