//! A taught task as one file to download.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use network::TaskName;
use serde::Deserialize;

use super::requests::{Reply, aside};
use super::state::Server;

/// Folders of exchanges that are on their way through the page, below `exchange_dir`: this, the process, a number.
const PREFIX: &str = "page-";

/// A folder that goes when its exchange has ended, whichever way.
pub(super) struct Passage {
    pub(super) path: PathBuf,
}

impl Passage {
    /// A name that nobody has yet; the folder is not made.
    pub(super) fn new(exchange_dir: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { path: exchange_dir.join(format!("{PREFIX}{}-{number}", std::process::id())) }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!("{} could not be erased, and may have face crops in it: {error}", self.path.display());
        }
    }
}

/// Erases what exchanges of processes that were killed have left.
pub(super) fn sweep(exchange_dir: &Path) {
    for entry in std::fs::read_dir(exchange_dir).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let of_process =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        let Some(process) = of_process else { continue };
        if process == std::process::id() || !Path::new(&format!("/proc/{process}")).exists() {
            drop(Passage { path: entry.path() });
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    task: String,
    #[serde(default)]
    samples: bool,
}

/// The task's folder as a tar archive.
pub(super) async fn export(State(server): State<Arc<Server>>, Query(asked): Query<Asked>) -> Reply {
    aside(move || {
        server.tasks.may_change()?;
        let name = TaskName::try_from(asked.task)?;
        let passage = Passage::new(&server.config.exchange());
        server.tasks.engine()?.tasks().export(&name, &passage.path, asked.samples)?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.mode(tar::HeaderMode::Deterministic);
        archive.append_dir_all(name.as_str(), &passage.path)?;
        let bytes = archive.into_inner()?;
        let disposition = format!("attachment; filename=\"{name}.tar\"");
        let headers = [(header::CONTENT_TYPE, "application/x-tar"), (header::CONTENT_DISPOSITION, &disposition)];
        Ok((headers, bytes).into_response())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_ended_processes_are_erased_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        // No process has this number: it is above the kernel's limit.
        for name in ["page-4194305-0", "page-1-7", "mine", "page-x"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        sweep(dir.path());
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["mine", "page-1-7", "page-x"]);
        sweep(&dir.path().join("none"));
    }

    #[test]
    fn a_passage_goes_with_its_exchange() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Passage::new(dir.path()), Passage::new(dir.path()));
        assert_ne!(first.path, second.path);
        std::fs::create_dir(&first.path).unwrap();
        drop((first, second));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
