//! What is broken in a folder of taught tasks. What is sound answers; nothing is written or swept there until it is repaired.

use std::path::Path;

use network::TaskName;
use network::weights::sha256;

use crate::model::disk::{self, Links};
use crate::model::manifest::{ColumnRecord, MANIFEST, TaughtManifest, read_yaml};
use crate::model::parts;
use crate::model::store_error::StoreError;

/// A copy of [`MANIFEST`], made after each change: weights alone do not say which labels they tell apart.
pub const MANIFEST_COPY: &str = "manifest.copy.yaml";

/// Said of a record that was changed since it was written.
pub(crate) const OTHER_RECORD: &str = "its record in the manifest is not what was written";

/// A taught column that cannot answer.
#[derive(Debug, Clone)]
pub struct BrokenColumn {
    /// What the manifest says of it.
    pub record: ColumnRecord,
    /// What is wrong with its weights, or with a column that it draws from.
    pub reason: String,
}

/// What is broken in a folder of taught tasks.
#[derive(Debug, Clone, Default)]
pub struct Damage {
    /// Why the manifest cannot be used.
    pub manifest: Option<String>,
    /// Columns whose weights are not what the manifest says.
    pub columns: Vec<BrokenColumn>,
}

impl Damage {
    /// Nothing is broken.
    pub fn is_none(&self) -> bool {
        self.manifest.is_none() && self.columns.is_empty()
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.columns.iter().map(|broken| format!("task {}: {}", broken.record.name, broken.reason));
        let all: Vec<String> = self.manifest.iter().cloned().chain(columns).collect();
        f.write_str(&all.join("; "))
    }
}

/// The manifest of a folder, whatever model it belongs to; nothing where nothing was taught.
///
/// # Errors
/// [`StoreError::Schema`], or a disk that refuses.
pub(crate) fn read_manifest(dir: &Path) -> Result<Result<Option<TaughtManifest>, String>, StoreError> {
    let path = dir.join(MANIFEST);
    if !path.try_exists().map_err(StoreError::io(&path))? {
        let left = parts::found(dir)?.len();
        let copied = copy(dir).is_some_and(|manifest| !manifest.columns.is_empty());
        return Ok(match (left, copied) {
            (0, false) => Ok(None),
            _ => Err(format!("{MANIFEST} is missing, but {left} weights of taught tasks are there")),
        });
    }
    let copied = copy(dir);
    match read_yaml::<TaughtManifest>(&path, Links::Refused) {
        Ok(manifest) => Ok(match &copied {
            // Columns have digests; what stands above them has its copy alone.
            Some(copy) if other_encoder(&manifest, copy) => {
                Err(format!("{MANIFEST} names another encoder than its copy"))
            }
            _ => Ok(Some(manifest)),
        }),
        Err(error @ StoreError::Schema { .. }) if copied.is_some() => {
            Ok(Err(format!("{MANIFEST} and its copy are not of one version: {error}")))
        }
        Err(StoreError::Manifest { reason, .. }) => Ok(Err(format!("{MANIFEST} cannot be read: {reason}"))),
        Err(StoreError::Io { source, .. }) if disk::is_of_the_file(&source) => {
            Ok(Err(format!("{MANIFEST} cannot be used: it {source}")))
        }
        Err(error) => Err(error),
    }
}

/// Whether the same taught columns are said to stand on two encoders.
fn other_encoder(manifest: &TaughtManifest, copy: &TaughtManifest) -> bool {
    let files = |of: &TaughtManifest| of.columns.iter().map(|column| column.file.clone()).collect::<Vec<_>>();
    manifest.encoder_sha256 != copy.encoder_sha256 && !copy.columns.is_empty() && files(manifest) == files(copy)
}

/// The copy of the manifest, where it can be read.
pub(crate) fn copy(dir: &Path) -> Option<TaughtManifest> {
    read_yaml(&dir.join(MANIFEST_COPY), Links::Refused).ok()
}

/// Takes columns that cannot answer out of a manifest: those whose weights are missing or others, and those that draw from them.
pub(crate) fn take_broken(dir: &Path, columns: &mut Vec<ColumnRecord>) -> Vec<BrokenColumn> {
    let mut broken: Vec<BrokenColumn> = Vec::new();
    let all = std::mem::take(columns);
    for record in all {
        let lost = |name: &TaskName| broken.iter().any(|other| other.record.name == *name);
        let source = record.sources.iter().find(|source| lost(&source.name));
        let reason = match source {
            Some(source) => Some(format!("it draws from {}", source.name)),
            None if !record.is_as_sealed() => Some(OTHER_RECORD.to_owned()),
            None => weights_are_wrong(dir, &record),
        };
        match reason {
            Some(reason) => broken.push(BrokenColumn { record, reason }),
            None => columns.push(record),
        }
    }
    broken
}

fn weights_are_wrong(dir: &Path, record: &ColumnRecord) -> Option<String> {
    if !disk::is_plain_name(&record.file) {
        return Some(format!("its weights `{}` are no file of this folder", record.file));
    }
    match disk::read_file(&dir.join(&record.file), parts::MAX_BYTES, Links::Refused) {
        Ok(bytes) if sha256(&bytes) == record.sha256 => None,
        Ok(_) => Some(format!("its weights {} are not those that were written", record.file)),
        Err(error) => Some(format!("its weights {} cannot be read: {error}", record.file)),
    }
}
