//! `manifest.yaml`: what a model consists of, and what the taught tasks beside it are.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use learning::{Accuracy, Calibration};
use network::{ColumnConfig, EncoderConfig, Label, TaskName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::disk::is_plain_name;
use crate::model::store_error::{StoreError, list};

/// Name of a manifest in its folder.
pub const MANIFEST: &str = "manifest.yaml";
/// Schema of [`Manifest`] and [`TaughtManifest`] that this program reads and writes.
pub const SCHEMA: u32 = 1;

// A manifest of thousands of columns is smaller; an imported folder may hold anything.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;

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

impl EncoderRecord {
    pub(crate) fn validate(&self, path: &Path) -> Result<(), StoreError> {
        let wrong = |reason| Err(StoreError::Manifest { path: path.to_path_buf(), reason });
        let files = std::iter::once((&self.file, &self.sha256));
        let files = files.chain(self.cohort.as_ref().map(|cohort| (&cohort.file, &cohort.sha256)));
        for (file, sha256) in files {
            if !is_plain_name(file) || !is_digest(sha256) {
                return wrong(format!(
                    "encoder: expected a file name without folders and 64 hexadecimal digits, found {file} and {sha256}"
                ));
            }
        }
        // A mistyped size would ask the system for more memory than there is, which nothing survives.
        if self.config.descriptor > *SIZES.end() {
            return wrong(format!(
                "encoder.config.descriptor: at most {}, found {}",
                SIZES.end(),
                self.config.descriptor
            ));
        }
        match &self.cohort {
            Some(_) if self.config.descriptor == 0 => {
                wrong("encoder.cohort: the encoder has no descriptor that it could be measured with".into())
            }
            Some(cohort) if !(2..=MAX_STRANGERS).contains(&cohort.strangers) => {
                wrong(format!("encoder.cohort.strangers: 2 to {MAX_STRANGERS}, found {}", cohort.strangers))
            }
            _ => Ok(()),
        }
    }
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
        }
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

    fn validate(&self, path: &Path, encoder: &EncoderConfig) -> Result<(), StoreError> {
        let wrong = |key, expected: String, found: String| {
            Err(StoreError::Record {
                path: path.to_path_buf(),
                column: self.name.clone(),
                key,
                expected: expected.into(),
                found: found.into(),
            })
        };
        let (least, in_words) = if self.config.unit_hidden { (1, "at least one") } else { (2, "at least two") };
        if self.labels.len() < least {
            return wrong("labels", in_words.into(), self.labels.len().to_string());
        }
        if self.labels.iter().collect::<BTreeSet<_>>().len() != self.labels.len() {
            return wrong("labels", "distinct ones".into(), list(&self.labels));
        }
        if self.config.classes != self.labels.len() {
            return wrong("config.classes", self.labels.len().to_string(), self.config.classes.to_string());
        }
        if self.config.sources != self.sources.len() {
            return wrong("config.sources", self.sources.len().to_string(), self.config.sources.to_string());
        }
        let people = self.config.unit_hidden;
        if people && (self.config.hidden != encoder.descriptor || self.config.own_blocks || self.config.sources > 0) {
            let found = format!("{} units", self.config.hidden);
            return wrong("config.unit_hidden", "the encoder's descriptor alone as hidden units".into(), found);
        }
        if self.config.features != encoder.features() {
            return wrong("config.features", encoder.features().to_string(), self.config.features.to_string());
        }
        if self.samples.len() != self.labels.len() {
            return wrong("samples", format!("{} counts", self.labels.len()), self.samples.len().to_string());
        }
        // A mistyped size would ask the system for more memory than there is, which nothing survives.
        let ColumnConfig { channels, adapter_channels, hidden, dropout, .. } = self.config;
        if let Some(size) =
            [channels[0], channels[1], adapter_channels, hidden].into_iter().find(|s| !SIZES.contains(s))
        {
            return wrong("config", format!("sizes from {} to {}", SIZES.start(), SIZES.end()), size.to_string());
        }
        if !(0.0..1.0).contains(&dropout) {
            return wrong("config.dropout", "0 or more, less than 1".into(), dropout.to_string());
        }
        if self.version == 0 || self.version == u32::MAX {
            return wrong("version", format!("1 to {}", u32::MAX - 1), self.version.to_string());
        }
        if !is_plain_name(&self.file) {
            return wrong("file", "a file name without folders".into(), self.file.clone());
        }
        if !is_digest(&self.sha256) {
            return wrong("sha256", "64 hexadecimal digits".into(), self.sha256.clone());
        }
        let Calibration { temperature, energy_threshold, energy_scale, .. } = self.calibration;
        let valid = temperature > 0.0 && energy_scale >= 0.0;
        if !valid || [temperature, energy_threshold, energy_scale].iter().any(|value| !value.is_finite()) {
            return wrong(
                "calibration",
                "finite values, a positive temperature".into(),
                format!("{:?}", self.calibration),
            );
        }
        Ok(())
    }
}

