//! A task from an uploaded file: unpacked into a folder of its own, then imported as every folder is.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use network::TaskName;
use serde::Deserialize;
use serde_json::json;

use super::export::Passage;
use super::extract;
use super::reply::{Refused, Reply, granted};
use super::state::{Server, run};

/// Of an uploaded archive, bytes.
const MOST_BYTES: usize = 128 << 20;
/// An upload that is not there after so long has lost its sender.
const PATIENCE: Duration = Duration::from_secs(120);
/// Files and folders in it.
const MOST_ENTRIES: usize = 25_000;
/// Names in a path: task, samples, task, label, crop; one may be `.`.
const MOST_DEEP: usize = 6;
/// Of a path.
const MOST_LETTERS: usize = 1024;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    name: String,
}

pub(super) async fn import(
    State(server): State<Arc<Server>>,
    extract::Asked(asked): extract::Asked<Asked>,
    request: Request,
) -> Reply {
    // Before a large body is taken in.
    server.tasks.may_change()?;
    let turn = server.import_turn()?;
    let body = extract::read(request.into_body(), MOST_BYTES, PATIENCE).await?;
    run(server, move |server| {
        let _turn = turn;
        let name = (!asked.name.is_empty()).then(|| TaskName::try_from(asked.name)).transpose()?;
        let engine = server.tasks.engine()?;
        let passage = Passage::new(&server.config.exchange())?;
        let folder = unpack(&body, &passage.path)
            .map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("this is no archive of a task: {error}")))?;
        let imported = engine.tasks().import(&folder, name.as_ref())?;
        Ok(granted(format!("{} answers", imported.task_id), json!({"task_id": imported.task_id})))
    })
    .await
}

/// Writes the files of an archive below a new folder, and returns the one that has the manifest.
fn unpack(archive: &[u8], into: &Path) -> io::Result<PathBuf> {
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    fs::create_dir_all(into)?;
    let mut manifest = None;
    for (number, entry) in tar::Archive::new(archive).entries()?.enumerate() {
        let mut entry = entry?;
        if number >= MOST_ENTRIES {
            return refused(format!("it has more than {MOST_ENTRIES} files"));
        }
        let path = entry.path()?.into_owned();
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_below || path.components().count() > MOST_DEEP || path.as_os_str().len() > MOST_LETTERS {
            let start: String = path.display().to_string().chars().take(100).collect();
            return refused(format!("{start} is no place for a file"));
        }
        let place = into.join(&path);
        match entry.header().entry_type() {
            tar::EntryType::Directory => fs::create_dir_all(&place)?,
            tar::EntryType::Regular => {
                if let Some(folder) = place.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                // The same path twice is refused.
                let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&place)?;
                io::Write::write_all(&mut file, &bytes)?;
                if path.file_name().is_some_and(|name| name == engine::MANIFEST) {
                    manifest = place.parent().map(Path::to_path_buf);
                }
            }
            other => return refused(format!("{} is no file but {other:?}", path.display())),
        }
    }
    manifest.map_or_else(|| refused(format!("there is no {}", engine::MANIFEST)), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with these files; a name may be one that the library would not write.
    fn archive(files: &[(&str, tar::EntryType)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(if *kind == tar::EntryType::Regular { 2 } else { 0 });
            header.set_cksum();
            builder.append(&header, &b"hi"[..if *kind == tar::EntryType::Regular { 2 } else { 0 }]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_are_written_and_the_folder_of_the_manifest_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("page-1-0");
        let files =
            [("who/manifest.yaml", tar::EntryType::Regular), ("who/samples/a/0/0000.png", tar::EntryType::Regular)];
        assert_eq!(unpack(&archive(&files), &into).unwrap(), into.join("who"));
        assert_eq!(fs::read(into.join("who/samples/a/0/0000.png")).unwrap(), b"hi");
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused() {
        use tar::EntryType::{Fifo, Link, Regular, Symlink};
        for (name, kind) in [
            ("../manifest.yaml", Regular),
            ("/etc/manifest.yaml", Regular),
            ("a/../../manifest.yaml", Regular),
            ("manifest.yaml", Symlink),
            ("manifest.yaml", Link),
            ("manifest.yaml", Fifo),
            ("a/b/c/d/e/f/manifest.yaml", Regular),
            ("other.yaml", Regular),
        ] {
            let dir = tempfile::tempdir().unwrap();
            assert!(unpack(&archive(&[(name, kind)]), &dir.path().join("in")).is_err(), "{name} {kind:?}");
            assert!(!dir.path().join("manifest.yaml").exists());
        }
    }

    #[test]
    fn the_same_file_twice_and_rubbish_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let twice = [("manifest.yaml", tar::EntryType::Regular); 2];
        assert!(unpack(&archive(&twice), &dir.path().join("a")).is_err());
        assert!(unpack(&[7; 3000], &dir.path().join("b")).is_err());
        assert!(unpack(&[], &dir.path().join("c")).is_err());
    }
}
