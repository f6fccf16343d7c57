//! `manifest.yaml`: what a model consists of, and what the taught tasks beside it are.

mod check;

pub(crate) use check::validate_columns;

use std::path::Path;

use learning::{Accuracy, Calibration};
use network::weights::sha256;
use network::{ColumnConfig, EncoderConfig, Label, TaskName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::disk::{self, Links};
use crate::model::store_error::StoreError;

/// Name of a manifest in its folder.
pub const MANIFEST: &str = "manifest.yaml";
/// Schema of [`Manifest`] and [`TaughtManifest`] that this program reads and writes.
pub const SCHEMA: u32 = 1;

// A manifest of thousands of columns is smaller; an imported folder may hold anything.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 8 << 20;

/// What a task tells apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum TaskKind {
    /// States, groups, things: a head that draws from other tasks.
    #[default]
    General = 0,
    /// People, by the encoder's face descriptor, and strangers from all of them.
    Identity = 1,
}

/// A model that ships: one encoder and its columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The model's name.
    pub name: String,
    /// Licence of the weights, an SPDX expression or words.
    pub licence: String,
    /// The encoder that all columns share.
    pub encoder: EncoderRecord,
    /// Columns, each after its sources.
    pub columns: Vec<ColumnRecord>,
}

/// Tasks taught on a model, kept apart from it; also what an exported task consists of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaughtManifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the model that the tasks were taught on, for messages.
    pub model: String,
    /// SHA-256 of that model's encoder file, hexadecimal.
    pub encoder_sha256: String,
    /// Columns, each after its sources among them; other sources are the model's.
    pub columns: Vec<ColumnRecord>,
}

/// The encoder's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderRecord {
    /// File name beside the manifest.
    pub file: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its sizes.
    pub config: EncoderConfig,
    /// Strangers' face descriptors, where the encoder gives some; see [`network::Cohort`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<CohortRecord>,
}

/// The file with the strangers that identity columns are measured against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortRecord {
    /// File name beside the manifest.
    pub file: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// How many there are, at most [`MAX_STRANGERS`].
    pub strangers: usize,
    /// Where their pictures came from and under which terms.
    pub provenance: String,
}

/// Strangers in a cohort, at most: 512 KB.
pub const MAX_STRANGERS: usize = 2048;

/// A column that feeds another one, and the weights it had then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// Name of the column.
    pub name: TaskName,
    /// SHA-256 of its file at the time of training, hexadecimal.
    pub sha256: String,
}

/// One task's column.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecord {
    /// The task.
    pub name: TaskName,
    /// Labels, in the order of the column's outputs.
    pub labels: Vec<Label>,
    /// Columns that feed this one, in the order of its adapters.
    pub sources: Vec<SourceRecord>,
    /// Later tasks may draw from it.
    pub transferable: bool,
    /// Kept as a source only: it does not answer.
    #[serde(default)]
    pub silent: bool,
    /// Set on a silent older version: the task that has a newer column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<TaskName>,
    /// Starts at 1, grows at each training.
    pub version: u32,
    /// File name beside the manifest.
    pub file: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its sizes.
    pub config: ColumnConfig,
    /// From logits to probabilities.
    pub calibration: Calibration,
    /// Accuracy on held-back samples, when it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Accuracy>,
    /// Where the data came from and under which terms, one line each.
    #[serde(default)]
    pub provenance: Vec<String>,
    /// Samples that the column was trained with, one count per label.
    pub samples: Vec<u32>,
    /// Time that the training took, in seconds.
    pub training_seconds: f32,
    /// SHA-256 of everything above, hexadecimal; taught columns have it. Weights have a digest of their own, but exchanged labels or a
    /// changed temperature would call people by each other's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_sha256: Option<String>,
}

impl ColumnRecord {
    /// A first version that answers and may be drawn from. File, digests and version are filled in when it is stored.
    pub fn new(
        name: TaskName,
        labels: Vec<Label>,
        sources: &[TaskName],
        config: ColumnConfig,
        calibration: Calibration,
    ) -> Self {
        let sources = sources.iter().map(|name| SourceRecord { name: name.clone(), sha256: String::new() }).collect();
        Self {
            samples: vec![0; labels.len()],
            name,
            labels,
            sources,
            transferable: true,
            silent: false,
            replaced_by: None,
            version: 1,
            file: String::new(),
            sha256: String::new(),
            config,
            calibration,
            metrics: None,
            provenance: Vec::new(),
            training_seconds: 0.0,
            record_sha256: None,
        }
    }

