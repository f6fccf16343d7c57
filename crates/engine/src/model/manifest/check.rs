//! What a manifest must hold: each record against its ranges, and columns against each other.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use learning::Calibration;
use network::{ColumnConfig, EncoderConfig};

use super::{ColumnRecord, EncoderRecord, MAX_STRANGERS};
use crate::model::disk::is_plain_name;
use crate::model::store_error::{StoreError, list};

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

/// Temperatures that a calibration may find; others make every answer certain, or none.
const TEMPERATURES: RangeInclusive<f32> = 0.01..=1e3;
/// Widths of the passage from known to unknown.
const ENERGY_SCALES: RangeInclusive<f32> = 1e-6..=1e6;

impl ColumnRecord {
    pub(super) fn validate(&self, path: &Path, encoder: &EncoderConfig) -> Result<(), StoreError> {
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
        let valid = TEMPERATURES.contains(&temperature) && ENERGY_SCALES.contains(&energy_scale);
        if !valid || !energy_threshold.is_finite() {
            return wrong(
                "calibration",
                format!(
                    "a temperature from {} to {}, an energy_scale from {} to {}, a finite energy_threshold",
                    TEMPERATURES.start(),
                    TEMPERATURES.end(),
                    ENERGY_SCALES.start(),
                    ENERGY_SCALES.end()
                ),
                format!("{:?}", self.calibration),
            );
        }
        Ok(())
    }
}
