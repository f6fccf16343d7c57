//! Brings a damaged folder of taught tasks back to what is sound.

use std::path::Path;

use network::TaskName;

use crate::model::damage::{self, BrokenColumn, Damage, MANIFEST_COPY};
use crate::model::disk::{self, Access};
use crate::model::manifest::{MANIFEST, MAX_MANIFEST_BYTES, TaughtManifest};
use crate::model::parts;
use crate::model::samples::{SampleCounts, SampleStore};
use crate::model::state::lock;
use crate::model::store_error::StoreError;

/// What a folder of taught tasks holds, and what is broken in it.
#[derive(Debug)]
pub struct StateReport {
    /// What is broken; of a folder that was repaired, what was.
    pub damage: Damage,
    /// Tasks that answer, `name@version`, silent ones too.
    pub sound: Vec<String>,
    /// Stored samples of each task by label, or why they cannot be read.
    pub samples: Vec<(TaskName, Result<SampleCounts, String>)>,
}

/// Looks at a folder of taught tasks and leaves it as it is.
///
/// # Errors
/// A disk that refuses, or a manifest of another version of this program.
pub fn check_state(dir: &Path) -> Result<StateReport, StoreError> {
    report(dir).map(|(report, _)| report)
}

/// Repairs a folder of taught tasks: a manifest that is missing or broken is written anew from its copy, columns whose weights are
/// lost leave it. Manifest, copy and what nobody names any more are kept under `damaged-…`; samples are not touched, so that what is lost can be taught again.
///
/// # Errors
/// Another process has the folder; there is no copy of the manifest; the disk refuses.
pub fn repair_state(dir: &Path) -> Result<StateReport, StoreError> {
    let Some(_lock) = lock(dir)? else { return Err(StoreError::InUse(dir.to_path_buf())) };
    let (report, manifest) = report(dir)?;
    if report.damage.is_none() {
        return Ok(report);
    }
    let Some(manifest) = manifest else {
        return Err(StoreError::Unrepairable { path: dir.to_path_buf(), damage: report.damage.to_string().into() });
    };
    // Labels and calibrations of what leaves the manifest are in these alone.
    for path in [MANIFEST, MANIFEST_COPY].map(|name| dir.join(name)) {
        disk::copy_aside(&path, MAX_MANIFEST_BYTES).map_err(StoreError::io(&path))?;
    }
    let kept = |file: &str| manifest.columns.iter().any(|column| column.file == file);
    for path in parts::found(dir)?.iter().filter(|file| !kept(file)).map(|file| dir.join(file)) {
        disk::set_aside(&path).map_err(StoreError::io(&path))?;
    }
    parts::commit(dir, Access::Private, &manifest)?;
    Ok(report)
}

/// What is there, and the manifest that a repair would write.
fn report(dir: &Path) -> Result<(StateReport, Option<TaughtManifest>), StoreError> {
    let (found, broken) = match damage::read_manifest(dir)? {
        Ok(found) => (found, None),
        Err(reason) => (damage::copy(dir), Some(reason)),
    };
    let mut damage = Damage { manifest: broken, columns: Vec::new() };
    let manifest = found.map(|mut manifest| {
        damage.columns = take_from_copy(dir, &mut manifest);
        damage.columns.extend(damage::take_broken(dir, &mut manifest.columns));
        manifest
    });
    let sound = manifest.iter().flat_map(|manifest| &manifest.columns).map(|column| column.id()).collect();
    let store = SampleStore::new(dir, usize::MAX);
    let samples = store.tasks().map_err(|error| StoreError::io(dir)(std::io::Error::other(error.to_string())))?;
    let counts = |task: TaskName| {
        let counts = store.counts(&task).map_err(|error| error.to_string());
        (task, counts)
    };
    Ok((StateReport { damage, sound, samples: samples.into_iter().map(counts).collect() }, manifest))
}

/// Puts the copy's records in the place of those that were changed since they were written, and returns the latter.
fn take_from_copy(dir: &Path, manifest: &mut TaughtManifest) -> Vec<BrokenColumn> {
    let copied = damage::copy(dir).map(|copy| copy.columns).unwrap_or_default();
    let names: Vec<TaskName> = manifest.columns.iter().map(|column| column.name.clone()).collect();
    let mut changed = Vec::new();
    for record in manifest.columns.iter_mut().filter(|record| !record.is_as_sealed()) {
        let sealed = || copied.iter().filter(|copy| copy.is_as_sealed());
        let whole =
            sealed().find(|copy| copy.file == record.file).or_else(|| sealed().find(|copy| copy.name == record.name));
        if let Some(whole) = whole.filter(|whole| whole.name == record.name || !names.contains(&whole.name)) {
            let record = std::mem::replace(record, whole.clone());
            changed.push(BrokenColumn { record, reason: damage::OTHER_RECORD.to_owned() });
        }
    }
    changed
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
