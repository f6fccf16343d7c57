//! One safetensors file per part, named after its content, and the manifest that says which of them count.
//!
//! A change is staged (new files beside the old ones), committed (the manifest is renamed) and swept (files that no
//! manifest names any more are removed). A crash in between leaves the old model or the new one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use network::weights::{self, Precision};
use network::{Column, NetworkBackend};
use serde::Serialize;

use crate::model::disk::{self, Access};
use crate::model::manifest::{ColumnRecord, MANIFEST};
use crate::model::store_error::StoreError;

// 48 bits tell the versions of one column apart; the manifest has the whole digest.
pub(crate) const NAME_DIGITS: usize = 12;

/// Of one part, at most: a column of Table III in `f32` has 53 MB.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// A file that was written beside the model and counts once a manifest names it.
pub(crate) struct Staged {
    pub(crate) file: String,
    pub(crate) sha256: String,
}

/// Writes a part under a name that holds its digest, so that it can overwrite none that is in use.
pub(crate) fn stage<B: NetworkBackend, M: Module<B>>(
    dir: &Path,
    access: Access,
    stem: &str,
    module: &M,
    precision: Precision,
) -> Result<Staged, StoreError> {
    let part = disk::unfinished(dir, access).map_err(StoreError::io(dir))?;
    let sha256 = weights::save::<B, M>(module, part.path(), precision)?;
    let file = format!("{stem}-{}.safetensors", &sha256[..NAME_DIGITS.min(sha256.len())]);
    let path = dir.join(&file);
    disk::keep(part, &path, access).map_err(StoreError::io(&path))?;
    disk::sync_dir(dir).map_err(StoreError::io(dir))?;
    Ok(Staged { file, sha256 })
}

/// Stages a column and fills in its record.
pub(crate) fn stage_column<B: NetworkBackend>(
    dir: &Path,
    access: Access,
    record: &mut ColumnRecord,
    column: &Column<B>,
    precision: Precision,
) -> Result<(), StoreError> {
    let stem = format!("{}-v{}", record.name, record.version);
    let staged = stage::<B, _>(dir, access, &stem, column, precision)?;
    record.file = staged.file;
    record.sha256 = staged.sha256;
    Ok(())
}

/// Reads one column and checks its digest, keys and shapes.
pub(crate) fn load_column<B: NetworkBackend>(
    dir: &Path,
    record: &ColumnRecord,
    device: &B::Device,
) -> Result<Column<B>, StoreError> {
    // The seed does not matter: every weight is read, or the load fails.
    let column = record.config.init::<B>(device, 0);
    Ok(weights::load::<B, _>(column, &dir.join(&record.file), Some(&record.sha256), device)?)
}

/// Makes a manifest count: all or nothing.
pub(crate) fn commit<M: Serialize>(dir: &Path, access: Access, manifest: &M) -> Result<(), StoreError> {
    let path = dir.join(MANIFEST);
    let text = serde_yaml::to_string(manifest)
        .map_err(|error| StoreError::Manifest { path: path.clone(), reason: error.to_string() })?;
    disk::write_atomic(&path, text.as_bytes(), access).map_err(StoreError::io(&path))
}

/// Removes parts that no manifest names, and unfinished files. Files of other names are not ours and stay.
pub(crate) fn sweep(dir: &Path, keep: &BTreeSet<&str>) -> Result<(), StoreError> {
    disk::sweep_unfinished(dir).map_err(StoreError::io(dir))?;
    for entry in fs::read_dir(dir).map_err(StoreError::io(dir))? {
        let entry = entry.map_err(StoreError::io(dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_part(&name) && !keep.contains(name.as_ref()) {
            let path: PathBuf = entry.path();
            disk::remove_file(&path).map_err(StoreError::io(&path))?;
        }
    }
    disk::sync_dir(dir).map_err(StoreError::io(dir))
}

/// Names of the parts that are in a folder; none where there is no folder.
pub(crate) fn found(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(StoreError::io(dir))?.file_name();
        names.extend(name.into_string().ok().filter(|name| is_part(name)));
    }
    Ok(names)
}

pub(crate) fn is_part(name: &str) -> bool {
    // What a repair kept is nobody's part any more.
    if name.starts_with(disk::SET_ASIDE) {
        return false;
    }
    let Some((_, digest)) = name.strip_suffix(".safetensors").and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    digest.len() == NAME_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_named_like_parts_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let kept = "smile-v1-0123456789ab.safetensors";
        for name in [kept, "smile-v2-ba9876543210.safetensors", "mine.safetensors", "notes-0123456789ab.txt"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        sweep(dir.path(), &BTreeSet::from([kept])).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["mine.safetensors", "notes-0123456789ab.txt", kept]);
    }
}
