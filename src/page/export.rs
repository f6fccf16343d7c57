//! A taught task as one file to download.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use network::TaskName;
use serde::Deserialize;

use super::extract;
use super::reply::Reply;
use super::state::{Server, run};

/// Folders of exchanges that are on their way through the page, below `exchange_dir`: this, the process, a number.
const PREFIX: &str = ".page-";

/// A folder that goes when its exchange has ended, whichever way.
pub(super) struct Passage {
    pub(super) path: PathBuf,
}

impl Passage {
    /// A name that nobody has yet; the folder is not made.
    ///
    /// # Errors
    /// The system does not say where a path that is not absolute begins.
    pub(super) fn new(exchange_dir: &Path) -> std::io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = exchange_dir.join(format!("{PREFIX}{}-{number}", std::process::id()));
        Ok(Self { path: std::path::absolute(path)? })
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

/// Erases what exchanges of processes that were killed have left, whether there is a page now or not. There may be much of it: nobody
/// waits. To be called before there is an exchange of this process.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn sweep(exchange_dir: &Path) -> std::io::Result<()> {
    let left = left_behind(exchange_dir);
    if !left.is_empty() {
        std::thread::Builder::new().name("sweep".into()).spawn(move || drop(left))?;
    }
    Ok(())
}

/// Folders whose process is gone, or has had the number of this one.
fn left_behind(exchange_dir: &Path) -> Vec<Passage> {
    let is_left = |name: &str| {
        let (process, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
        let (process, _) = (process.parse::<u32>().ok()?, number.parse::<u32>().ok()?);
        Some(process == std::process::id() || !Path::new(&format!("/proc/{process}")).exists())
    };
    let entries = std::fs::read_dir(exchange_dir).into_iter().flatten().filter_map(Result::ok);
    let left = entries.filter(|entry| entry.file_name().to_str().and_then(is_left).unwrap_or_default());
    left.map(|entry| Passage { path: entry.path() }).collect()
}

#[derive(Deserialize)]
pub(super) struct Asked {
    task: String,
    #[serde(default)]
    samples: bool,
}

/// The task's folder as a tar archive.
pub(super) async fn export(State(server): State<Arc<Server>>, extract::Asked(asked): extract::Asked<Asked>) -> Reply {
    run(server, move |server| {
        server.tasks.may_change()?;
        let name = TaskName::try_from(asked.task)?;
        let passage = Passage::new(&server.config.exchange())?;
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
        for name in [".page-4194305-0", ".page-1-7", "mine", ".page-x", "page-4194305-0", ".page-4194305-mine"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        drop(left_behind(dir.path()));
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".page-1-7", ".page-4194305-mine", ".page-x", "mine", "page-4194305-0"]);
        assert!(left_behind(&dir.path().join("none")).is_empty());
    }

    #[test]
    fn a_passage_goes_with_its_exchange() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Passage::new(dir.path()).unwrap(), Passage::new(dir.path()).unwrap());
        assert_ne!(first.path, second.path);
        std::fs::create_dir(&first.path).unwrap();
        drop((first, second));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