/// Channels and units that a column may have.
const SIZES: RangeInclusive<usize> = 1..=4096;

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks each record, and that sources come first and have the weights that they had. `earlier` are the columns of the model below.
pub(crate) fn validate_columns(
    path: &Path,
    encoder: &EncoderConfig,
    earlier: &[ColumnRecord],
    columns: &[ColumnRecord],
) -> Result<(), StoreError> {
    for (position, column) in columns.iter().enumerate() {
        column.validate(path, encoder)?;
        if earlier.iter().any(|other| other.name == column.name) {
            return Err(StoreError::NameTaken { path: path.to_path_buf(), name: column.name.clone() });
        }
        if columns[..position].iter().any(|other| other.name == column.name) {
            return Err(StoreError::Record {
                path: path.to_path_buf(),
                column: column.name.clone(),
                key: "name",
                expected: "distinct names".into(),
                found: format!("{} twice", column.name).into(),
            });
        }
        let before = || earlier.iter().chain(&columns[..position]);
        for source in &column.sources {
            let Some(origin) = before().find(|other| other.name == source.name) else {
                return Err(StoreError::MissingSource {
                    path: path.to_path_buf(),
                    column: column.name.clone(),
                    missing: source.name.clone(),
                    found: list(before().map(|other| &other.name)),
                });
            };
            if origin.sha256 != source.sha256 {
                return Err(StoreError::ChangedSource {
                    path: path.to_path_buf(),
                    column: column.name.clone(),
                    origin: source.name.clone(),
                    expected: source.sha256.as_str().into(),
                    found: origin.sha256.as_str().into(),
                });
            }
            if !origin.config.can_be_drawn_from() {
                return Err(StoreError::Record {
                    path: path.to_path_buf(),
                    column: column.name.clone(),
                    key: "sources",
                    expected: format!("columns of at most {} hidden units", origin.config.width()).into(),
                    found: format!("{} in {}", origin.config.hidden, origin.name).into(),
                });
            }
            // The adapter concatenates the sources' outputs.
            let (expected, found) = (column.config.channels[1], origin.config.width());
            if expected != found {
                return Err(StoreError::Record {
                    path: path.to_path_buf(),
                    column: column.name.clone(),
                    key: "sources",
                    expected: format!("columns of {expected} channels").into(),
                    found: format!("{found} in {}", origin.name).into(),
                });
            }
        }
    }
    Ok(())
}

impl Manifest {
    /// Reads and checks a model's manifest; the weights are looked at when they are loaded.
    ///
    /// # Errors
    /// Names the file, the key, what was expected and what was found.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let manifest: Self = read_yaml(path)?;
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

    /// Reads and checks the taught tasks of a folder against the model they belong to.
    ///
    /// # Errors
    /// Names the file, the key, what was expected and what was found; with another encoder, what to do.
    pub fn read(path: &Path, model: &Manifest) -> Result<Self, StoreError> {
        let manifest: Self = read_yaml(path)?;
        manifest.check_encoder(path, model)?;
        validate_columns(path, &model.encoder.config, &model.columns, &manifest.columns)?;
        Ok(manifest)
    }

    pub(crate) fn check_encoder(&self, path: &Path, model: &Manifest) -> Result<(), StoreError> {
        if self.encoder_sha256 == model.encoder.sha256 {
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

/// Reads YAML that has a `schema` key; another schema is said to be one before any key can be called unknown.
pub(crate) fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let size = fs::metadata(path).map_err(StoreError::io(path))?.len();
    let wrong = |reason: String| StoreError::Manifest { path: path.to_path_buf(), reason };
    if size > MAX_MANIFEST_BYTES {
        return Err(wrong(format!("expected at most {MAX_MANIFEST_BYTES} bytes, found {size}")));
    }
    let text = fs::read_to_string(path).map_err(StoreError::io(path))?;
    let versioned: Versioned = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if versioned.schema != SCHEMA {
        return Err(StoreError::Schema { path: path.to_path_buf(), expected: SCHEMA, found: versioned.schema });
    }
    serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))
}