    /// The record with the digest of what it says.
    pub(crate) fn sealed(mut self) -> Self {
        self.record_sha256 = self.digest();
        self
    }

    /// Whether it says what it said when it was sealed. A record of an earlier version has no digest.
    pub(crate) fn is_as_sealed(&self) -> bool {
        self.record_sha256.is_none() || self.record_sha256 == self.digest()
    }

    fn digest(&self) -> Option<String> {
        let text = serde_json::to_string(&Self { record_sha256: None, ..self.clone() }).ok()?;
        Some(sha256(text.as_bytes()))
    }

    /// Names of the sources, in the order of the adapters.
    pub fn source_names(&self) -> Vec<TaskName> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }

    /// Whether the column draws from another one.
    pub fn draws_from(&self, name: &TaskName) -> bool {
        self.sources.iter().any(|source| source.name == *name)
    }

    /// What the task tells apart.
    pub fn kind(&self) -> TaskKind {
        if self.config.unit_hidden { TaskKind::Identity } else { TaskKind::General }
    }

    /// `name@version`, as services report it.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

impl Manifest {
    /// Reads and checks a model's manifest; the weights are looked at when they are loaded.
    ///
    /// # Errors
    /// Names the file, the key, what was expected and what was found.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let manifest: Self = read_yaml(path, Links::Followed)?;
        let encoder = &manifest.encoder;
        encoder.validate(path)?;
        validate_columns(path, &manifest.encoder.config, &[], &manifest.columns)?;
        Ok(manifest)
    }

    /// The record of a column.
    pub fn column(&self, name: &TaskName) -> Option<&ColumnRecord> {
        self.columns.iter().find(|column| column.name == *name)
    }
}

impl TaughtManifest {
    /// No tasks yet, on top of a model.
    pub fn new(model: &Manifest) -> Self {
        Self {
            schema: SCHEMA,
            model: model.name.clone(),
            encoder_sha256: model.encoder.sha256.clone(),
            columns: Vec::new(),
        }
    }

    pub(crate) fn check_encoder(&self, path: &Path, model: &Manifest) -> Result<(), StoreError> {
        // Where nothing was taught, any model will do.
        if self.encoder_sha256 == model.encoder.sha256 || self.columns.is_empty() {
            return Ok(());
        }
        Err(StoreError::OtherEncoder {
            path: path.to_path_buf(),
            taught_on: self.model.clone(),
            expected: self.encoder_sha256.clone(),
            found: model.encoder.sha256.clone(),
        })
    }
}

/// Brackets within brackets of a YAML file that are read. Ours have two, but labels may hold some that are never closed. A parser
/// takes time with the square of them.
const MAX_NESTING: usize = 10_000;

/// Reads YAML that has a `schema` key; another schema is said to be one before any key can be called unknown.
pub(crate) fn read_yaml<T: DeserializeOwned>(path: &Path, links: Links) -> Result<T, StoreError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let wrong = |reason: String| StoreError::Manifest { path: path.to_path_buf(), reason };
    let bytes = disk::read_file(path, MAX_MANIFEST_BYTES, links).map_err(StoreError::io(path))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    if nesting(&text) > MAX_NESTING {
        return Err(wrong(format!("expected at most {MAX_NESTING} brackets within each other")));
    }
    let versioned: Versioned = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if versioned.schema != SCHEMA {
        return Err(StoreError::Schema { path: path.to_path_buf(), expected: SCHEMA, found: versioned.schema });
    }
    serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// How deep brackets lie within each other at most, those in quotes counted too.
fn nesting(text: &str) -> usize {
    let mut depth = 0usize;
    let depths = text.bytes().map(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth
    });
    depths.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_brackets_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MANIFEST);
        std::fs::write(&path, format!("schema: 1\nmodel: {}", "[".repeat(1 << 20))).unwrap();
        let message = read_yaml::<TaughtManifest>(&path, Links::Refused).unwrap_err().to_string();
        assert!(message.contains("brackets"), "{message}");
        assert_eq!(nesting("a: [b, {c: []}]\nd: []"), 3);
    }
}
